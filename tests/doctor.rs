//! `analyzer doctor` on real kernels, with all rights and with fewer, in network namespaces of its own.

mod common;
#[path = "common/netns.rs"]
mod netns;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use common::TempDir;
use netns::{Missing, Netns, require, run};

/// The analyzer where any user may start it, and a namespace that has a NIC `out`.
struct Setting {
    folder: TempDir,
    netns: Netns,
}

impl Setting {
    fn new(purpose: &str) -> Result<Self, Missing> {
        require("setpriv", "util-linux")?;
        let netns = Netns::new(purpose)?;
        netns.sh("ip link add out type veth peer name far && ip link set out up && ip link set far up");
        let folder = TempDir::new();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        fs::copy(env!("CARGO_BIN_EXE_analyzer"), folder.path().join("analyzer")).expect("the analyzer is copied");
        Ok(Self { folder, netns })
    }

    fn analyzer(&self) -> PathBuf {
        self.folder.path().join("analyzer")
    }

    /// What `doctor` says and its exit status. `/run` is empty for it, but for what `before` puts there.
    fn doctor(&self, before: &str, with: &str) -> (Value, i32) {
        let analyzer = self.analyzer();
        let script = format!("mount -t tmpfs run /run\n{before}\n{with} {} doctor --format json", analyzer.display());
        let output = self.netns.shell(&script).output().expect("ip can be run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{stderr}"));
        (said, output.status.code().expect("an exit status"))
    }
}

fn check<'a>(said: &'a Value, name: &str) -> &'a Value {
    let checks = said["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name} in {said:#}"))
}

fn state<'a>(said: &'a Value, name: &str) -> &'a str {
    check(said, name)["state"].as_str().expect("a state")
}

fn assert_says(said: &Value, name: &str, key: &str, expected: &str) {
    let text = check(said, name)[key].as_str().unwrap_or_default();
    assert!(text.contains(expected), "{name}: {key}: {text}");
}

/// With all rights everything is tried for real, and nothing is left behind.
#[test]
fn as_root() {
    run(|| {
        let setting = Setting::new("doctor-root")?;
        let before = setting.netns.sh("ip -o link; tc qdisc show");
        let (said, status) = setting.doctor("", "");
        assert_eq!((status, &said["state"]), (3, &Value::from("limited")), "{said:#}");
        for name in ["rights", "programs", "maps", "loading", "attaching", "nic out", "conntrack"] {
            assert_eq!(state(&said, name), "ok", "{said:#}");
        }
        assert_says(&said, "programs", "found", "TC programs");
        assert_says(&said, "maps", "found", "longest-prefix trie, ring buffer");
        assert_says(&said, "loading", "found", "run by BPF_PROG_TEST_RUN");
        assert_says(&said, "attaching", "found", "by ");
        // An empty /run has no database, which is a limit and no more.
        for name in ["northbound", "southbound", "open-vswitch"] {
            assert_eq!(state(&said, name), "limited");
            assert_says(&said, name, "found", "no socket at /run/");
        }
        let states: Vec<_> = said["checks"].as_array().expect("checks").iter().map(|check| &check["state"]).collect();
        assert!(states.is_sorted_by_key(|state| *state != "limited"), "the worst is not first: {states:?}");
        assert_eq!(setting.netns.sh("ip -o link; tc qdisc show"), before);
        Ok(())
    });
}

/// A user without rights is told which are missing, and the tries fail without harm.
#[test]
fn as_a_user_without_rights() {
    run(|| {
        let setting = Setting::new("doctor-user")?;
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
        let (said, status) = setting.doctor("", nobody);
        assert_eq!((status, &said["state"]), (2, &Value::from("missing")), "{said:#}");
        assert_eq!(state(&said, "rights"), "missing");
        assert_says(&said, "rights", "found", "CAP_NET_ADMIN");
        assert_says(&said, "rights", "todo", "setcap cap_bpf,cap_net_admin,cap_perfmon+ep");
        assert_says(&said, "loading", "todo", "See rights.");
        assert_eq!(state(&said, "conntrack"), "limited");
        assert_says(&said, "conntrack", "found", "CAP_NET_ADMIN");

        let script = format!("{nobody} {} doctor", setting.analyzer().display());
        let output = setting.netns.shell(&script).output().expect("ip can be run");
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
        assert!(text.starts_with("The analyzer cannot run live here.\n\nmissing  rights  "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
        Ok(())
    });
}

/// What live needs, and no more: as a service has it. Attaching cannot be tried then, and that is no fault.
#[test]
fn with_the_rights_of_a_service() {
    run(|| {
        let setting = Setting::new("doctor-service")?;
        let kept = "-all,+bpf,+net_admin,+perfmon";
        let (said, _) = setting.doctor("", &format!("setpriv --bounding-set={kept} --inh-caps={kept}"));
        for name in ["rights", "programs", "maps", "loading", "attaching", "conntrack"] {
            assert_eq!(state(&said, name), "ok", "{said:#}");
        }
        assert_says(&said, "attaching", "found", "not tried");
        assert_says(&said, "tries", "found", "CAP_SYS_ADMIN, which live does not need");

        let (said, status) = setting.doctor("", "setpriv --bounding-set=-all,+bpf --inh-caps=-all,+bpf");
        assert_eq!(status, 2);
        assert_says(&said, "rights", "found", "without CAP_NET_ADMIN");
        Ok(())
    });
}

/// A namespace with nothing but loopback, as a container without the host's network has it.
#[test]
fn without_a_nic() {
    run(|| {
        let setting = Setting::new("doctor-lo")?;
        setting.netns.sh("ip link del out; ip -o link | grep -v lo: | cut -d: -f2 | xargs -r -n1 ip link del");
        let (said, status) = setting.doctor("", "");
        assert_eq!(status, 2);
        assert_eq!(state(&said, "nics"), "missing");
        assert_says(&said, "nics", "todo", "hostNetwork: true");
        Ok(())
    });
}

/// Real servers with the real schemas, and sockets that are none.
#[test]
fn databases() {
    run(|| {
        for (program, package) in
            [("ovsdb-tool", "openvswitch-common"), ("ovs-vsctl", "openvswitch-switch"), ("timeout", "coreutils")]
        {
            require(program, package)?;
        }
        let setting = Setting::new("doctor-ovsdb")?;
        let serve = "\
            mkdir -p /run/ovn /run/openvswitch
            trap 'kill $servers' EXIT
            serve() {
                ovsdb-tool create /run/$1.db $2
                timeout 60 $(command -v ovsdb-server || echo /usr/sbin/ovsdb-server) --no-chdir --log-file=/dev/null \
                    --unixctl=/run/$1.ctl --remote=punix:$3 /run/$1.db >/dev/null 2>&1 &
                servers=\"$servers $!\"
                for try in $(seq 100); do [ -S $3 ] && return; sleep 0.05; done
            }
            serve nb /usr/share/ovn/ovn-nb.ovsschema /run/ovn/ovnnb_db.sock
            serve ovs /usr/share/openvswitch/vswitch.ovsschema /run/openvswitch/db.sock
            vsctl() { ovs-vsctl --no-wait --db=unix:/run/openvswitch/db.sock \"$@\" >/dev/null; }
            vsctl add-br br-ex -- set Bridge br-ex datapath_type=netdev
            vsctl add-port br-ex dpdk0 -- set Interface dpdk0 type=dpdk
            vsctl set Open_vSwitch . other_config:hw-offload=true external_ids:ovn-bridge-mappings=physnet:br-ex
            # The southbound socket belongs to the wrong server.
            ln -s /run/ovn/ovnnb_db.sock /run/ovn/ovnsb_db.sock
            ";
        let (said, status) = setting.doctor(serve, "");
        assert_eq!(status, 3, "{said:#}");
        for name in ["northbound", "open-vswitch", "datapath", "egress"] {
            assert_eq!(state(&said, name), "ok", "{said:#}");
        }
        assert_says(&said, "southbound", "found", "the server has no database OVN_Southbound");
        assert_says(&said, "datapath", "found", "forwards in ovs-vswitchd");
        assert_says(&said, "egress", "found", "physnet:br-ex");
        assert_says(&said, "bypass", "found", "dpdk0 bypass");
        assert_says(&said, "conntrack", "found", "in ovs-vswitchd");
        for name in ["offload", "bypass", "vswitchd"] {
            assert_eq!(state(&said, name), "limited", "{said:#}");
        }

        // Closed to us, refused, and silent.
        let closed = "\
            mkdir -p /run/ovn /run/openvswitch
            python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"/run/ovn/ovnnb_db.sock\")'
            python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX); s.bind(\"/run/ovn/ovnsb_db.sock\"); s.listen(); time.sleep(20)' &
            trap \"kill $!\" EXIT
            for try in $(seq 100); do [ -S /run/ovn/ovnsb_db.sock ] && break; sleep 0.05; done
            ";
        require("python3", "python3")?;
        let (said, _) = setting.doctor(closed, "");
        assert_says(&said, "northbound", "found", "Connection refused");
        assert_says(&said, "southbound", "found", "it does not answer");
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
        let (said, _) = setting.doctor(&format!("{closed} chmod 700 /run/ovn/ovnnb_db.sock"), nobody);
        assert_says(&said, "northbound", "found", "uid 0, gid 0, mode 700");
        Ok(())
    });
}
