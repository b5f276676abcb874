//! The decision table, and properties of the engine as a whole.

mod assumes;
mod behaviour;
mod classes;
mod explanation;
mod gaps;
mod last_legal;
mod latent;
mod live;
mod own_ports;
mod page;
mod properties;
mod random;
mod scale;
mod shared;
mod table;
mod watch;
mod world;
