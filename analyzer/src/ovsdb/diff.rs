//! Differences: how a record with `_is_diff` (OVS 2.15 and later) and an `update2` tell what changed in a set or map.

use super::datum::order;
use super::row::{Atom, Datum};

/// Applies the difference of a column that can hold several elements. Both must be in order.
///
/// An element of a set that the difference names goes if it was there and comes if it was not. Of a map's pairs one
/// that was there goes, one with a known key and another value replaces it, and one with a new key comes.
pub(super) fn apply(current: &mut Datum, difference: Datum) {
    match (current, difference) {
        (Datum::Set(atoms), Datum::Set(changed)) => changed.into_iter().for_each(|atom| toggle(atoms, atom)),
        (Datum::Map(pairs), Datum::Map(changed)) => changed.into_iter().for_each(|pair| toggle_pair(pairs, pair)),
        // Both are of the column's type, so this is a conversion between set and map: the new value stands.
        (current, difference) => *current = difference,
    }
}

fn toggle(atoms: &mut Vec<Atom>, atom: Atom) {
    match atoms.binary_search_by(|probe| order(probe, &atom)) {
        Ok(at) => drop(atoms.remove(at)),
        Err(at) => atoms.insert(at, atom),
    }
}

fn toggle_pair(pairs: &mut Vec<(Atom, Atom)>, pair: (Atom, Atom)) {
    match pairs.binary_search_by(|probe| order(&probe.0, &pair.0)) {
        Ok(at) if pairs.get(at).is_some_and(|present| present.1 == pair.1) => drop(pairs.remove(at)),
        Ok(at) => pairs.splice(at..=at, [pair]).for_each(drop),
        Err(at) => pairs.insert(at, pair),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn set(numbers: &BTreeSet<i64>) -> Datum {
        Datum::Set(numbers.iter().map(|number| Atom::Integer(*number)).collect())
    }

    fn map(pairs: &BTreeMap<i64, i64>) -> Datum {
        Datum::Map(pairs.iter().map(|(key, value)| (Atom::Integer(*key), Atom::Integer(*value))).collect())
    }

    proptest! {
        #[test]
        fn a_sets_difference_leads_from_old_to_new(old: BTreeSet<i64>, new: BTreeSet<i64>) {
            let mut datum = set(&old);
            apply(&mut datum, set(&(&old ^ &new)));
            prop_assert_eq!(datum, set(&new));
        }

        #[test]
        fn a_maps_difference_leads_from_old_to_new(
            old in prop::collection::btree_map(0..20_i64, 0..3_i64, 0..10),
            new in prop::collection::btree_map(0..20_i64, 0..3_i64, 0..10),
        ) {
            let gone = old.iter().filter(|(key, _)| !new.contains_key(key));
            let come = new.iter().filter(|(key, value)| old.get(key) != Some(value));
            let difference = gone.chain(come).map(|(key, value)| (*key, *value)).collect();
            let mut datum = map(&old);
            apply(&mut datum, map(&difference));
            prop_assert_eq!(datum, map(&new));
        }
    }
}
