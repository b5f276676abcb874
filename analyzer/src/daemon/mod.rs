//! The daemon without the machine: what it knows, and what follows when something happens.

pub mod packets;
