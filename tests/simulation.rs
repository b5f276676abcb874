//! A node that is simulated: its kernel, and what happens to it, from a seed and nothing else.

#[path = "simulation/kernel/mod.rs"]
mod kernel;
#[path = "simulation/kernel/tests.rs"]
mod kernel_tests;
