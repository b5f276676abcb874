//! The daemon without the machine: what it knows, and what follows when something happens.
//!
//! Nothing here waits, reads a clock or a file, or knows the kernel. Whoever drives it tells what happened and when
//! ([`Daemon::handle`]), has what was told take effect ([`Daemon::settle`]), gives it time for what is long
//! ([`Daemon::go_on`]), and does what it asks for ([`Daemon::effects`]). What it has to know at once it asks of the
//! [`Machine`]. `live` drives it on a real node, the simulation on one that is made of a seed.
//!
//! The daemon is made of parts. Each owns its state, and none knows who knows it; what else it needs is lent to it.
//!
//! | module | what it does |
//! |---|---|
//! | `handling` | [`Daemon`]: what happens goes to the parts, which its `body` holds |
//! | `accounts`, `end` | how it is doing, and what a run amounts to: reads all parts |
//! | `sweeping`, `replies` | all suspects each second, in which order and which give way; flows that conform, rarely |
//! | `latent` | latent entries, and which reading tells of them |
//! | `suspects`, `ledger` | suspect packets: judged, booked, said |
//! | `around` | what is lent to those who judge |
//! | `alerting`, `repairing` | who is told; stale entries healed, where that is asked for |
//! | `watching`, [`nics`], [`guarded`] | the NICs that are watched |
//! | `facts`, `remembering`, [`history`] | facts into the engine, and what is kept of them over a restart |
//! | `tellers`, `sources`, [`databases`], [`flows`] | the sources of facts: their state, and what they tell |
//! | [`connections`], `evidence`, [`senders`] | conntrack entries: when all are read, and those of single flows |
//! | `kernel`, `set`, [`mirrored`] | what counts packets, what it judges by, and what sockets count in its place |
//! | `voice` | what is said and asked for, in order |
//! | [`settings`], `beginning`, [`event`], [`effect`] | what it is told, and what it gives |
//! | [`packets`], [`entries`], [`hooks`], [`record`] | what it asks of the machine |

mod accounts;
mod alerting;
mod around;
mod beginning;
pub mod connections;
pub mod databases;
pub mod effect;
mod end;
pub mod entries;
pub mod event;
mod evidence;
mod facts;
pub mod flows;
pub mod guarded;
mod handling;
pub mod history;
pub mod hooks;
mod kernel;
mod latent;
mod ledger;
pub mod mirrored;
pub mod nics;
pub mod packets;
pub mod record;
mod remembering;
mod repairing;
mod replies;
pub mod senders;
mod set;
pub mod settings;
mod sources;
mod suspects;
mod sweeping;
mod tellers;
mod voice;
mod watching;

pub use self::accounts::LostOutside;
pub use self::beginning::{Asked, Beginning, Machine};
pub(crate) use self::evidence::Evidence;
pub use self::handling::Daemon;
pub(crate) use self::sources::{SourceId, Sources};
