//! What is told to people on call, when, and how often: one alert for each cause. No I/O, no clock.
//!
//! The cause of a violation is the MAC that flows leave to. The first flow is told at once; flows that follow within a
//! window are gathered into one message, and windows grow while flows keep coming. As long as packets leave to the MAC a
//! reminder is sent at growing intervals, and when the last flow conforms, its conntrack entry is gone or it has been
//! quiet, the cause is cleared. What a message says is made of the present state, so one that the rate limit holds back
//! is not lost but told later, with what has come in between.
//!
//! | module | what it does |
//! |---|---|
//! | `alert` | what a message is |
//! | `book` | everything that is open |
//! | `cause` | one MAC and the flows that leave to it |
//! | `member` | a flow or an entry, as a cause counts it |
//! | `place` | the network namespace and the NICs that a cause is of |
//! | `fields`, `wording` | what a message says, to programs and to people |
//! | `sources`, `losses` | states and counters that are told when they change |
//! | `limiter` | how many messages a minute |
//! | [`saved`], `elsewhere` | what is kept over a restart, and what of it is not ours to tell |

mod alert;
mod book;
mod cause;
mod elsewhere;
mod fields;
mod limiter;
mod losses;
mod member;
mod place;
pub mod saved;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod wording;

pub use alert::{Alert, Field, Kind};
pub use book::{Alerts, Counts, End, Silent};
pub use member::Member;
pub use place::Namespace;
pub use settings::Settings;
