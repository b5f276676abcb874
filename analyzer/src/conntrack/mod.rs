//! Conntrack entries from the text of dumps.
//!
//! [`text`] reads one entry, [`reader`] a file of them. What the labels mean is [`crate::engine::label`].

mod cursor;
pub mod reader;
pub mod text;
