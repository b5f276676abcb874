//! The kernel's conntrack table as we read it, against what was put into it and what conntrack(8) says; and the table of
//! ovs-vswitchd, against what ovs-appctl prints.

#[path = "common/ctnetlink.rs"]
mod ctnetlink;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/ovs.rs"]
mod ovs;
#[path = "common/patience.rs"]
mod patience;

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::dump::{Dump, Dumped, Filter, MaskedMark};
use analyzer::netlink::conntrack::entry::Counters;
use analyzer::netlink::conntrack::events::{Event, Events, Losses};
use analyzer::netlink::conntrack::{Error, Table};
use analyzer::types::{Timestamp, Tuple};
use analyzer::unixctl::conntrack::{Pacing, UserspaceTable, datapaths};
use analyzer::unixctl::{UnixctlError, call, control_socket};
use hashbrown::HashSet;

use ctnetlink::Writer;
use netns::{Missing, Netns, require, run};
use ovs::Ovs;
use patience::patience;

/// The incident's: port 2 and ce:73:29:66:39:a4.
const LABEL: u128 = 0x2ce73296639a400000000;
const ZONES: [u16; 4] = [0, 5, 35, 65535];

fn tuple(text: &str) -> Tuple {
    text.parse().expect("a 5-tuple")
}

fn entry(orig: Tuple, zone: u16, mark: u32, label: u128) -> Connection {
    Connection { orig, reply: orig.reversed(), zone, mark, label, id: None, offloaded: false, dying: false }
}

/// The nth of many entries.
fn numbered(number: u32) -> Connection {
    let [_, a, b, c] = number.to_be_bytes();
    let orig = tuple(&format!("udp 172.{a}.{b}.{c}:{} -> 10.244.0.5:53", 1024 + number % 60_000));
    entry(orig, 35, 0, LABEL)
}

/// One entry of each protocol and family in each zone, with and without label, mark and translation.
fn kinds() -> Vec<Connection> {
    let texts = [
        "udp 172.27.0.13:5005 -> 192.168.16.230:59943",
        "tcp 172.27.0.13:5005 -> 192.168.16.230:59943",
        "sctp 172.27.0.13:5005 -> 192.168.16.230:59943",
        "udplite 172.27.0.13:5005 -> 192.168.16.230:59943",
        "icmp 172.27.0.13 -> 192.168.16.230 type 8 code 0 id 77",
        "icmp 172.27.0.13 -> 192.168.16.230 type 13 code 0 id 77",
        "gre 172.27.0.13 -> 192.168.16.230",
        "esp 172.27.0.13 -> 192.168.16.230",
        "udp [fd00::1:13]:5005 -> [fd00::2:230]:59943",
        "tcp [fd00::1:13]:5005 -> [fd00::2:230]:59943",
        "sctp [fd00::1:13]:5005 -> [fd00::2:230]:59943",
        "icmpv6 fd00::1:13 -> fd00::2:230 type 128 code 0 id 77",
    ];
    let forms = [(0, LABEL), (0x20000, LABEL & !(0xffff << 80)), (0x10002, 0), (0, u128::MAX)];
    let mut entries = Vec::new();
    for (text, (zone, (mark, label))) in
        texts.into_iter().flat_map(|text| ZONES.into_iter().zip(forms).map(move |it| (text, it)))
    {
        entries.push(entry(tuple(text), zone, mark, label));
    }
    for (orig, reply) in [
        ("udp 10.244.0.5:5201 -> 8.8.8.8:53", "udp 8.8.8.8:53 -> 172.18.0.4:61001"),
        ("tcp [fd00::5]:5201 -> [fd00::8]:53", "tcp [fd00::b]:5353 -> [fd00::5]:5201"),
    ] {
        entries.push(Connection { reply: tuple(reply), ..entry(tuple(orig), 35, 0, LABEL) });
    }
    entries
}

/// A namespace whose entries have room for labels.
fn labelled_netns(purpose: &str) -> Result<Netns, Missing> {
    require("nft", "nftables")?;
    require("conntrack", "conntrack")?;
    let netns = Netns::new(purpose)?;
    netns.sh(ctnetlink::ENABLE_LABELS);
    Ok(netns)
}

/// What the dump gives, without ids, sorted as text.
fn sorted(entries: impl IntoIterator<Item = Connection>) -> Vec<String> {
    let mut words: Vec<_> = entries.into_iter().map(|it| format!("{:?}", Connection { id: None, ..it })).collect();
    words.sort_unstable();
    words
}

fn dump(filter: &Filter) -> (Vec<Connection>, Dumped) {
    let mut entries = Vec::new();
    let table = Table::open().expect("there is conntrack");
    let dumped = table.dump(filter, |entry| entries.push(entry.connection.clone())).expect("root may dump");
    assert_eq!(dumped.visited, entries.len() as u64);
    assert!(!dumped.interrupted && dumped.unreadable == 0, "{dumped:?}");
    (entries, dumped)
}

/// Ids in `conntrack -L -o id`, by what conntrack(8) prints of zone, source, ports and the like.
fn ids_by_conntrack(netns: &Netns) -> BTreeSet<(u32, u16, u32)> {
    let text = netns.sh("conntrack -L -o id 2>/dev/null");
    let value = |line: &str, key: &str| -> Option<u32> {
        line.split(' ')
            .filter_map(|word| word.strip_prefix(key))
            .next_back()
            .map(|number| number.parse().expect("a number"))
    };
    let read = |line: &str| {
        let zone = value(line, "zone=").unwrap_or(0) as u16;
        (value(line, "id=").expect("each has an id"), zone, value(line, "mark=").unwrap_or(0))
    };
    text.lines().map(read).collect()
}

#[test]
fn every_kind_of_entry() {
    run(|| {
        let netns = labelled_netns("kinds")?;
        let created = kinds();
        let mut ids = BTreeSet::new();
        netns.inside(|| {
            Writer::open().create(&created);
            let (told, dumped) = dump(&Filter::default());
            assert_eq!(dumped.told, created.len() as u64);
            assert_eq!(sorted(told.clone()), sorted(created.clone()));
            ids.extend(told.iter().map(|it| (it.id.expect("the kernel tells ids"), it.zone, it.mark)));
            let table = Table::open().expect("there is conntrack");
            for connection in &told {
                for tuple in [connection.orig, connection.reply] {
                    let got = table.get(tuple, connection.zone).expect("root may ask");
                    assert_eq!(got.as_ref().map(|entry| &entry.connection), Some(connection), "{tuple}");
                }
                assert_eq!(table.get(connection.orig, 36).expect("root may ask"), None);
            }
            for unknown in [
                "udp 172.27.0.13:5006 -> 192.168.16.230:59943",
                "icmp 172.27.0.13 -> 192.168.16.230 type 3 code 1 id 0",
                "icmpv6 fd00::1:13 -> fd00::2:230 type 135 code 0 id 0",
                "132 10.0.0.1:1 -> 10.0.0.2:2",
                "99 10.0.0.1 -> 10.0.0.2",
            ] {
                assert_eq!(table.get(tuple(unknown), 0).expect("it may be asked"), None, "{unknown}");
            }
        });
        assert_eq!(ids, ids_by_conntrack(&netns));
        Ok(())
    });
}

#[test]
fn filters() {
    run(|| {
        let netns = labelled_netns("filters")?;
        let created = kinds();
        netns.inside(|| {
            Writer::open().create(&created);
            let mark = MaskedMark { value: 0x20000, mask: 0xffff_0000 };
            for filter in [
                Filter { zone: Some(0), ..Filter::default() },
                Filter { zone: Some(35), ..Filter::default() },
                Filter { mark: Some(mark), ..Filter::default() },
                Filter { labelled: true, ..Filter::default() },
                Filter { zone: Some(5), mark: Some(mark), labelled: true },
                Filter { zone: Some(6), ..Filter::default() },
            ] {
                let wanted = created.iter().filter(|it| {
                    filter.zone.is_none_or(|zone| it.zone == zone)
                        && filter.mark.is_none_or(|mark| it.mark & mark.mask == mark.value)
                        && (!filter.labelled || it.label != 0)
                });
                assert_eq!(sorted(dump(&filter).0), sorted(wanted.cloned()), "{filter:?}");
            }
            let (index, dumped) =
                Table::open().expect("there is conntrack").labelled(usize::MAX).expect("root may dump");
            let labelled: Vec<_> = created.iter().filter(|it| it.label != 0).cloned().collect();
            assert_eq!((dumped.told, dumped.visited), (created.len() as u64, labelled.len() as u64));
            assert_eq!(sorted(index.iter()), sorted(labelled));
        });
        Ok(())
    });
}

#[test]
fn one_tuple_in_four_zones() {
    run(|| {
        let netns = labelled_netns("zones")?;
        let orig = tuple("udp 172.27.0.13:5005 -> 192.168.16.230:59943");
        let created: Vec<_> = ZONES
            .iter()
            .zip(1..)
            .map(|(&zone, number)| entry(orig, zone, number << 16, LABEL + (u128::from(number) << 32)))
            .collect();
        netns.inside(|| {
            let mut writer = Writer::open();
            writer.create(&created);
            let table = Table::open().expect("there is conntrack");
            let get = |tuple, zone| {
                table.get(tuple, zone).expect("root may ask").map(|it| Connection { id: None, ..it.connection })
            };
            for expected in &created {
                assert_eq!(get(orig, expected.zone).as_ref(), Some(expected));
                assert_eq!(get(expected.reply, expected.zone).as_ref(), Some(expected));
            }
            let (index, _) = table.labelled(usize::MAX).expect("root may dump");
            assert_eq!(sorted(index.of(orig.reversed())), sorted(created.clone()));
            assert_eq!(sorted(index.by_zone(0)), sorted([created[0].clone()]));
            writer.delete(&created[0]);
            assert_eq!(get(orig, 0), None);
            assert_eq!(get(orig, 5).as_ref(), Some(&created[1]));
        });
        Ok(())
    });
}

/// What the kernel itself fills in, on real packets: the label's byte order by nftables, times, counters.
#[test]
fn entries_of_real_packets() {
    run(|| {
        let netns = labelled_netns("packets")?;
        netns.sh("sysctl -qw net.netfilter.nf_conntrack_timestamp=1 net.netfilter.nf_conntrack_acct=1
             ip link set lo up
             nft 'table inet p {
                 chain raw {
                     type filter hook output priority raw
                     udp dport 7001 ct zone set 35
                     udp dport 7002 ct original zone set 36
                 }
                 chain out {
                     type filter hook output priority 0
                     udp dport 7001 ct label set 40
                     udp dport 7001 ct mark set 0x20000
                 }
             }'");
        let before = wall_clock();
        netns.inside(|| {
            let receiver = UdpSocket::bind("127.0.0.1:7001").expect("it is free");
            let sender = UdpSocket::bind("127.0.0.1:6001").expect("it is free");
            for to in [7001, 7001, 7002] {
                sender.send_to(b"12345", ("127.0.0.1", to)).expect("lo is up");
            }
            drop(receiver);
            let table = Table::open().expect("there is conntrack");
            let orig = tuple("udp 127.0.0.1:6001 -> 127.0.0.1:7001");
            let got = table.get(orig, 35).expect("root may ask").expect("the packets made it");
            assert_eq!((got.connection.label, got.connection.mark), (1 << 40, 0x20000));
            assert_eq!(got.counters, Some([Counters { packets: 2, bytes: 66 }, Counters::default()]));
            let started = got.started.expect("timestamps are on");
            assert!(before <= started && started <= wall_clock(), "{before} {started}");
            // Known, counted and not taken for an entry of a zone.
            let one_way = tuple("udp 127.0.0.1:6001 -> 127.0.0.1:7002");
            assert_eq!(table.get(one_way, 36).expect("root may ask"), None);
            let (told, dumped) = dump(&Filter::default());
            assert_eq!(dumped.zone_of_one_direction, 1);
            assert!(told.iter().all(|it| it.orig != one_way));
        });
        Ok(())
    });
}

#[expect(clippy::disallowed_methods, reason = "compared with the kernel's clock")]
fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
    Timestamp::from_nanos(since.as_nanos() as u64)
}

#[test]
fn dump_under_churn() {
    run(|| {
        let netns = labelled_netns("churn")?;
        let stable: Vec<_> = (0..20_000).map(numbered).collect();
        let coming: Vec<_> = (20_000..22_000).map(numbered).collect();
        let (done, rounds) = (AtomicBool::new(false), 5);
        netns.inside(|| {
            Writer::open().create(&stable);
            // A thread is in the namespace of the one that starts it.
            thread::scope(|scope| {
                let churn = scope.spawn(|| {
                    let mut writer = Writer::open();
                    let mut turns = 0;
                    while !done.load(Ordering::Relaxed) && turns < 10_000 {
                        let turn = &coming[turns % 20 * 100..][..100];
                        writer.create(turn);
                        turn.iter().for_each(|it| writer.delete(it));
                        turns += 1;
                    }
                    turns
                });
                for _ in 0..rounds {
                    let mut dump = Dump::start(&Filter { labelled: true, ..Filter::default() }).expect("root may dump");
                    let mut seen = HashSet::new();
                    let (mut steps, mut dumped) = (0, None);
                    while dumped.is_none() {
                        dumped = dump.step(|entry| seen.extend([entry.connection.orig])).expect("root may dump");
                        steps += 1;
                    }
                    assert!(steps > 100, "{steps} steps");
                    let missing = stable.iter().filter(|it| !seen.contains(&it.orig)).count();
                    assert_eq!(missing, 0, "{dumped:?}");
                }
                done.store(true, Ordering::Relaxed);
                assert!(churn.join().expect("it ends") > 0);
            });
            let (index, _) = Table::open().expect("there is conntrack").labelled(usize::MAX).expect("root may dump");
            assert_eq!(sorted(index.iter()), sorted(stable.clone()));
            assert!(index.bytes() / index.len() <= 96, "{} bytes", index.bytes());
        });
        Ok(())
    });
}

/// Runs asynchronous code to its end.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The next event, which must come.
async fn next(events: &mut Events) -> Event {
    let next = tokio::time::timeout(patience(Duration::from_secs(20)), events.next()).await;
    next.expect("an event comes").expect("the socket works")
}

#[test]
fn events_of_every_kind() {
    run(|| {
        let netns = labelled_netns("events")?;
        let created = kinds();
        netns.inside(|| {
            block_on(async {
                let mut events = Events::open(1 << 20).expect("root may listen");
                let mut writer = Writer::open();
                let mut ids = BTreeMap::new();
                writer.create(&created);
                for expected in &created {
                    let id = match next(&mut events).await {
                        Event::Changed(told) => {
                            assert_eq!(&Connection { id: None, ..told.clone() }, expected);
                            told.id
                        }
                        Event::Touched { orig, zone, id } => {
                            assert_eq!((orig, zone, 0), (expected.orig, expected.zone, expected.label));
                            id
                        }
                        other => panic!("{expected:?} is new, not {other:?}"),
                    };
                    ids.insert((expected.orig, expected.zone), id);
                }
                for entry in &created {
                    let changed = Connection { mark: entry.mark ^ 0x50000, label: LABEL + (1 << 32), ..entry.clone() };
                    writer.change(&changed);
                    let Event::Changed(told) = next(&mut events).await else { panic!("{entry:?} changed") };
                    assert_eq!(Connection { id: None, ..told }, changed);
                }
                for entry in &created {
                    writer.delete(entry);
                    let id = ids[&(entry.orig, entry.zone)];
                    assert_eq!(next(&mut events).await, Event::Destroyed { orig: entry.orig, zone: entry.zone, id });
                    assert!(id.is_some());
                }
                assert_eq!(events.losses(), Losses::default());
            });
        });
        Ok(())
    });
}

/// An event that is about the mark does not tell the label: what is known of it must not be forgotten for that.
#[test]
fn event_that_tells_no_label() {
    run(|| {
        let netns = labelled_netns("touched")?;
        netns.sh("ip link set lo up
             nft 'table inet p {
                 chain out {
                     type filter hook output priority 0
                     udp dport 7001 ct state new ct label set 40
                     udp dport 7001 ct state established ct mark set 0x30000
                 }
             }'");
        netns.inside(|| {
            block_on(async {
                let mut events = Events::open(1 << 20).expect("root may listen");
                let server = UdpSocket::bind("127.0.0.1:7001").expect("it is free");
                let client = UdpSocket::bind("127.0.0.1:6001").expect("it is free");
                let orig = tuple("udp 127.0.0.1:6001 -> 127.0.0.1:7001");
                client.send_to(b"1", ("127.0.0.1", 7001)).expect("lo is up");
                let id = match next(&mut events).await {
                    Event::Changed(Connection { id, label, .. }) if label == 1 << 40 => id,
                    other => panic!("a labelled entry is new, not {other:?}"),
                };
                server.send_to(b"2", ("127.0.0.1", 6001)).expect("lo is up");
                client.send_to(b"3", ("127.0.0.1", 7001)).expect("lo is up");
                let table = Table::open().expect("there is conntrack");
                let mut mark = 0;
                while mark != 0x30000 {
                    assert_eq!(next(&mut events).await, Event::Touched { orig, zone: 0, id });
                    let got = table.get(orig, 0).expect("root may ask").expect("it is there").connection;
                    assert_eq!(got.label, 1 << 40);
                    mark = got.mark;
                }
            });
        });
        Ok(())
    });
}

#[test]
fn overrun_is_told_once_and_listening_goes_on() {
    run(|| {
        let netns = labelled_netns("overrun")?;
        netns.inside(|| {
            block_on(async {
                // The kernel makes the buffer as small as it may be: a few events.
                let mut events = Events::open(1).expect("root may listen");
                let mut writer = Writer::open();
                let lost: Vec<_> = (0..2_000).map(numbered).collect();
                writer.create(&lost);
                let mut before = 0;
                while next(&mut events).await != Event::Overrun {
                    before += 1;
                }
                let losses = events.losses();
                assert!(losses.overruns > 0 && before + losses.drained < 2_000, "{before} {losses:?}");
                let after = numbered(3_000);
                writer.create([&after]);
                let Event::Changed(told) = next(&mut events).await else { panic!("one is new") };
                assert_eq!(Connection { id: None, ..told }, after);
                assert_eq!(events.losses(), losses);
                // The table is the truth.
                let (index, _) =
                    Table::open().expect("there is conntrack").labelled(usize::MAX).expect("root may dump");
                assert_eq!(index.len(), 2_001);
            });
        });
        Ok(())
    });
}

#[test]
fn without_rights() {
    run(|| {
        let netns = labelled_netns("rights")?;
        netns.inside(|| {
            // This thread's only.
            caps::clear(None, caps::CapSet::Effective).expect("rights can be given away");
            let table = Table::open().expect("anybody may open a socket");
            let get = table.get(numbered(1).orig, 0).expect_err("nobody may ask");
            assert!(matches!(get, Error::Denied { .. }) && get.to_string().contains("CAP_NET_ADMIN"), "{get}");
            let dump = table.labelled(1).expect_err("nobody may dump");
            assert!(matches!(dump, Error::Denied { .. }), "{dump}");
            let listen = block_on(async { Events::open(1 << 20) }).err();
            assert!(matches!(listen, Some(Error::Denied { .. })), "{listen:?}");
        });
        Ok(())
    });
}

#[test]
fn userspace_datapath() {
    run(|| {
        let commits = "ct(commit,zone=5,exec(set_field:0x20000->ct_mark,set_field:0xce73296639a400000000->ct_label)),\
                       ct(commit,zone=6,exec(set_field:0x2ce73296639a400000000->ct_label)),ct(commit,zone=7)";
        let ovs =
            Ovs::start(&[format!("in_port=1,ip,actions={commits}"), format!("in_port=1,ipv6,actions={commits}")])?;
        let origs: Vec<_> = (1..=20_u16)
            .flat_map(|port| {
                ["udp 172.27.0.13:{} -> 192.168.16.230:99", "tcp [fd00::1]:{} -> [fd00::2]:99"]
                    .map(|text| tuple(&text.replace("{}", &port.to_string())))
            })
            .chain([tuple("icmp 172.27.0.13 -> 192.168.16.230 type 8 code 0 id 77")])
            .collect();
        let packets = origs.iter().map(|it| format!("ovs-appctl netdev-dummy/receive p1 {}\n", ovs::frame(it)));
        ovs.sh(&packets.collect::<String>());
        ovs.wait_for(3 * origs.len());
        let socket = control_socket(ovs.run_dir(), "ovs-vswitchd").expect("the daemon runs");
        block_on(async {
            let names = datapaths(&socket).await.expect("it answers");
            assert_eq!(names, ["dummy@ovs-dummy"]);
            let free = Pacing { zone_interval: Duration::ZERO, share: 1 };
            let mut table = UserspaceTable::new(socket.clone(), names.first().cloned(), free);
            for zone in [5, 6, 7, 8] {
                let mut told = Vec::new();
                let reading = table.dump(zone, wall_clock, |it| told.push(it.clone())).await.expect("it answers");
                let lines = ovs.sh(&format!("ovs-appctl dpctl/dump-conntrack zone={zone}"));
                let printed = lines.lines().map(|line| {
                    analyzer::conntrack::text::parse_line(line)
                        .expect("OVS prints entries")
                        .expect("a line is an entry")
                });
                assert_eq!(sorted(told.clone()), sorted(printed));
                assert_eq!((reading.unreadable, told.len()), (0, if zone == 8 { 0 } else { origs.len() }), "{zone}");
                let (mark, label) =
                    [(0x20000, 0xce73296639a400000000), (0, LABEL), (0, 0)][usize::from(zone.min(7)) - 5];
                assert!(told.iter().all(|it| (it.mark, it.label) == (mark, label)), "{told:?}");
            }
            let refused = call(&socket, "dpctl/dump-conntrack", &["zone=x"], patience(Duration::from_secs(20))).await;
            assert!(matches!(refused, Err(UnixctlError::Refused { .. })), "{refused:?}");
            let unknown =
                call(&socket, "no/such", &[], patience(Duration::from_secs(20))).await.expect_err("there is none");
            assert!(unknown.to_string().contains("\"no/such\" is not a valid command"), "{unknown}");
            ovs.sh("ovs-appctl -t ovs-vswitchd exit");
            let gone = call(&socket, "dpctl/dump-dps", &[], patience(Duration::from_secs(20))).await;
            assert!(matches!(gone, Err(UnixctlError::Connect { .. } | UnixctlError::Broken { .. })), "{gone:?}");
        });
        Ok(())
    });
}
