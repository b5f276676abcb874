//! The judge: facts and observations in, findings out.
//!
//! Pure: nothing here reads a clock, a file or a socket, starts a thread or keeps a global. The same facts and
//! observations give the same findings, live and in replay.

pub mod epoch;
pub mod fact;
pub mod finding;
pub mod label;
pub mod observation;
pub mod verdict;
