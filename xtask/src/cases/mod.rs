//! Cases that are made up: one situation each, in as few packets as it takes, with dumps beside the capture in the
//! formats that people hand over. Each case's README says what must come out and why.

mod conntrack;
mod node;
mod ovn;
mod table;

mod bfd_state_unknown;
mod cut;
mod hop_unresolved;
mod ipv6;
mod live_router;
mod nexthop_down;
mod old_ovn_20;
mod pcapng_two_nics;
mod route_choice;
mod route_removed;
mod silent;
mod snat;
mod static_mac_override;
mod two_zones;
mod vlan_fragments;

use std::process::ExitCode;

use anyhow::{Context, Result};
use flate2::Crc;

use crate::project;

/// Name of a file and what it holds.
type File = (&'static str, Vec<u8>);

/// Name of a case and what makes its files.
type Case = (&'static str, fn() -> Result<Vec<File>>);

const CASES: [Case; 16] = [
    ("bfd-state-unknown", bfd_state_unknown::files),
    ("cut", cut::files),
    ("hop-heard", hop_unresolved::heard),
    ("hop-unresolved", hop_unresolved::files),
    ("ipv6", ipv6::files),
    ("live-router", live_router::files),
    ("nexthop-down", nexthop_down::files),
    ("old-ovn-20", old_ovn_20::files),
    ("pcapng-two-nics", pcapng_two_nics::files),
    ("route-choice", route_choice::files),
    ("route-removed", route_removed::files),
    ("silent", silent::files),
    ("snat", snat::files),
    ("static-mac-override", static_mac_override::files),
    ("two-zones", two_zones::files),
    ("vlan-fragments", vlan_fragments::files),
];

/// Writes the files of every case. READMEs and expectations are written by hand or by `bless`.
pub(crate) fn run() -> Result<ExitCode> {
    project::write_cases(files()?)?;
    Ok(ExitCode::SUCCESS)
}

/// Every generated file, by its path under pcaps/.
fn files() -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for (case, files) in CASES {
        let files = files().with_context(|| format!("cannot make the case {case}"))?;
        all.extend(files.into_iter().map(|(name, content)| (format!("{case}/{name}"), content)));
    }
    Ok(all)
}

/// The bytes packed by gzip (RFC 1952), without a date, so that they are the same on every run.
///
/// They come from one packer for good: what flate2 packs by is what unpacks captures the fastest, and that changes.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    /// Magic number, deflate, no flags, no date, packed as well as can be, on an unknown system.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
    let mut crc = Crc::new();
    crc.update(bytes);
    let len = u32::try_from(bytes.len())?;
    let packed = miniz_oxide::deflate::compress_to_vec(bytes, 9);
    Ok([&HEADER[..], &packed, &crc.sum().to_le_bytes(), &len.to_le_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use std::fs;

    use super::*;

    #[test]
    fn committed_files_are_those_that_the_generator_writes() {
        let mut generated = BTreeSet::new();
        for (path, content) in files().unwrap() {
            let committed = fs::read(project::root().join("pcaps").join(&path));
            let is_same = committed.is_ok_and(|committed| committed == content);
            assert!(is_same, "pcaps/{path} differs: run `cargo xtask cases`");
            generated.insert(path);
        }
        // A file that is no longer generated would still be judged.
        for (case, _) in CASES {
            for entry in project::root().join("pcaps").join(case).read_dir().unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let is_by_hand = name == "README.md" || name == "args" || name.starts_with("expected.");
                assert!(
                    is_by_hand || generated.contains(&format!("{case}/{name}")),
                    "pcaps/{case}/{name}: from where?"
                );
            }
        }
    }
}
