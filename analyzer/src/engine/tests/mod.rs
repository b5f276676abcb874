//! The decision table, and properties of the engine as a whole.

mod latent;
mod properties;
mod table;
mod world;
