use std::collections::BTreeMap;
use crate::check::check;
use crate::generate;
#[test]
fn quick() {
    let n: u64 = std::env::var("N").map_or(2000, |n| n.parse().unwrap());
    let mut map: BTreeMap<_, (u64, u64, usize)> = BTreeMap::new();
    let mut truths: BTreeMap<_, u64> = BTreeMap::new();
    let mut frames = 0;
    let mut shares: BTreeMap<_, (u64,u64)> = BTreeMap::new();
    for seed in 0..n {
        let world = generate::world(seed);
        let checked = check(&world);
        frames += checked.played.frames.len();
        for (t, f) in checked.truth.iter().zip(&checked.played.frames) { *truths.entry((*t, format!("{:?}", f.why))).or_default() += 1; }
        for (k,a,b) in checked.undetermined { let e = shares.entry(k).or_default(); e.0+=a; e.1+=b; }
        for d in checked.differences {
            let e = map.entry((d.shown, d.fault, d.verdicts)).or_insert((0, seed, d.index));
            e.0 += 1;
        }
    }
    println!("{frames} frames {truths:#?}");
    for (k, (a,b)) in shares { println!("{k:?} {b}/{a} {:.2}%", 100.0*b as f64/a as f64); }
    for (k, v) in map { println!("{k:?} {v:?}"); }
}
#[test]
fn shrunk() {
    let Ok(n) = std::env::var("N") else { return };
    let n: u64 = n.parse().unwrap();
    let filter = std::env::var("F").unwrap_or_default();
    let mut done = std::collections::BTreeSet::new();
    for seed in 0..n {
        let world = generate::world(seed);
        for d in check(&world).differences {
            let key = (d.shown, d.fault, d.verdicts);
            let name = format!("{key:?}");
            if !name.contains(&filter) || !done.insert(key) { continue; }
            let small = crate::shrink::shrink(world.clone(), &|w| check(w).differences.iter().any(|d| (d.shown, d.fault, d.verdicts) == key));
            println!("===== {name}\n{}", crate::show::Shown(&small, &check(&small)));
        }
    }
}
