//! Frames written to pcapng files by a thread of its own, so that whoever counts frames never waits for a disk.
//!
//! Frames are handed over in bunches ([`Frames`]) and wait in memory up to a bound. What finds no room there, and what the
//! disk does not take, is counted. Files are made exclusively, readable by their owner alone, in a folder that is opened once.

mod encoder;
mod error;
mod files;
mod frames;
mod name;
mod queue;
mod writer;

pub use self::error::RecorderError;
pub use self::files::Rotation;
pub use self::frames::{Frame, Frames};
pub use self::name::{Name, NotAName};
pub use self::queue::Inlet;
pub use self::writer::{Recorder, Settings, Written};
