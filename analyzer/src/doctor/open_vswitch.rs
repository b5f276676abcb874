//! What the Open_vSwitch database tells: the datapath's type, hardware offload, and which bridge leads out.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::check::Check;
use super::ovsdb::{ask as ask_database, map_value};
use crate::live::config::well_known;
use crate::ovn::follow::Database;

/// Where packets are forwarded and conntrack entries are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Datapath {
    Kernel,
    Userspace,
}

/// What the database tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct OpenVswitch {
    datapath: Option<Datapath>,
    /// Open_vSwitch.other_config:hw-offload.
    offloads: bool,
    /// Interfaces of types that bypass the kernel's network stack: dpdk, afxdp.
    bypassing: Vec<String>,
    /// Open_vSwitch.external_ids:ovn-bridge-mappings.
    mappings: Option<String>,
}

/// The database, where there is one.
pub(super) struct Asked {
    /// The socket, where one was found.
    pub(super) socket: Option<PathBuf>,
    /// What it told, or why not.
    pub(super) told: io::Result<OpenVswitch>,
}

impl Asked {
    pub(super) fn datapath(&self) -> Option<Datapath> {
        self.told.as_ref().ok()?.datapath
    }

    /// Whether flows may be forwarded by hardware.
    pub(super) fn offloads(&self) -> bool {
        self.told.as_ref().is_ok_and(|told| told.offloads)
    }
}

pub(super) fn ask() -> Asked {
    match well_known(Database::OpenVswitch).into_iter().find(|path| path.exists()) {
        Some(socket) => Asked { told: ask_at(&socket), socket: Some(socket) },
        None => Asked { told: Err(io::ErrorKind::NotFound.into()), socket: None },
    }
}

fn ask_at(socket: &Path) -> io::Result<OpenVswitch> {
    let select =
        |table: &str, columns: &[&str]| json!({ "op": "select", "table": table, "where": [], "columns": columns });
    let answer = ask_database(
        socket,
        "transact",
        &json!([
            "Open_vSwitch",
            select("Open_vSwitch", &["other_config", "external_ids"]),
            select("Bridge", &["name", "datapath_type"]),
            select("Interface", &["name", "type"]),
        ]),
    )?;
    Ok(read(&answer))
}

/// Reads the answer: a result for each table.
fn read(answer: &Value) -> OpenVswitch {
    let rows = |index: usize| answer.get(index).and_then(|result| result.get("rows")).and_then(Value::as_array);
    let text = |row: &Value, column: &str| row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
    let config = |column: &str, key: &str| {
        rows(0).and_then(|rows| map_value(rows.first()?.get(column)?, key)).map(str::to_owned)
    };
    let bridges = rows(1).map_or(&[][..], Vec::as_slice);
    let is_userspace = |row: &Value| text(row, "datapath_type") == "netdev";
    let interfaces = rows(2).map_or(&[][..], Vec::as_slice);
    let bypasses = |row: &&Value| text(row, "type").starts_with("dpdk") || text(row, "type").starts_with("afxdp");
    OpenVswitch {
        datapath: (!bridges.is_empty()).then(|| match bridges.iter().any(is_userspace) {
            true => Datapath::Userspace,
            false => Datapath::Kernel,
        }),
        offloads: config("other_config", "hw-offload").as_deref() == Some("true"),
        bypassing: interfaces.iter().filter(bypasses).map(|row| text(row, "name")).collect(),
        mappings: config("external_ids", "ovn-bridge-mappings"),
    }
}

pub(super) fn checks(asked: &Asked) -> Vec<Check> {
    asked.told.as_ref().map_or_else(|_| Vec::new(), judge)
}

fn judge(told: &OpenVswitch) -> Vec<Check> {
    let mut checks = vec![match told.datapath {
        None => Check::ok("datapath", "Open vSwitch has no bridge", "there is no datapath to look at"),
        Some(Datapath::Kernel) => {
            Check::ok("datapath", "Open vSwitch forwards in the kernel", "conntrack entries are in the kernel")
        }
        Some(Datapath::Userspace) => Check::ok(
            "datapath",
            "Open vSwitch forwards in ovs-vswitchd",
            "conntrack entries are asked for over its control socket, zone by zone",
        ),
    }];
    if !told.bypassing.is_empty() {
        checks.push(Check::limited(
            "bypass",
            format!("{} bypass the kernel's network stack", told.bypassing.join(", ")),
            "No hook of the kernel sees their packets; their flows are not judged.",
            "Mirror the egress to a port of the kernel and watch that: analyzer live -i PORT --mirror.",
        ));
    }
    if told.offloads {
        checks.push(Check::limited(
            "offload",
            "Open vSwitch gives flows to the NIC (other_config:hw-offload = true)",
            "The hook sees the first packets of an offloaded flow only; the rest is undetermined (not-observable).",
            "Set net.netfilter.nf_conntrack_acct=1, so that counters of offloaded entries tell; or mirror the egress.",
        ));
    } else {
        checks.push(Check::ok("offload", "Open vSwitch gives no flows to NICs", "the hook sees every packet"));
    }
    checks.push(match &told.mappings {
        Some(mappings) => {
            Check::ok("egress", format!("ovn-bridge-mappings = {mappings}"), "-i auto starts from these bridges")
        }
        None => Check::ok(
            "egress",
            "the database names no bridge that leads out (external_ids:ovn-bridge-mappings)",
            "-i auto finds nothing: name the NIC",
        ),
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn what_the_database_tells() {
        let told = read(&json!([
            {"rows": [{"other_config": ["map", [["hw-offload", "true"]]],
                       "external_ids": ["map", [["ovn-bridge-mappings", "physnet:br-ex"]]]}]},
            {"rows": [{"name": "br-int", "datapath_type": ""}, {"name": "br-ex", "datapath_type": "netdev"}]},
            {"rows": [{"name": "ens1", "type": ""}, {"name": "dpdk0", "type": "dpdk"}]},
        ]));
        assert_eq!(
            told,
            OpenVswitch {
                datapath: Some(Datapath::Userspace),
                offloads: true,
                bypassing: vec!["dpdk0".to_owned()],
                mappings: Some("physnet:br-ex".to_owned()),
            }
        );
        let states: Vec<_> = judge(&told).iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Ok, State::Limited, State::Limited, State::Ok]);
    }

    #[test]
    fn answers_of_other_forms_tell_nothing() {
        for answer in [json!(null), json!([]), json!([{"error": "x"}, {"rows": 7}, {"rows": [7]}])] {
            assert_eq!(read(&answer), OpenVswitch::default(), "{answer}");
        }
        assert!(judge(&OpenVswitch::default()).iter().all(|check| check.state == State::Ok));
    }
}
