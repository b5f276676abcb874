//! The kernel's conntrack table: whether it can be asked, and what it is set to.

use std::fs;
use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::check::Check;
use super::netlink::ask;
use super::open_vswitch::Datapath;
use super::rights::{Rights, is_denied};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS`, of include/uapi/linux/netfilter/nfnetlink{,_conntrack}.h.
const GET_STATS: u16 = (1 << 8) | 5;

const NAME: &str = "conntrack";

/// The settings under net.netfilter; `None` for one that cannot be read.
struct Settings {
    count: Option<u64>,
    max: Option<u64>,
    events: Option<u64>,
    timestamp: Option<u64>,
    acct: Option<u64>,
}

impl Settings {
    fn read() -> Self {
        let number = |name: &str| {
            fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok()?.trim().parse().ok()
        };
        Self {
            count: number("count"),
            max: number("max"),
            events: number("events"),
            timestamp: number("timestamp"),
            acct: number("acct"),
        }
    }
}

pub(super) fn checks(rights: &Rights, datapath: Option<Datapath>) -> Vec<Check> {
    if datapath == Some(Datapath::Userspace) {
        return vec![Check::ok(
            NAME,
            "entries are in ovs-vswitchd, not in the kernel",
            "they are asked for over its control socket",
        )];
    }
    // A family byte (AF_UNSPEC), version 0, resource 0.
    let mut checks = vec![judge_reach(ask(NETLINK_NETFILTER, GET_STATS, &[0; 4]).map(drop), rights.way_out())];
    checks.extend(judge_settings(&Settings::read()));
    checks
}

fn judge_reach(asked: io::Result<()>, way_out: &str) -> Check {
    let means = "No verdict says which conntrack entry pins a flow to the MAC, and latent entries are not found.";
    match asked {
        Ok(()) => Check::ok(NAME, "the table of this network namespace answers", "entries are evidence"),
        Err(error) if is_denied(&error) => {
            Check::limited(NAME, format!("the table cannot be asked without CAP_NET_ADMIN: {error}"), means, way_out)
        }
        Err(error) => Check::limited(
            NAME,
            format!("the table cannot be asked: {error}"),
            means,
            "modprobe nf_conntrack_netlink, and run in the network namespace of the host: the table is that of a \
             namespace.",
        ),
    }
}

fn judge_settings(settings: &Settings) -> Vec<Check> {
    let Settings { count, max, events, timestamp, acct } = settings;
    let mut checks = Vec::new();
    if let (Some(count), Some(max)) = (count, max) {
        let found = format!("{count} of {max} entries");
        checks.push(if *count >= max / 10 * 9 {
            Check::limited(
                "conntrack-size",
                found,
                "Where the table is full, new connections are dropped, and so are ours to find.",
                "sysctl -w net.netfilter.nf_conntrack_max=N, and find out who fills it.",
            )
        } else {
            Check::ok("conntrack-size", found, "there is room")
        });
    }
    if *events == Some(0) {
        checks.push(Check::limited(
            "conntrack-events",
            "the kernel tells no changes of entries (net.netfilter.nf_conntrack_events = 0)",
            "Entries are read at intervals only; a change is known later.",
            "sysctl -w net.netfilter.nf_conntrack_events=1 (2 where the kernel has it: only while someone listens)",
        ));
    }
    if *timestamp == Some(0) {
        checks.push(Check::ok(
            "conntrack-times",
            "entries have no start time (net.netfilter.nf_conntrack_timestamp = 0)",
            "with 1, evidence tells since when an entry is there",
        ));
    }
    if *acct == Some(0) {
        checks.push(Check::ok(
            "conntrack-counts",
            "entries do not count packets (net.netfilter.nf_conntrack_acct = 0)",
            "with 1, offloaded flows that no hook sees are noticed by their counters",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn a_refusal_names_the_capability() {
        let denied = judge_reach(Err(io::Error::from_raw_os_error(1)), "way out");
        assert_eq!(denied.state, State::Limited);
        assert!(denied.found.contains("CAP_NET_ADMIN"), "{}", denied.found);
        let absent = judge_reach(Err(io::Error::from_raw_os_error(93)), "way out");
        assert!(absent.todo.is_some_and(|todo| todo.contains("nf_conntrack_netlink")));
    }

    #[test]
    fn settings() {
        let all = Settings { count: Some(1), max: Some(100), events: Some(2), timestamp: Some(1), acct: Some(1) };
        assert!(judge_settings(&all).iter().all(|check| check.state == State::Ok));
        let none = Settings { count: Some(90), max: Some(100), events: Some(0), timestamp: Some(0), acct: Some(0) };
        let states: Vec<_> = judge_settings(&none).iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Limited, State::Limited, State::Ok, State::Ok]);
        let unknown = Settings { count: None, max: None, events: None, timestamp: None, acct: None };
        assert_eq!(judge_settings(&unknown), []);
    }
}
