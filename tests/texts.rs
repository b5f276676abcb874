//! Soundness of what is read: the small worlds of `tests/soundness.rs`, printed as the texts that people paste, then damaged
//! as pasting damages them: rows cut, garbled or broken in the wrong place, columns and lines left out. Whatever is read of
//! them, nothing that does not violate by the whole texts may be called violating, unless it is said what was not given.
//!
//! What uses what: `world` <- `generate`; `world` <- `model` (the packets); `table` <- `print` (the texts) <- `spoil` (the
//! damage, and with `trace` whether it shows) <- `judge` (the readers and the engine) <- `run`.
//!
//! `cargo xtask soundness --texts` runs it on any number of worlds.

// Not `expect`, which would fail where an item is used by an item that is not.
#![allow(dead_code, unused_imports, reason = "the worlds and their model serve the test of facts, too")]

#[path = "soundness/addresses.rs"]
mod addresses;
#[path = "soundness/ask.rs"]
mod ask;
mod common;
#[path = "soundness/damage.rs"]
mod damage;
#[path = "soundness/dump.rs"]
mod dump;
#[path = "soundness/generate/mod.rs"]
mod generate;
#[path = "texts/judge.rs"]
mod judge;
#[path = "soundness/many.rs"]
mod many;
#[path = "soundness/model/mod.rs"]
mod model;
#[path = "common/numbers.rs"]
mod numbers;
#[path = "soundness/ovn.rs"]
mod ovn;
#[path = "texts/print.rs"]
mod print;
#[path = "texts/run.rs"]
mod run;
#[path = "common/seeds.rs"]
mod seeds;
#[path = "soundness/shrink.rs"]
mod shrink;
#[path = "texts/spoil.rs"]
mod spoil;
#[path = "texts/table.rs"]
mod table;
#[path = "soundness/told.rs"]
mod told;
#[path = "texts/trace.rs"]
mod trace;
#[path = "soundness/world.rs"]
mod world;
