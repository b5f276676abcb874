//! Folders that hold a capture and dumps under well-known names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::near_names::nearest;
use super::paths::{Paths, RouterFile};
use crate::capture::{self, Input};
use crate::types::{Place, Position, Warning};

/// Names of tickets. Where a folder holds texts as files of their own, those are what is read: a ticket repeats them.
const TICKETS: [&str; 2] = ["ticket.md", "ticket.txt"];

/// Files of a folder that are not read.
#[derive(Debug, Default)]
pub struct PassedOver {
    /// All of them.
    pub files: Vec<PathBuf>,
    /// Those whose name is nearly a well-known one.
    pub near: Vec<Warning>,
    /// That which may be a ticket, for a folder that holds nothing else.
    pub ticket: Option<PathBuf>,
}

/// Adds what a folder holds: dumps by their names, captures by their content.
///
/// A file that is neither is passed over, as folders hold notes and logs too; where its name is nearly a well-known one, a
/// warning says so. Captures come in the order of their names.
///
/// # Errors
/// When the folder cannot be listed.
pub fn add(folder: &Path, paths: &mut Paths, captures: &mut Vec<Input>) -> io::Result<PassedOver> {
    let (mut names, mut near, mut passed_over) = (HashSet::new(), Vec::new(), Vec::new());
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .filter(|path| path.as_ref().map_or(true, |path| path.is_file()))
        .collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
            passed_over.push(file);
            continue;
        };
        let name = unpacked(name).to_owned();
        if let Some(list) = known(&name, paths) {
            list.push(file);
        } else if let Some(router) = router_of(&name) {
            paths.lr_routes.push(RouterFile { router, file });
        } else if capture::is_capture(&file, is_capture_text(&name)) {
            captures.push(file.into());
        } else {
            if let Some(nearest) = nearest(&name) {
                let place = Place { file: file.to_string_lossy().into(), position: Position::Whole };
                near.push((nearest, place));
            }
            passed_over.push(file);
        }
        names.insert(name);
    }
    // Beside the file that is read, it is an older one.
    near.retain(|(nearest, _)| !names.contains(*nearest));
    let warning = |(nearest, place)| Warning { place, message: format!("not read: the well-known name is {nearest}") };
    let ticket = passed_over.iter().find(|file| is_ticket(file)).cloned();
    Ok(PassedOver { files: passed_over, near: near.into_iter().map(warning).collect(), ticket })
}

/// Whether a file has the name of a ticket, packed or not, however it is written.
fn is_ticket(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    TICKETS.contains(&unpacked(&name))
}

/// The name of what a packed file holds.
fn unpacked(name: &str) -> &str {
    name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name)
}

/// The list that a file of this name belongs to.
fn known<'a>(name: &str, paths: &'a mut Paths) -> Option<&'a mut Vec<PathBuf>> {
    let is_text = |stem: &str| name.strip_prefix(stem).is_some_and(|rest| rest.ends_with(".txt"));
    Some(match name {
        "nexthops.toml" => &mut paths.nexthops,
        "mac_binding.txt" => &mut paths.mac_bindings,
        "static_mac_binding.txt" => &mut paths.static_mac_bindings,
        "bfd.txt" => &mut paths.bfd,
        "static_routes.txt" => &mut paths.static_routes,
        "datapath_binding.txt" => &mut paths.datapaths,
        "learned_route.txt" => &mut paths.learned_routes,
        "ecmp_nexthop.txt" => &mut paths.ecmp_nexthops,
        "lflow-list.txt" => &mut paths.logical_flows,
        "ovnnb.db" | "ovnnb_db.db" => &mut paths.nb_db,
        "ovnsb.db" | "ovnsb_db.db" => &mut paths.sb_db,
        "conf.db" => &mut paths.ovs_db,
        "conntrack.txt" => &mut paths.conntrack,
        "ct-zones.txt" | "ct-zone-list.txt" => &mut paths.ct_zones,
        _ if is_text("port_binding") => &mut paths.port_bindings,
        _ if is_text("mac-owners") => &mut paths.mac_owners,
        _ => return None,
    })
}

/// The router that `lr-route-list.ROUTER.txt` tells of; nothing else than `None` for `lr-route-list.txt`.
fn router_of(name: &str) -> Option<Option<String>> {
    let rest = name.strip_prefix("lr-route-list")?.strip_suffix(".txt")?;
    match rest.strip_prefix('.') {
        Some(router) if !router.is_empty() => Some(Some(router.to_owned())),
        _ if rest.is_empty() => Some(None),
        _ => None,
    }
}

/// Whether a file of this name may be the text of `tcpdump -e`. Its content alone does not tell it from a log.
fn is_capture_text(name: &str) -> bool {
    name.ends_with(".txt") && (name.starts_with("capture") || name.starts_with("tcpdump"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_route_lists() {
        assert_eq!(router_of("lr-route-list.txt"), Some(None));
        assert_eq!(router_of("lr-route-list.GR_worker-08.txt"), Some(Some("GR_worker-08".to_owned())));
        assert_eq!(router_of("lr-route-list-old.txt"), None);
        assert_eq!(router_of("routes.txt"), None);
    }

    #[test]
    fn near_misses_are_named_unless_the_file_is_there() {
        let folder = std::env::temp_dir().join(format!("analyzer-case-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let write = |name: &str| fs::write(folder.join(name), "x").unwrap();
        ["mac_bindings.txt", "ct_zones.txt", "ct-zones.txt", "notes.txt"].into_iter().for_each(write);
        let mut paths = Paths::default();
        let passed_over = add(&folder, &mut paths, &mut Vec::new()).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(paths.ct_zones.len(), 1);
        let names: Vec<_> = passed_over.files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
        assert_eq!(names, ["ct_zones.txt", "mac_bindings.txt", "notes.txt"]);
        let [near] = passed_over.near.as_slice() else { panic!("{passed_over:?}") };
        assert!(
            near.place.file.ends_with("mac_bindings.txt") && near.message.ends_with(" mac_binding.txt"),
            "{near:?}"
        );
    }

    #[test]
    fn well_known_names() {
        let mut paths = Paths::default();
        for name in [
            "port_binding.txt",
            "port_binding.rtoe.txt",
            "mac-owners.worker-19.txt",
            "conf.db",
            "bfd.txt",
            "learned_route.txt",
            "ecmp_nexthop.txt",
        ] {
            assert!(known(name, &mut paths).is_some(), "{name}");
        }
        for name in ["flows.txt", "README.md", "port_binding.json", "ovnnb.db.old"] {
            assert!(known(name, &mut paths).is_none(), "{name}");
        }
    }
}
