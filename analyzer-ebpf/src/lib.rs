//! What the kernel program and user space share: the flow key and the one header parser.
//!
//! The crate is `no_std` and free of `unsafe`, so the same code runs in the kernel, in replay and under test. One
//! frame must give the same key everywhere; two parsers kept in step by hand would not.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod control;
pub mod filter;
pub mod maps;
pub mod neighbour;
pub mod parse;
#[cfg(feature = "user")]
pub mod pod;
pub mod proto;
pub mod sockets;

#[cfg(test)]
mod fixtures;
