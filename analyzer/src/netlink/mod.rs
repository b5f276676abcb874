//! What the kernel tells by netlink: routes, neighbours, links, conntrack entries.
//!
//! Conntrack entries are read by [`conntrack`], which shares nothing with the rest: its messages are netfilter's.
//!
//! rtnetlink in order of use: [`rtnetlink`] frames messages and numbers them, [`attribute`] reads their attributes,
//! [`link`], [`address`], [`neighbour`] and [`nexthop`] each read one kind of object, [`route`] keeps all of them and
//! says what follows for next hops, [`socket`] does the I/O. [`owners`] asks once who has which MAC on this machine.
//!
//! The objects are read here rather than by netlink-packet-route: it does not know nexthop objects, and it refuses a
//! whole message where one attribute of a hundred has another length than it expects. A link must not be lost because a
//! newer kernel tells more of its statistics.

pub mod address;
pub mod attribute;
pub mod conntrack;
pub mod link;
pub mod neighbour;
pub mod nexthop;
pub mod owners;
pub mod route;
pub mod rtnetlink;
pub mod socket;
