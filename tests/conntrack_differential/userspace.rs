//! The table of ovs-vswitchd as we read it by its control socket, against the text of `dpctl/dump-conntrack -m`, which a
//! script reads that shares nothing with the analyzer.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use analyzer::engine::fact::Connection;
use analyzer::types::{Timestamp, Tuple};
use analyzer::unixctl::conntrack::{Pacing, UserspaceTable, datapaths};
use analyzer::unixctl::control_socket;

use crate::netns::{require, run};
use crate::ovs::{Ovs, frame};

/// What the script reads of a text.
fn read_by_script(text: &str) -> BTreeSet<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracle/dump_conntrack.py");
    let mut python = Command::new("python3");
    let mut child = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is there");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).expect("its output is UTF-8").lines().map(str::to_owned).collect()
}

/// An entry as the script writes it.
fn words(entry: &Connection) -> String {
    let tuple = |it: &Tuple| format!("{} {} {} {}", it.src, it.dst, it.tp_src, it.tp_dst);
    let Connection { orig, reply, zone, mark, label, .. } = entry;
    format!("{} {} {} zone {zone} mark {mark} label {label}", orig.nw_proto, tuple(orig), tuple(reply))
}

#[test]
fn every_entry_of_every_zone() {
    run(|| {
        require("python3", "python3")?;
        let commits = "ct(commit,zone=5,exec(set_field:0x20000->ct_mark,set_field:0xce73296639a400000000->ct_label)),\
                       ct(commit,zone=6,exec(set_field:0xffffffffffffffffffffffffffffffff->ct_label)),\
                       ct(commit,zone=65535,exec(set_field:0xffffffff->ct_mark))";
        let translating = "ct(commit,zone=7,nat(src=203.0.113.1-203.0.113.9:1024-2000)),ct(commit,zone=0)";
        let ovs = Ovs::start(&[
            format!("in_port=1,ip,actions={commits},{translating}"),
            format!("in_port=1,ipv6,actions={commits},ct(commit,zone=0)"),
        ])?;
        let of_each_kind = |number: u16| {
            let texts = [
                format!("udp 172.27.0.13:{number} -> 192.168.16.230:99"),
                format!("tcp 172.27.0.13:{number} -> 192.168.16.230:99"),
                format!("icmp 172.27.0.13 -> 192.168.16.230 type 8 code 0 id {number}"),
                format!("udp [fd00::1]:{number} -> [fd00::2]:99"),
                format!("tcp [fd00::1]:{number} -> [fd00::2]:99"),
            ];
            texts.map(|text| text.parse::<Tuple>().expect("a 5-tuple"))
        };
        let origs: Vec<Tuple> = (1..=12).flat_map(of_each_kind).collect();
        // Every other one is answered.
        let answers = origs.iter().step_by(2).filter(|it| !it.is_icmp()).map(Tuple::reversed);
        let answers: Vec<Tuple> = answers.collect();
        let packets = origs.iter().chain(&answers).copied();
        let receive = |tuple: Tuple| format!("ovs-appctl netdev-dummy/receive p1 {}\n", frame(&tuple));
        ovs.sh(&packets.map(receive).collect::<String>());
        // What is translated is told with other addresses in zone 0, behind the translation. No answer comes to the
        // translated address, so those of IPv4 are connections of their own there.
        let translated = origs.iter().chain(&answers).filter(|it| it.src.is_ipv4()).count();
        let untranslated = origs.iter().filter(|it| it.src.is_ipv6()).count();
        let expected = 3 * origs.len() + untranslated + 2 * translated;
        ovs.wait_for(expected);

        let socket = control_socket(ovs.run_dir(), "ovs-vswitchd").expect("the daemon runs");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ours: Vec<Connection> = runtime.block_on(async {
            let names = datapaths(&socket).await.expect("it answers");
            let free = Pacing { zone_interval: Duration::ZERO, share: 1 };
            let mut table = UserspaceTable::new(socket.clone(), names.first().cloned(), free);
            let mut entries = Vec::new();
            for zone in [0, 5, 6, 7, 8, 65535] {
                let now = || Timestamp::from_nanos(1);
                let reading = table.dump(zone, now, |it| entries.push(it.clone())).await.expect("it answers");
                assert_eq!((reading.unreadable, reading.warnings), (0, Vec::new()), "{zone}");
            }
            entries
        });
        let text = ovs.sh("ovs-appctl dpctl/dump-conntrack -m");
        let (told, printed): (BTreeSet<String>, _) = (ours.iter().map(words).collect(), read_by_script(&text));
        assert_eq!(told.len(), ours.len(), "each is told once");
        assert_eq!(told, printed);
        let differs = ours.iter().filter(|it| it.reply != it.orig.reversed()).count();
        println!("{} entries, {differs} of them translated", told.len());
        assert_eq!((told.len(), text.lines().count(), differs), (expected, expected, translated));
        Ok(())
    });
}
