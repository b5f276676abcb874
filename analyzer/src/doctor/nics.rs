//! NICs: driver, role, offload, and who else is on their hooks.

use std::fs;
use std::path::Path;

use super::check::Check;
use super::ethtool::{self, feature};
use super::hooks;
use super::netdev::{self, Afxdp};
use super::open_vswitch::Asked;

/// Most NICs that are looked at one by one.
const MAX_NICS: usize = 32;

/// What sysfs tells of a network interface (Documentation/ABI/testing/sysfs-class-net).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Nic {
    name: String,
    /// Driver of the device; `None` for what has no device.
    driver: Option<String>,
    /// DEVTYPE of its uevent: bond, vlan, bridge, vxlan.
    kind: Option<String>,
    /// The bond or bridge that it belongs to.
    master: Option<String>,
    /// Members of a bond, or the interface below a VLAN.
    lower: Vec<String>,
    ifindex: Option<u32>,
    mtu: Option<u32>,
    is_up: bool,
    /// hw-tc-offload; `None` where the kernel does not tell.
    offloads: Option<bool>,
    /// rx-vlan-offload, likewise.
    takes_tags_off: Option<bool>,
    /// How AF_XDP sockets get its frames; `None` where the kernel does not tell.
    afxdp: Option<Afxdp>,
    /// Programs of others; `None` where the kernel does not tell.
    programs: Option<Vec<String>>,
}

pub(super) fn checks(open_vswitch: &Asked) -> Vec<Check> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/net").map_or_else(
        |_| Vec::new(),
        |folder| folder.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect(),
    );
    names.sort();
    let nics: Vec<Nic> = names.iter().map(|name| read(&Path::new("/sys/class/net").join(name), name)).collect();
    // Where a namespace has no device of its own, such as in a container, any pair to the outside may be the way out.
    let has_device = nics.iter().any(|nic| nic.driver.is_some());
    let is_way_out = |nic: &&Nic| match has_device {
        true => nic.driver.is_some() || matches!(nic.kind.as_deref(), Some("bond" | "vlan")),
        false => nic.name != "lo",
    };
    let mut checks: Vec<Check> = nics
        .iter()
        .filter(is_way_out)
        .take(MAX_NICS)
        .map(|nic| {
            let offloads = ethtool::is_on(&nic.name, feature::FORWARDS).ok();
            let takes_tags_off = ethtool::is_on(&nic.name, feature::TAKES_TAGS_OFF).ok();
            let afxdp = nic.ifindex.and_then(|ifindex| netdev::afxdp(ifindex).ok());
            let programs = hooks::on(&nic.name);
            judge(&Nic { offloads, takes_tags_off, afxdp, programs, ..nic.clone() }, open_vswitch.offloads())
        })
        .collect();
    if checks.is_empty() {
        checks.push(Check::missing(
            "nics",
            "this network namespace has no interface but loopback",
            "There is nothing to watch.",
            "Run in the network namespace of the host: hostNetwork: true in a pod, nsenter -t 1 -n in a container.",
        ));
    }
    checks
}

fn read(folder: &Path, name: &str) -> Nic {
    let text = |file: &str| fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    let target = |link: &str| {
        let path = fs::read_link(folder.join(link)).ok()?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    };
    let uevent = text("uevent").unwrap_or_default();
    let mut lower: Vec<String> = fs::read_dir(folder).map_or_else(
        |_| Vec::new(),
        |entries| {
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            names.filter_map(|name| name.strip_prefix("lower_").map(str::to_owned)).collect()
        },
    );
    lower.sort();
    Nic {
        name: name.to_owned(),
        driver: target("device/driver"),
        kind: uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).map(str::to_owned),
        master: target("master"),
        lower,
        ifindex: text("ifindex").and_then(|index| index.parse().ok()),
        mtu: text("mtu").and_then(|mtu| mtu.parse().ok()),
        is_up: text("operstate").is_some_and(|state| state == "up" || state == "unknown"),
        offloads: None,
        takes_tags_off: None,
        afxdp: None,
        programs: None,
    }
}

fn judge(nic: &Nic, vswitch_offloads: bool) -> Check {
    let name = format!("nic {}", nic.name);
    let mut found = vec![nic.driver.clone().or_else(|| nic.kind.clone()).unwrap_or_else(|| "virtual".to_owned())];
    found.push(if nic.is_up { "up" } else { "down" }.to_owned());
    found.extend(nic.mtu.map(|mtu| format!("MTU {mtu}")));
    found.extend(nic.master.as_ref().map(|master| format!("belongs to {master}")));
    if !nic.lower.is_empty() {
        found.push(format!("above {}", nic.lower.join(", ")));
    }
    if nic.offloads == Some(true) {
        found.push("hw-tc-offload on".to_owned());
    }
    found.extend(nic.afxdp.map(|how| match how {
        Afxdp::ZeroCopy => "AF_XDP by zero copy".to_owned(),
        Afxdp::Copy => "AF_XDP by copy".to_owned(),
        Afxdp::Generic => "AF_XDP by copy behind its driver, which has no XDP (--ingress afxdp-generic)".to_owned(),
    }));
    if nic.takes_tags_off == Some(true) {
        // Of other NICs it does not matter.
        found.push(format!(
            "rx-vlan-offload on (as a mirror port it hides VLAN tags: ethtool -K {} rx-vlan-offload off)",
            nic.name
        ));
    }
    if let Some(programs) = nic.programs.as_ref().filter(|programs| !programs.is_empty()) {
        found.push(format!("programs of others: {}", programs.join(", ")));
    }
    let found = found.join(", ");
    let below = nic.lower.iter().map(|lower| format!("-i {lower}")).collect::<Vec<_>>().join(" ");
    match nic.kind.as_deref() {
        Some("bond" | "vlan") if !nic.lower.is_empty() => {
            Check::ok(name, format!("{found}; watch what is below it: {below}"), "frames are seen as they leave below")
        }
        _ if nic.offloads == Some(true) && vswitch_offloads => Check::limited(
            name,
            found,
            "The NIC forwards flows by itself, which no hook sees.",
            format!("ethtool -K {} hw-tc-offload off, or mirror the egress; see offload.", nic.name),
        ),
        _ => Check::ok(name, found, "it can be watched"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    fn nic(kind: Option<&str>, lower: &[&str]) -> Nic {
        Nic {
            name: "ens1".to_owned(),
            driver: kind.is_none().then(|| "mlx5_core".to_owned()),
            kind: kind.map(str::to_owned),
            lower: lower.iter().map(|name| (*name).to_owned()).collect(),
            mtu: Some(9000),
            is_up: true,
            ..Nic::default()
        }
    }

    #[test]
    fn roles() {
        let plain = Nic { master: Some("bond0".to_owned()), ..nic(None, &[]) };
        assert_eq!(judge(&plain, true).found, "mlx5_core, up, MTU 9000, belongs to bond0");
        let bond = judge(&nic(Some("bond"), &["ens1", "ens2"]), false);
        assert!(bond.found.ends_with("watch what is below it: -i ens1 -i ens2"), "{}", bond.found);
    }

    #[test]
    fn offload_matters_where_open_vswitch_uses_it() {
        let offloading = Nic { offloads: Some(true), ..nic(None, &[]) };
        assert_eq!(judge(&offloading, false).state, State::Ok);
        assert_eq!(judge(&offloading, true).state, State::Limited);
    }

    #[test]
    fn programs_of_others_are_named() {
        let busy = Nic { programs: Some(vec!["cil_to_netdev on egress".to_owned()]), ..nic(None, &[]) };
        assert!(judge(&busy, false).found.contains("programs of others: cil_to_netdev on egress"));
    }
}
