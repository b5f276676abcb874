use std::io::{BufReader, Cursor, Read};

use proptest::prelude::*;

use super::*;

const ENTRY: &str = "udp,orig=(src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943),\
                     reply=(src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005),zone=35,labels=0x2ce73296639a400000000";

/// What a text gives: the entries with their lines, and the rest.
fn read_text(text: impl AsRef<[u8]>) -> (Vec<(Connection, usize)>, Reading) {
    let mut entries = Vec::new();
    let sink = |connection, line| entries.push((connection, line));
    let reading = read(text.as_ref(), "conntrack.txt", sink).expect("memory can be read");
    assert_eq!(reading.entries, entries.len());
    (entries, reading)
}

fn warnings(reading: &Reading) -> Vec<String> {
    reading.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_excerpt_of_the_incident() {
    let text = "$ grep labels worker-08.sudo_ovs-dpctl_dump-conntrack  | grep ce73296b39a4\n\
        udp,orig=src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=42788),reply=src=192.168.16.230,dst=172.27.0.13,sport=42788,dport=5005),zone=35,labels=0x2ce73296639a400000000\n\
        udp,orig=src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943),reply=src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005),zone=35,labels=0x2ce73296639a400000000\n";
    let (entries, reading) = read_text(text);
    let found: Vec<_> = entries.iter().map(|(entry, line)| (entry.reply.tp_src, entry.zone, *line)).collect();
    assert_eq!(found, [(42788, 35, 2), (59943, 35, 3)]);
    assert_eq!((reading.lines, reading.unreadable), (3, 0));
}

/// Where a line is torn at the width of the text, those of the same width may have lost their labels.
#[test]
fn lines_of_the_width_at_which_a_text_is_cut_are_gaps() {
    let whole = &ENTRY[..ENTRY.find(",labels").unwrap()];
    let torn = format!("{},", ENTRY.replacen("sport=5005", "sport=505", 1).split_at(whole.len() - 1).0);
    assert_eq!(torn.len(), whole.len());
    let gaps = |text: &str| read_text(text).1.gaps.into_iter().map(|gap| gap.place.position).collect::<Vec<_>>();
    assert_eq!(gaps(&format!("{whole}\n{torn}\n")), [2, 1].map(Position::Line));
    // A mask tears no line, and a line that is longer shows that the others are whole.
    assert_eq!(gaps(&format!("{whole}\n{}\n", whole.replacen("172.27.0.13", "172.27.x.13", 1))), [Position::Line(2)]);
    assert_eq!(gaps(&format!("{whole}\n{torn}\n{ENTRY}\n")), [Position::Line(2)]);
    // A label that was broken in its digits.
    let (front, digits) = ENTRY.split_at(ENTRY.len() - 8);
    assert_eq!(gaps(&format!("{front}\n  {digits}\n{whole}\n")), [Position::Line(1)]);
}

/// As published, with the addresses masked.
#[test]
fn masked_addresses_are_told_by_line_and_column() {
    let text = "$ grep labels\nudp,orig=src=172.27.xxx.13,dst=1xx.168.16.230,sport=5005,dport=42788),reply=src=\n";
    let (entries, reading) = read_text(text);
    assert_eq!(entries.len(), 0);
    assert_eq!(
        warnings(&reading),
        ["conntrack.txt:2:14: \"172.27.xxx.13\" is no IP address; digits that were masked have to be put back"]
    );
}

#[test]
fn wrapped_entries() {
    let whole = read_text(ENTRY).0[0].0.clone();
    for cut in 14..ENTRY.len() {
        let wrapped = format!("{}\r\n{}\n\n", &ENTRY[..cut], &ENTRY[cut..]);
        let (entries, reading) = read_text(format!("{wrapped}{wrapped}"));
        assert_eq!(entries, [(whole.clone(), 1), (whole.clone(), 4)], "{wrapped}");
        assert_eq!(reading.unreadable, 0, "{wrapped}");
    }
    let in_three = ENTRY.replace(",reply", ",\n reply").replace(",zone", "\n,zone");
    assert_eq!(read_text(in_three).0, [(whole, 1)]);
}

#[test]
fn an_error_in_a_wrapped_entry_has_the_place_in_its_own_line() {
    let text = format!("{ENTRY}\nudp,orig=(src=172.27.0.13,\n    dst=oops,sport=1,dport=2),reply=(\n");
    let (entries, reading) = read_text(text);
    assert_eq!(entries.len(), 1);
    assert_eq!(warnings(&reading), ["conntrack.txt:3:9: \"oops\" is no IP address"]);
}

#[test]
fn what_follows_an_entry_does_not_spoil_it() {
    for rest in ["bye", "command terminated with exit code 1", "done."] {
        let (entries, reading) = read_text(format!("{ENTRY}\n{rest}\n{ENTRY}"));
        assert_eq!(entries.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [1, 3], "{rest}");
        assert_eq!(reading.unreadable, 1, "{rest}");
        assert!(warnings(&reading)[0].starts_with("conntrack.txt:2:1: no conntrack entry"), "{reading:?}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    let mut bytes = format!("{ENTRY}\nudp,\0orig=(\n\u{e9}").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe\n");
    bytes.extend_from_slice(ENTRY.as_bytes());
    let (entries, reading) = read_text(bytes);
    assert_eq!(entries.len(), 2);
    assert_eq!(
        warnings(&reading)[1],
        "conntrack.txt:3:1: no conntrack entry; expected text of `ovs-appctl dpctl/dump-conntrack`: udp,orig=(src=...),reply=(...)"
    );
}

#[test]
fn bounds() {
    let long = "x".repeat(3 * MAX_ENTRY);
    let wrapped = "a=1,\n".repeat(MAX_ENTRY);
    let (entries, reading) = read_text(format!("{long}\n{ENTRY}\n{long}"));
    assert_eq!((entries.len(), reading.unreadable, reading.lines), (1, 2, 3));
    assert!(warnings(&reading)[0].contains("longer than 65536 bytes"));
    let (_, reading) = read_text(format!("{ENTRY},\n{wrapped}"));
    assert_eq!(reading.lines, MAX_ENTRY + 1);
    assert!(reading.warnings.len() <= MAX_WARNINGS && reading.unreadable > MAX_WARNINGS);
    let exact = format!("{ENTRY}{}", " ".repeat(MAX_ENTRY - ENTRY.len()));
    assert_eq!(read_text(format!("{exact}\n{exact}")).1.entries, 2);
}

#[test]
fn empty() {
    assert_eq!(read_text("").1, Reading::default());
    assert_eq!(read_text("\n\n").1, Reading { lines: 2, ..Reading::default() });
}

#[test]
fn a_reader_that_fails() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let first = Cursor::new(format!("{ENTRY}\n"));
    let error = read(BufReader::new(first.chain(Broken)), "conntrack.txt", |_, _| {}).unwrap_err();
    assert_eq!(error.to_string(), "conntrack.txt:2: cannot read conntrack entries: broken");
}

proptest! {
    /// However the reader cuts the bytes, the same comes out.
    #[test]
    fn any_buffer_size(text in "(udp,orig=\\(src=1.1.1.1|,dst=2.2.2.2|,sport=1|,dport=2\\)|,reply=\\(src=1.1.1.1|[\n ])*", size in 1_usize..40) {
        let whole = read_text(&text);
        let mut entries = Vec::new();
        let reading = read(BufReader::with_capacity(size, text.as_bytes()), "conntrack.txt", |entry, line| entries.push((entry, line)));
        prop_assert_eq!((entries, reading.unwrap()), whole);
    }
}

/// What is lost is told by its line in the user's file, and by what of it can be read.
#[test]
fn lost_entries_are_gaps() {
    let masked = ENTRY.replace("src=172.27.0.13", "src=172.27.xxx.13").replace(",reply", ",\n> reply");
    let flush = "[root@w ~]# ovs-appctl dpctl/flush-conntrack 'ct_nw_src=192.0.2.230'";
    let (entries, reading) = read_text(format!("> {flush}\n> {ENTRY}\n> {masked}\n> and so on\n"));
    let gaps: Vec<_> = reading.gaps.iter().map(|gap| Gap::code(&gap.place)).collect();
    assert_eq!((entries.len(), reading.unreadable, gaps), (1, 2, vec!["gap:conntrack.txt:3".to_owned()]));
    let Scope::Connections(lost) = &reading.gaps[0].scope else { panic!("{:?}", reading.gaps) };
    let flow = entries[0].0.reply;
    assert!(lost.may_be_of(flow) && !lost.may_be_of(crate::types::Tuple { tp_src: 1, ..flow }));
}

#[test]
fn many_lost_entries_are_one_gap_in_the_end() {
    let masked = ENTRY.replace("172.27.0.13", "172.27.xxx.13") + "\n";
    let (_, reading) = read_text(masked.repeat(MAX_GAPS + 10));
    assert_eq!((reading.unreadable, reading.gaps.len()), (MAX_GAPS + 10, MAX_GAPS + 1));
    assert_eq!(reading.gaps[MAX_GAPS].scope, Scope::Connections(lost::any()));
    let (_, reading) = read_text(format!("{ENTRY}\n{}\n", "x".repeat(MAX_ENTRY + 1)));
    assert_eq!(reading.gaps.len(), 1, "what a line holds that is too long is not known");
}
