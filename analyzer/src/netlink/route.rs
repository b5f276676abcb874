//! Next hops as the kernel knows them: routes, nexthop objects, neighbours, addresses and links, followed.
//!
//! [`state::State`] is told the messages and says what follows, without I/O; [`follow()`] reads them from the kernel.
//!
//! # What is told
//! - [`Fact::Route`](crate::engine::fact::Fact::Route): one for each next hop of the routes that the kernel uses now, of
//!   a router called [`ROUTER`]. A next hop that is dead or whose link is down is told with BFD status down, so that its
//!   MAC is known as that of a dead gateway. A route without gateway is told without next hop and with its port, which
//!   makes its destinations on link. Destinations that the kernel sends by no watched device, or discards, are told as a
//!   route with neither, so that a shorter prefix does not decide them.
//! - [`Fact::RouterPort`](crate::engine::fact::Fact::RouterPort): each watched device with its MAC, addresses, and those
//!   of their networks that routes say are on link.
//! - [`Fact::Binding`](crate::engine::fact::Fact::Binding): each neighbour on a watched device.
//!
//! All routes count as static, whatever added them: between routes to the same destinations the kernel goes by the
//! metric alone, and that choice is made here. Routes whose metric loses are not told.

mod facts;
mod follow;
mod message;
mod rule;
pub mod state;
mod table;
pub mod tables;

pub use follow::{Error, Event, Options, follow};

/// Name of the router that stands for the kernel's routing tables.
pub const ROUTER: &str = "kernel";
