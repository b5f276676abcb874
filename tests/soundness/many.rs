//! Many worlds on all cores, as the environment wants them.

use crate::generate;
use crate::seeds;
use crate::world::World;

/// How many worlds are wanted; `cargo xtask soundness` sets it.
pub(crate) const WORLDS: &str = "ANALYZER_SOUNDNESS_WORLDS";
/// The seed of the first.
pub(crate) const SEED: &str = "ANALYZER_SOUNDNESS_SEED";

/// What so many worlds from a seed on give together. Each core has its share of them, of which `of` makes a report.
pub(crate) fn on_all_cores<R: Default + Send>(
    first: u64,
    worlds: u64,
    of: impl Fn(&mut dyn Iterator<Item = World>) -> R + Sync,
    with: fn(R, R) -> R,
) -> R {
    seeds::on_all_cores(first, worlds, |seeds| of(&mut seeds.map(generate::world)), with)
}
