//! The decision table, and properties of the engine as a whole.

mod classes;
mod explanation;
mod latent;
mod live;
mod properties;
mod random;
mod table;
mod world;
