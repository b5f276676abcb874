//! The parts of the kernel program.

mod cpu;
mod events;
mod family;
mod flows;
mod kernel;
mod linear;
mod packet;
mod recent;
mod tables;

pub(crate) mod judge;
pub(crate) mod listen;
pub(crate) mod skb;
pub(crate) mod xdp;
