//! Which flows leave a worker to a MAC that is no current next hop, why, and what heals them.
//!
//! Modules stand in the order that data takes through them; ARCHITECTURE.md is the map.

pub use analyzer_engine::types;

pub mod jsonrpc;
pub mod mirror;
pub mod net;
pub mod owned;
pub mod paste;

pub mod capture;
pub mod conntrack;
pub mod ovn;
pub mod ovsdb;

pub mod bpf;
pub mod netlink;
pub mod unixctl;

pub mod inputs;

pub use analyzer_engine as engine;

pub mod recorder;
pub mod replay;

pub mod output;

pub mod alerts;

pub mod metrics;
pub mod repair;
pub mod sinks;

pub mod daemon;

pub mod doctor;
pub mod live;

pub mod cli;
pub mod commands;
