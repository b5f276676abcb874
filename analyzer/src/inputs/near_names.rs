//! Names of files that are nearly well-known ones: what their users meant is not read.

/// Well-known names, without what an ending or a router's name adds.
const KNOWN: [&str; 16] = [
    "nexthops.toml",
    "mac_binding.txt",
    "static_mac_binding.txt",
    "bfd.txt",
    "static_routes.txt",
    "port_binding.txt",
    "datapath_binding.txt",
    "learned_route.txt",
    "ecmp_nexthop.txt",
    "lflow-list.txt",
    "lr-route-list.txt",
    "ovnnb_db.db",
    "ovnsb_db.db",
    "conntrack.txt",
    "ct-zones.txt",
    "mac-owners.txt",
];

/// The well-known name that a file of this name may have been meant to have.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    let distance = |known: &str| strsim::osa_distance(&plain, &self::plain(known));
    let (distance, nearest) = KNOWN.iter().map(|&known| (distance(known), known)).min()?;
    // A short name is near to everything.
    let most = if plain.len() < 6 { 0 } else { 2 };
    (distance <= most).then_some(nearest)
}

/// The name without case, ending and the marks between its words.
fn plain(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_write() {
        for (name, meant) in [
            ("mac_bindings.txt", "mac_binding.txt"),
            ("MAC_Binding.txt", "mac_binding.txt"),
            ("mac-binding", "mac_binding.txt"),
            ("static_mac_bindings.list", "static_mac_binding.txt"),
            ("lr_route_list.txt", "lr-route-list.txt"),
            ("lr-routes-list.txt", "lr-route-list.txt"),
            ("conntracks.txt", "conntrack.txt"),
            ("ct_zones.txt", "ct-zones.txt"),
            ("nexthop.toml", "nexthops.toml"),
            ("BFD.txt", "bfd.txt"),
            ("static-route.txt", "static_routes.txt"),
            ("lflow_list.log", "lflow-list.txt"),
            ("learned-routes.txt", "learned_route.txt"),
            ("ECMP_Nexthops.txt", "ecmp_nexthop.txt"),
        ] {
            assert_eq!(nearest(name), Some(meant), "{name}");
        }
        for name in
            ["README.md", "notes.txt", "args", "expected.txt", "pods.json", "bad.txt", "route.txt", "ip-link.txt"]
        {
            assert_eq!(nearest(name), None, "{name}");
        }
    }
}
