//! Soundness of verdicts: small worlds of OVN, made from a seed, in which a slow plain model knows what OVN does with each
//! packet and why. On whole evidence the engine must say what the model says. With a kind of evidence left out it must say
//! the same, something weaker, or that it cannot tell. With rows that are lost, and said to be, nothing that does not violate
//! may be called violating, and what violates is called right only where it is said that a lost row may decide it.
//!
//! What uses what: `world` <- `generate` (of `numbers`); `world` <- `model` (OVN and the decision table, by loops over plain
//! structs); `world`, `model` <- `ovn`, `damage`, `told` <- `ask` (the engine) <- `stands` (all that is said of an entry); `model`, `ask`,
//! `stands` <- `check` <- `known`, `flips`, `show` <- `run`; `generate` <- `many` <- `run`. Only `ovn`, `damage`, `told`, `ask`, `stands` and `case` know the engine. The model shares with it
//! the types of addresses, and nothing else.
//!
//! `cargo xtask soundness` runs it on any number of worlds.

#[path = "soundness/addresses.rs"]
mod addresses;
#[path = "soundness/ask.rs"]
mod ask;
#[path = "soundness/case.rs"]
mod case;
#[path = "soundness/check.rs"]
mod check;
#[path = "soundness/damage.rs"]
mod damage;
#[path = "soundness/dump.rs"]
mod dump;
#[path = "soundness/figures.rs"]
mod figures;
#[path = "soundness/flips.rs"]
mod flips;
#[path = "soundness/generate/mod.rs"]
mod generate;
#[path = "soundness/known.rs"]
mod known;
#[path = "soundness/many.rs"]
mod many;
#[path = "soundness/model/mod.rs"]
mod model;
#[path = "common/numbers.rs"]
mod numbers;
#[path = "soundness/ovn.rs"]
mod ovn;
#[path = "soundness/run.rs"]
mod run;
#[path = "common/seeds.rs"]
mod seeds;
#[path = "soundness/show.rs"]
mod show;
#[path = "soundness/shrink.rs"]
mod shrink;
#[path = "soundness/stands.rs"]
mod stands;
#[path = "soundness/told.rs"]
mod told;
#[path = "soundness/world.rs"]
mod world;
