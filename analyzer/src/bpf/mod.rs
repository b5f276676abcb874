//! The kernel program: loading, attaching, and its maps.
//!
//! [`programs::load`] gives four parts that can be used apart from each other: [`programs`] attach, [`table`] holds the set of
//! next hops that packets are judged by, [`readings`] tell what was counted, [`events`] what is to be looked at
//! now. `analyzer_ebpf::maps` says how a packet takes its way through the maps.
//!
//! Kernels are probed by use, not by version. Needed are ring buffers (Linux 5.8) and, to attach, TCX (6.6) or clsact.

pub mod attach;
pub mod counted;
pub mod error;
pub mod events;
pub mod hooks;
pub mod kernel_maps;
pub mod programs;
pub mod readings;
pub mod redirect;
pub mod set_maps;
pub mod sizes;
pub mod table;
pub mod traced;
pub mod tracing;

mod clsact;
mod filter_lock;
mod grace_period;
mod map;
mod places;
mod plan;
pub(crate) mod rtnl;
mod sys;
