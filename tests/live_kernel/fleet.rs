//! The Southbound database of a whole fleet, told without conditions as on a Unix socket: what of it is kept fits into the
//! memory that the daemon's unit has, and what does not is left whole.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use analyzer::types::MacAddr;
use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::common::{command, run as run_command};
use crate::daemon::{Live, sit_out};
use crate::lab::{GW1, GW2, Lab, nexthops_toml};
use crate::netns::{require, run};
use crate::ovsdb::Server;

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];
/// `MemoryMax` of deploy/systemd/analyzer.service, of which the kernel program's maps take a part.
const UNIT_KIB: u64 = 512 << 10;
const MAPS_KIB: u64 = 128 << 10;

/// What the rows of a database are.
#[derive(Clone, Copy)]
struct Rows {
    count: usize,
    /// Pairs of each row's map, and the length of their values.
    pairs: usize,
    length: usize,
}

/// Writes a stand-alone database of such rows: its log has a line with length and SHA-1 before each record (ovsdb(5)).
fn database(lab: &Lab, name: &str, Rows { count, pairs, length }: Rows) {
    let file = lab.folder.path().join(format!("{name}.db"));
    run_command(command("ovsdb-tool").arg("create").arg(&file).arg("/usr/share/ovn/ovn-sb.ovsschema"));
    let value = "x".repeat(length);
    let mut record = "{\"_date\":1700000000000,\"Datapath_Binding\":{".to_owned();
    for number in 0..count {
        let separator = if number == 0 { "" } else { "," };
        write!(record, "{separator}\"00000000-0000-4000-8000-{number:012x}\":{{\"tunnel_key\":{}", number + 1)
            .expect("a text takes it");
        record.push_str(",\"external_ids\":[\"map\",[");
        let all: Vec<String> = (0..pairs).map(|pair| format!("[\"k{pair:03}\",\"{value}\"]")).collect();
        record.push_str(&all.join(","));
        record.push_str("]]}");
    }
    record.push_str("}}\n");
    let digest: String = Sha1::digest(record.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut log = fs::read(&file).expect("it was made");
    log.extend(format!("OVSDB JSON {} {digest}\n", record.len()).as_bytes());
    log.extend(record.as_bytes());
    fs::write(&file, log).expect("the folder is ours");
}

fn live(lab: &Lab, name: &'static str, rows: Rows) -> (Server, Live) {
    database(lab, name, rows);
    let server = Server::start_with(&lab.folder, name, "OVN_Southbound", &[]);
    let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
    let (file, remote) = (file.display().to_string(), server.remote());
    let arguments = ["-i", "out0", "--nb", "none", "--ovs", "none", "--sb", &remote, "--nexthops", &file];
    let live = lab.live(arguments);
    (server, live)
}

/// Most memory that the daemon ever had.
fn most_kib(live: &Live) -> u64 {
    let id = live.pid().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("each process has one");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

fn source(object: &Value) -> &Value {
    let sources = object["sources"].as_array().expect("a list");
    sources.iter().find(|source| source["name"] == "sb").expect("it was asked for")
}

#[test]
fn what_is_told_of_a_fleet_stays_within_the_memory_of_the_unit() {
    run(|| {
        for (program, package) in [("ovsdb-server", "openvswitch-switch"), ("ovsdb-tool", "openvswitch-switch")] {
            require(program, package)?;
        }
        let lab = Lab::new("live-fleet")?;
        let small = |count| Rows { count, pairs: 250, length: 2 };
        for (name, rows, refusal) in [
            ("fits", small(2900), None),
            ("full", small(3600), Some("take more than the 128 MiB that rows may take")),
            ("large", Rows { count: 2000, pairs: 1, length: 20_000 }, Some("a message of more than 33554432 bytes")),
        ] {
            let (_server, mut live) = live(&lab, name, rows);
            match refusal {
                None => drop(live.wait("its content", |object| {
                    object["type"] == "status" && source(object)["state"] == "synchronised"
                })),
                Some(refusal) => {
                    let said = live.wait_message(refusal);
                    assert!(said.contains("rows of Datapath_Binding") && said.contains("tcp: or ssl:"), "{said}");
                    // It is not asked again at once, only to say the same.
                    sit_out(Duration::from_secs(3));
                }
            }
            let kib = most_kib(&live);
            println!("{name}: {} MiB at most", kib >> 10);
            assert!(kib < UNIT_KIB - MAPS_KIB, "{name}: {kib} KiB");
            let ended = live.stop();
            assert_eq!(ended.loss("databases_too_large"), u64::from(refusal.is_some()), "{}", ended.said());
            let state = if refusal.is_some() { "connecting" } else { "synchronised" };
            assert_eq!(source(&ended.status)["state"], state);
        }
        Ok(())
    });
}
