//! A namespace with a server of metrics, and a client.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use analyzer::alerts::Kind;
use analyzer::metrics::{self, Conformed, Count, Judged, Latency, Map, Nic, Server, SinkCounts, Snapshot, Source};
use analyzer::metrics::{SourceState, address::ListenAddress};
use analyzer::types::MacAddr;
use tokio::sync::watch;

use crate::netns::{Missing, Netns};

/// Where metrics are.
pub(crate) const METRICS: &str = "127.0.0.1:9479";

/// A server in a namespace.
pub(crate) struct Lab {
    pub(crate) netns: Netns,
    pub(crate) daemon: watch::Sender<Arc<Snapshot>>,
    pub(crate) server: Server,
}

impl Lab {
    pub(crate) fn new(purpose: &str, addresses: &[&str]) -> Result<Self, Missing> {
        let netns = Netns::new(purpose)?;
        netns.sh("ip link set lo up");
        let (daemon, snapshots) = watch::channel(Arc::default());
        let addresses: Vec<ListenAddress> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let server = netns.inside(|| metrics::bind(&addresses).unwrap().serve(snapshots).unwrap());
        Ok(Self { netns, daemon, server })
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.daemon.send_replace(Arc::new(snapshot));
    }

    /// Opens a connection.
    pub(crate) fn connect(&self, address: &str) -> TcpStream {
        let address: SocketAddr = address.parse().unwrap();
        self.netns.inside(|| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
            stream
        })
    }

    /// Sends a request and reads the answer to its end: head and body.
    pub(crate) fn ask(&self, address: &str, request: &str) -> (String, String) {
        let mut stream = self.connect(address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        (head.to_owned(), body.to_owned())
    }

    /// Status and body of a page.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.ask(METRICS, &format!("GET {path} HTTP/1.0\r\n\r\n"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }
}

/// A daemon's snapshot with something in every place; `scale` times as much as with 1.
pub(crate) fn snapshot(scale: u64) -> Snapshot {
    let judged = |verdict, reason, packets: u64| Judged {
        verdict,
        reason,
        packets: packets * scale,
        bytes: 100 * packets * scale,
        flows: packets,
    };
    let conformed = |last: u8, packets: u64| Conformed {
        lladdr: MacAddr([2, 0, 0, 0, 1, last]),
        nexthops: vec![IpAddr::from([198, 19, 3, last])],
        packets: packets * scale,
        bytes: 100 * packets * scale,
        flows: packets / 10,
    };
    let mut latency = Latency::default();
    for _ in 0..scale {
        [1, 4, 600].into_iter().for_each(|millis| latency.observe(Duration::from_millis(millis)));
    }
    Snapshot {
        kernel_program: "6bb68f44".into(),
        nexthops_known: true,
        switches: 2 * scale,
        judged: vec![
            judged("conforming", None, 1_000),
            judged("grace", None, 3),
            judged("undetermined", Some("no-nexthop-data"), 4),
            judged("violating", Some("stale-conntrack"), 5),
            judged("violating", Some("unknown-mac"), 0),
        ],
        conformed: vec![conformed(15, 600), conformed(16, 400)],
        latent_armed: 3,
        latent_unused: 1,
        labelled_entries: 17,
        open_causes: 2,
        alerts: BTreeMap::from([(Kind::Violation, 2 * scale), (Kind::Latent, scale)]),
        sinks: vec![SinkCounts {
            sink: "syslog udp:[2001:db8::1]:514 \"quoted\\\"".into(),
            sent: 7 * scale,
            resent: scale,
            dropped: scale,
            failed: scale,
            queued: 9,
        }],
        latency,
        losses: vec![Count { name: "events_lost", count: 8 * scale }, Count { name: "netlink_overruns", count: 0 }],
        repairs: vec![Count { name: "deleted", count: scale }],
        sources: vec![
            Source {
                name: "nb",
                place: "unix:/run/ovn/ovnnb_db.sock".into(),
                state: SourceState::Synchronised,
                age: Some(Duration::ZERO),
            },
            Source {
                name: "sb",
                place: "unix:/run/ovn/ovnsb_db.sock".into(),
                state: SourceState::Lost,
                age: Some(Duration::from_millis(2_500)),
            },
            Source { name: "kernel", place: "rtnetlink".into(), state: SourceState::Connecting, age: None },
        ],
        nics: vec![Nic { name: "ens1".into(), egress: Some("tcx"), ingress: None }],
        maps: vec![Map { name: "SUSPECTS_V4".into(), capacity: 262_144, bytes: 50_331_648 }],
    }
}

/// Tries until it comes to pass, a minute at most.
#[expect(clippy::disallowed_methods, reason = "waits for another program, which tells nobody")]
pub(crate) fn wait_for<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    let mut attempt = attempt;
    for _ in 0..600 {
        if let Some(value) = attempt() {
            return value;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not within a minute");
}
