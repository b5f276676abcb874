//! What may be wrong around the daemon, and what it says of it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use analyzer::types::MacAddr;
use serde_json::Value;

use crate::daemon::{Live, pause};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, WITHOUT_OVN, nexthops_toml};
use crate::netns::{require, run};
use crate::wire::{Count, Flow};

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

fn toml(nexthops: &[(&str, MacAddr)]) -> String {
    nexthops_toml(&[("10.244.0.5/32", nexthops)])
}

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

/// A database that is none: packets are seen and counted, and nothing is said of them.
#[test]
fn a_socket_that_is_no_database() {
    run(|| {
        let lab = Lab::new("live-garbage")?;
        let socket = lab.folder.path().join("nb.sock");
        let listener = UnixListener::bind(&socket).expect("the folder is ours");
        // Ends with the test's process; each client is told nonsense.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(mut client) = client else { return };
                let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        });
        let remote = format!("unix:{}", socket.display());
        let mut live = lab.live(["--nb", &*remote, "--sb", "none", "--ovs", "none", "-i", "out0"]);
        let message = live.wait_message("expected the `{`");
        assert!(message.contains(&remote), "{message}");
        let status = live.wait("the NIC", |object| object["nics"][0]["egress"].is_string());
        assert_eq!(status["nexthops_known"], false);
        let sent = lab.wire().send("out0", &flow(1, GW3), 12);
        let ended = live.stop();
        assert_eq!(ended.code, Some(3), "{}", ended.said());
        assert_eq!(Count::of(&ended.summary), sent);
        assert_eq!(ended.number("untracked_packets"), sent.packets);
        assert_eq!(ended.loss("packets_before_nexthops_were_known"), sent.packets);
        assert!(ended.findings.is_empty());
        let nb = ended.status["sources"].as_array().and_then(|all| all.iter().find(|source| source["name"] == "nb"));
        let nb = nb.unwrap_or_else(|| panic!("{}", ended.status));
        assert_eq!(nb["state"], "connecting");
        // Which of its ways to fail came last is the server's affair.
        assert!(nb["error"].is_string(), "{nb}");
        Ok(())
    });
}

#[test]
fn without_rights() {
    run(|| {
        require("setpriv", "util-linux")?;
        let lab = Lab::new("live-rights")?;
        fs::set_permissions(lab.folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let file = lab.write("nexthops.toml", &toml(&NEXTHOPS));
        let analyzer = lab.folder.path().join("analyzer");
        fs::copy(env!("CARGO_BIN_EXE_analyzer"), &analyzer).expect("the folder is ours");
        let script = format!(
            "exec setpriv --reuid 65534 --regid 65534 --clear-groups {} live --format jsonl --history none {} \
             --nexthops {} -i out0",
            analyzer.display(),
            WITHOUT_OVN.join(" "),
            file.display()
        );
        let ended = Live::spawn(lab.netns.shell(&script).stdout(Stdio::piped()).stderr(Stdio::piped())).end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        let said = ended.said();
        assert!(said.contains("live needs CAP_BPF and CAP_NET_ADMIN") && said.contains("setcap"), "{said}");
        Ok(())
    });
}

/// The disk of the history is full: that is said, and judging goes on.
#[test]
fn a_full_disk() {
    run(|| {
        let lab = Lab::new("live-disk")?;
        let file = lab.write("nexthops.toml", &toml(&NEXTHOPS));
        let disk = lab.folder.path().join("disk");
        fs::create_dir(&disk).expect("the folder is ours");
        // The mount is in a mount namespace that ends with the daemon.
        let script = format!(
            "mount -t tmpfs -o size=16k full {disk} && dd if=/dev/zero of={disk}/rest bs=4k 2>/dev/null
            exec {} live --format jsonl {} --nexthops {} -i out0 --history {disk}/history",
            env!("CARGO_BIN_EXE_analyzer"),
            WITHOUT_OVN.join(" "),
            file.display(),
            disk = disk.display(),
        );
        let mut live = Live::spawn(lab.netns.shell(&script).stdout(Stdio::piped()).stderr(Stdio::piped()));
        live.ready();
        let bad = flow(1, GW3);
        let mut wire = lab.wire();
        let sent = wire.send("out0", &bad, 5);
        live.wait_finding(&bad, "unknown-mac");
        let late = wire.send("out0", &bad, 6);
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        let told = ended.messages.iter().find(|message| message.contains("disk/history"));
        assert!(told.is_some_and(|told| told.contains("No space left on device")), "{}", ended.said());
        ended.assert_complete(sent + late);
        Ok(())
    });
}

#[test]
fn a_file_of_nexthops_that_is_not_there() {
    run(|| {
        let lab = Lab::new("live-nofile")?;
        let ended = lab.live_by_file(&lab.folder.path().join("nexthops.toml"), &["-i", "out0"]).end();
        assert_eq!(ended.code, Some(2), "{}", ended.said());
        assert!(ended.said().contains("nexthops.toml"), "{}", ended.said());
        Ok(())
    });
}

/// The file goes, what it said goes on to hold; it comes back with a mistake, then with one gateway less.
#[test]
fn a_file_of_nexthops_that_goes_and_comes_back() {
    run(|| {
        let lab = Lab::new("live-file")?;
        let file = lab.write("nexthops.toml", &toml(&NEXTHOPS));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--grace", "0"]);
        live.ready();
        let mut wire = lab.wire();
        let mut to_gw2 = wire.send("out0", &flow(1, GW2), 1);
        fs::remove_file(&file).expect("it is ours");
        let message = live.wait_message("No such file");
        assert!(message.contains("nexthops.toml"), "{message}");
        to_gw2 += wire.send("out0", &flow(1, GW2), 2);
        lab.write("nexthops.toml", "[[route]]\nprefics = 1\n");
        let message = live.wait_message("prefics");
        assert!(message.contains("nexthops.toml:2"), "{message}");
        to_gw2 += wire.send("out0", &flow(1, GW2), 3);
        lab.write("nexthops.toml", &toml(&NEXTHOPS[..1]));
        let probe = flow(2, GW2);
        let mut probed = Count::default();
        let json = probe.json();
        while !live.has(|object: &Value| object["flow"] == json) {
            probed += wire.send("out0", &probe, 1);
            assert!(probed.packets < 1000, "the set does not change");
            pause(100);
        }
        let late = wire.send("out0", &flow(1, GW2), 4);
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(to_gw2 + probed + late);
        assert_eq!(Count::of(ended.finding(&flow(1, GW2), "former-nexthop")), late);
        let of_probe = Count::of(ended.finding(&probe, "former-nexthop"));
        assert_eq!(ended.conforming(GW2).packets + of_probe.packets, (to_gw2 + probed).packets);
        Ok(())
    });
}
