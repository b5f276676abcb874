//! The daemon's core against a simulated worker: what it says of packets is held to what really happened, which the
//! simulation knows.
//!
//! Everything comes from a seed, time included, so that what failed once fails again.

#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/frames.rs"]
mod frames;
#[path = "simulation/kernel/mod.rs"]
mod kernel;
#[path = "simulation/kernel/tests.rs"]
mod kernel_tests;
#[path = "simulation/machine.rs"]
mod machine;
#[path = "simulation/node/mod.rs"]
mod node;
#[path = "common/numbers.rs"]
mod numbers;
#[path = "simulation/observer.rs"]
mod observer;
#[path = "simulation/play.rs"]
mod play;
#[path = "simulation/run.rs"]
mod run;
#[path = "common/seeds.rs"]
mod seeds;
#[path = "simulation/servers.rs"]
mod servers;
