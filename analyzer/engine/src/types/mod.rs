//! Values that every part of the analyzer speaks in. No I/O, no clock.

pub mod mac;
pub mod place;
pub mod prefix;
pub mod release;
pub mod time;
pub mod tuple;
pub mod validity;
#[cfg(test)]
pub(crate) mod work;

pub use mac::MacAddr;
pub use place::{Place, Position, Warning};
pub use prefix::IpPrefix;
pub use release::Release;
pub use time::Timestamp;
pub use tuple::Tuple;
pub use validity::Validity;
