//! The model: what OVN does with a packet, and what the decision table says of it. Loops over plain structs, no index, no
//! cache; each part names the section of the fact sheet (ovn-facts) and the OVN stage that it stands for.
//!
//! `lookup` is `lr_in_ip_routing`, `neighbours` is `lr_in_arp_resolve` and what else names MACs, `conntrack` is
//! `lr_in_ecmp_stateful` with the reply flows, `play` sends the packets, and `verdict` judges each of them.

mod conntrack;
mod lookup;
mod neighbours;
mod play;
mod verdict;

pub(crate) use self::conntrack::{Entry, has_reply_flows};
pub(crate) use self::play::{Frame, Played, Why, play};
pub(crate) use self::verdict::{Standing, Verdict, is_at_the_edge_of_the_window, standing, verdict};
