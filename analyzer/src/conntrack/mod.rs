//! Conntrack entries: from the text of dumps, and the labelled ones kept in little memory.
//!
//! [`text`] reads one entry, [`reader`] a file of them; [`index`] keeps them; [`flush`] names
//! one that ovs-vswitchd is to delete. What the labels mean is [`crate::engine::label`].

mod cursor;
pub mod flush;
pub mod index;
mod lost;
pub mod reader;
pub mod text;
