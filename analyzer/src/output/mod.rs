//! What the user gets to see: text for people, JSON for programs, commands that heal.
//!
//! Everything here is given a finished [`report::Report`]. Names and addresses from outside pass [`escape`] before they
//! reach a terminal, and the escaping of [`json`] before they reach a file.

pub mod answer;
pub mod commands;
pub mod comment;
pub mod escape;
#[cfg(test)]
mod fixtures;
pub mod json;
pub mod listing;
pub mod names;
pub mod provenance;
pub mod remedy;
pub mod repair;
pub mod report;
pub mod status;
mod stderr;
pub mod text;
pub mod total;

pub use self::answer::Answer;
pub use self::json::{write_json, write_jsonl};
pub use self::report::{Report, Skipped};
pub use self::stderr::say;
pub use self::text::{write_provenance, write_text};
