//! Files in, facts out: which dumps a run was given, and how they become what the engine is told.

pub mod case_dir;
pub mod load;
mod near_names;
pub mod paths;
pub mod source;
pub mod ticket;

pub use load::{InputError, Loaded, load};
pub use paths::Paths;
pub use source::Source;
pub use ticket::Ticket;
