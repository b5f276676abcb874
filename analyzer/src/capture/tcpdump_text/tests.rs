use super::*;
use crate::capture::tests::{gzip, open_bytes};
use crate::types::{MacAddr, Timestamp};

const MACS: &str = "94:42:c9:c3:f7:92 > ce:73:29:66:39:a4, ethertype IPv4 (0x0800), length 94: ";
const ADDRESSES: &str = "192.168.16.230.59943 > 172.27.0.13.avt-profile-2: ";

struct Told {
    records: Vec<TextRecord>,
    warnings: Vec<String>,
    skipped: [u64; 2],
}

fn told(text: &str, options: &Options) -> Result<Told, CaptureError> {
    let source = Source::new("x.txt".into(), std::io::Cursor::new(text.to_owned()), None);
    let mut reader = TextReader::new(source, options);
    let mut records = Vec::new();
    while let Some(item) = reader.next()? {
        let Item::Text(record) = item else { panic!("text") };
        records.push(record);
    }
    let warnings = reader.take_warnings().iter().map(Warning::to_string).collect();
    Ok(Told { records, warnings, skipped: [reader.skipped().lines, reader.skipped().frames] })
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_line_of_the_incident() {
    let line = format!("22:48:28.272315 {MACS}{ADDRESSES}UDP, length 52\n");
    let options = Options { date: "2022-06-09".parse().ok(), ..Options::default() };
    let told_once = told(&line, &options).unwrap();
    let tuple = crate::types::Tuple {
        src: "192.168.16.230".parse().unwrap(),
        dst: "172.27.0.13".parse().unwrap(),
        nw_proto: 17,
        tp_src: 59943,
        tp_dst: 5005,
    };
    let record = TextRecord {
        at: at("2022-06-09T22:48:28.272315Z"),
        interface: 0,
        tags: analyzer_ebpf::abi::LinkTags::NONE,
        eth_src: MacAddr([0x94, 0x42, 0xc9, 0xc3, 0xf7, 0x92]),
        eth_dst: MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]),
        length: 94,
        payload: TextPayload::Ip(tuple),
    };
    assert_eq!((&told_once.records[..], &told_once.warnings[..]), (&[record][..], &[][..]));
    for line in [gzip(line.as_bytes()), line.trim_end().as_bytes().to_vec(), format!("    {line}").into_bytes()] {
        let mut reader = open_bytes(&line).unwrap();
        let Some(Item::Text(read)) = reader.next().unwrap() else { panic!("text") };
        assert_eq!(read.payload, record.payload);
        assert!(reader.next().unwrap().is_none());
        let warning = reader.take_warnings().pop().unwrap().to_string();
        assert!(warning.starts_with("x.pcap: the lines have no date") && warning.contains("--date"), "{warning}");
    }
}

#[test]
fn what_stands_around_packets_is_passed_over() {
    let text = format!(
        "# tcpdump -e -ttt -i ens1f0 udp\n\
         tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n\
         listening on ens1f0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
         2022-06-09 22:48:28.272309 {MACS}{ADDRESSES}UDP, length 52\n\
         \t0x0000:  4500 0024 0001 0000 4011 b312 0aa8 10e6\n\
         \n\
         \u{20}   2  2022-06-09 22:48:28.272310 {MACS}{ADDRESSES}VXLAN, flags [I] (0x08), vni 1\n\
         {MACS}{ADDRESSES}UDP, length 8\n\
         2022-06-09 22:48:28.272311 {MACS}(tos 0x0, ttl 64, id 1, offset 0, flags [none], proto TCP (6), length 36)\n\
         \u{20}   {ADDRESSES}Flags [S]\n\
         \t(tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 36)\n\
         \u{20}   {ADDRESSES}UDP, length 8\n\
         ^C\n\
         ^C3 packets captured\n\
         1 packet received by filter\n\
         0 packets dropped by kernel\n"
    );
    let told = told(&text, &Options::default()).unwrap();
    assert_eq!(told.warnings, [""; 0]);
    let protos: Vec<_> = told
        .records
        .iter()
        .map(|record| match record.payload {
            TextPayload::Ip(tuple) => tuple.nw_proto,
            _ => 0,
        })
        .collect();
    assert_eq!(protos, [17, 17, 6]);
    assert_eq!(told.records[2].at, at("2022-06-09T22:48:28.272311Z"));
}

#[test]
fn lines_that_are_not_understood_are_counted_and_named() {
    let text = format!(
        "some note\n\
         2022-06-09 22:48:28.272309 {MACS}{ADDRESSES}UDP, length 52\n\
         2022-06-09 22:48:28.272309 {MACS}192.168.16.230.5 > 172.27.0.13.mystery: UDP, length 52\n\
         2022-06-09 22:48:28.272309 IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 8\n\
         2022-06-09 22:48:28.272309 {MACS}(tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 36)\n\
         2022-06-09 22:48:28.272309  [|ether]\n\
         1960-06-09 22:48:28.272309 {MACS}{ADDRESSES}UDP, length 52\n\
         2022-06-09 22:48:28.272309 {MACS}192.168.16.230.5 > 172.27.0.13.6: UD"
    );
    let told = told(&text, &Options::default()).unwrap();
    assert_eq!((told.records.len(), told.skipped), (1, [3, 4]));
    let expected = [
        "x.txt:1: line passed over: no line",
        "x.txt:3: line passed over: service name \"mystery\"",
        "x.txt:4: line passed over: a packet without MAC",
        "x.txt:5: line passed over: the addresses",
        "x.txt:6: line passed over: no MAC",
        "x.txt:7: line passed over: a time before 1970",
        "x.txt:8: line passed over: the text is cut",
    ];
    for (warning, expected) in told.warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
    assert_eq!(told.warnings.len(), 7);
}

#[test]
fn forms_that_cannot_be_judged_are_refused() {
    let error = |text: &str| told(text, &Options::default()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error("22:48:28.272309 IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 8\n").contains("tcpdump -e"));
    assert!(error("22:48:28.272309 ip: 10.0.0.1.5 > 10.0.0.2.6: UDP, length 8\n").contains("without MAC addresses"));
    assert!(error(&format!(" 00:00:00.000000 {MACS}{ADDRESSES}UDP, length 52\n")).contains("-ttt"));
    assert!(error(&format!("{MACS}{ADDRESSES}UDP, length 52\n")).contains("without the time of day"));
    assert!(error(&"x\n".repeat(5000)).contains("text without a packet"));
    let tshark = "    1 0.000000000 192.168.16.230 \u{2192} 172.27.0.13  UDP 94 59943 \u{2192} 5005 Len=52\n";
    assert!(error(tshark).contains("text of tshark"));
    assert!(error("no packet at all").contains("text without a packet"));
    assert!(told("0 packets captured\n", &Options::default()).unwrap().records.is_empty());
}

#[test]
fn an_ambiguous_service_name_is_told_once() {
    let line = format!("2022-06-09 22:48:28.272309 {MACS}10.0.0.1.5 > 10.0.0.2.http-alt: UDP, length 52\n");
    let told = told(&line.repeat(3), &Options::default()).unwrap();
    assert_eq!(
        told.warnings,
        [
            "x.txt:1: service name http-alt stands for the ports 8080 591 8008; the first is taken, `tcpdump -n` tells which"
        ]
    );
}

/// A cut never makes another packet of the last line.
#[test]
fn every_cut_leaves_the_packets_before_it() {
    let text = format!(
        "2022-06-09 22:48:28.272309 {MACS}{ADDRESSES}Flags [S], seq 1, win 1024, length 0\n\
         2022-06-09 22:48:28.272310 {MACS}(tos 0x0, ttl 64, id 1, offset 0, flags [none], proto SCTP (132), length 36)\n\
         \u{20}   {ADDRESSES}sctp (1) [DATA] (B)(E) [TSN: 7], length 4\n\
         2022-06-09 22:48:28.272311 94:42:c9:c3:f7:92 > ce:73:29:66:39:a4, ethertype ARP (0x0806), length 42: Reply 198.19.3.15 is-at 76:9c:19:34:50:26, length 28\n\
         2022-06-09 22:48:28.272312 {MACS}10.0.0.1 > 10.0.0.2: ICMP echo request, id 77, seq 1, length 64\n"
    );
    let whole = told(&text, &Options::default()).unwrap().records;
    assert_eq!(whole.len(), 4);
    for len in 0..text.len() {
        let records = told(&text[..len], &Options::default()).map(|told| told.records).unwrap_or_default();
        for (record, whole) in records.iter().zip(&whole) {
            let unread = record.payload == TextPayload::Other;
            assert_eq!(TextRecord { payload: whole.payload, ..*record }, *whole, "{len}");
            assert!(unread || record.payload == whole.payload, "{len}: {record:?}");
        }
    }
}

#[test]
fn times_of_another_zone() {
    let line = |time: &str| format!("{time} {MACS}{ADDRESSES}UDP, length 52\n");
    let of = |text: &str, zone: Option<&str>, are_times_compared| {
        let zone = zone.map(|zone| zone.parse().unwrap());
        told(text, &Options { zone, are_times_compared, date: "2022-06-09".parse().ok(), ..Options::default() })
            .unwrap()
    };
    let noon = line("12:00:00.0");
    let read = of(&noon, Some("+02:00"), true);
    assert_eq!((read.records[0].at, read.warnings), (at("2022-06-09T10:00:00Z"), vec![]));
    let read = of(&noon, None, true);
    assert_eq!(read.records[0].at, at("2022-06-09T12:00:00Z"));
    assert_eq!(
        read.warnings,
        ["x.txt: its times are taken as UTC, as those of the other sources are; `--timezone` tells otherwise"]
    );
    assert_eq!(of(&noon, None, false).warnings, [""; 0]);
    assert_eq!(of(&line("1654814908.272309"), None, true).warnings, [""; 0]);
}

#[test]
fn hours_that_clocks_pass_over_or_repeat() {
    let line = |time: &str| format!("{time} {MACS}{ADDRESSES}UDP, length 52\n");
    let zone = Some(Zone::posix("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"));
    let options = Options { zone, are_times_compared: true, ..Options::default() };
    let text = [line("2022-03-27 01:59:59.0"), line("2022-03-27 02:30:00.0"), line("2022-10-30 02:30:00.0")].concat();
    let read = told(&text, &options).unwrap();
    assert_eq!(read.records.len(), 2);
    assert_eq!(read.skipped, [0, 1]);
    assert_eq!(
        read.warnings,
        [
            "x.txt:2: line passed over: there was no such time in Europe/Berlin: clocks were put forward over it",
            "x.txt:3: from here on times come twice in Europe/Berlin, where clocks were put back; the first ones are taken",
        ]
    );
}
