//! What ovn-sbctl 23.03.1 printed, and the same as people paste it.
//!
//! The fixtures are one table of three rows, printed with each `$format` and `$data`:
//!
//! ```sh
//! port=$(ovn-sbctl create datapath_binding tunnel_key=5)
//! ovn-sbctl create port_binding logical_port=etor datapath=$port tunnel_key=1 type=l3gateway up=true \
//!     'mac="52:54:00:c6:13:08 198.19.3.8/24"' options:l3gateway-chassis=worker-08 options:peer=etor-GR_worker-08
//! ovn-sbctl create port_binding logical_port=jtor datapath=$port tunnel_key=2 type=patch up=false \
//!     'mac="0a:58:64:40:00:01 100.64.0.1/16"' options:peer=jtor-ovn_cluster_router
//! ovn-sbctl create port_binding 'logical_port="x y, \"z\""' datapath=$port tunnel_key=3
//! ovn-sbctl --format=$format --data=$data list port_binding \
//!     --columns=_uuid,mac,type,options,up,virtual_parent,tunnel_key,logical_port
//! ```
//!
//! `pretty` is `json` with `--pretty`; those of `--data=bare` are without `mac` and `logical_port`.

use super::super::row::Atom;
use super::*;

const EXPECTED: [&str; 3] = [
    "logical_port[etor] mac[52:54:00:c6:13:08 198.19.3.8/24] options{l3gateway-chassis=worker-08,peer=etor-GR_worker-08} \
     tunnel_key[1] type[l3gateway] up[true] virtual_parent[]",
    "logical_port[jtor] mac[0a:58:64:40:00:01 100.64.0.1/16] options{peer=jtor-ovn_cluster_router} tunnel_key[2] \
     type[patch] up[false] virtual_parent[]",
    "logical_port[x y, \"z\"] mac[] options{} tunnel_key[3] type[] up[] virtual_parent[]",
];

const LIST: &str = include_str!("fixtures/list.txt");
const LIST_JSON: &str = include_str!("fixtures/listjson.txt");
const TABLE: &str = include_str!("fixtures/table.txt");
const TABLE_JSON: &str = include_str!("fixtures/tablejson.txt");
const CSV: &str = include_str!("fixtures/csv.txt");
const CSV_JSON: &str = include_str!("fixtures/csvjson.txt");
const JSON: &str = include_str!("fixtures/json.txt");
const PRETTY: &str = include_str!("fixtures/pretty.txt");

const ALL: [&str; 8] = [LIST, LIST_JSON, TABLE, TABLE_JSON, CSV, CSV_JSON, JSON, PRETTY];

fn read_as(text: &str, table: &str) -> (Vec<String>, Vec<String>) {
    let (rows, warnings, _) = parse(text.as_bytes(), "dump.txt", table).unwrap();
    assert!(rows.iter().all(|version| version.validity == Validity::ALWAYS));
    (rows.iter().map(|version| show(&version.row)).collect(), warnings.iter().map(Warning::to_string).collect())
}

/// Rows that are read without a warning.
fn rows(text: &str) -> Vec<String> {
    let (rows, warnings) = read_as(text, "Port_Binding");
    assert_eq!(warnings, [""; 0], "{text}");
    rows
}

fn show(row: &Row) -> String {
    let atom = |atom: &Atom| match atom {
        Atom::Integer(number) => number.to_string(),
        Atom::Boolean(value) => value.to_string(),
        other => other.as_str().unwrap().to_owned(),
    };
    let column = |(name, value): (&Arc<str>, &Datum)| match value {
        Datum::Set(atoms) => format!("{name}[{}]", atoms.iter().map(atom).collect::<Vec<_>>().join("|")),
        Datum::Map(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", atom(key), atom(value))).collect();
            format!("{name}{{{}}}", pairs.join(","))
        }
    };
    row.columns.iter().map(column).collect::<Vec<_>>().join(" ")
}

#[test]
fn formats_tell_the_same() {
    let stripped = |text: &str| text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\r\n")).collect::<String>();
    for text in ALL {
        assert_eq!(rows(text), EXPECTED, "{text}");
        assert_eq!(rows(&stripped(text)), EXPECTED, "{text}");
        let (rows, ..) = parse(text.as_bytes(), "dump.txt", "Port_Binding").unwrap();
        let row = &rows[1].row;
        assert_eq!(&*row.uuid, "260a47b1-1323-4309-a375-ca1b7164f24d");
        assert_eq!(
            (row.boolean("up"), row.integer("tunnel_key"), row.text("type")),
            (Some(false), Some(2), Some("patch"))
        );
        assert_eq!(row.map_text("options", "peer"), Some("jtor-ovn_cluster_router"));
    }
    for text in [
        &indented(LIST),
        &indented(TABLE),
        &format!("\u{feff}{LIST}"),
        &format!("[root@worker-08 ~]# ovn-sbctl list port_binding\n{LIST}[root@worker-08 ~]#\n"),
        &format!("$ ovn-sbctl -f table list port_binding\n{TABLE}$ \n"),
        &format!("$ ovn-sbctl -f csv list port_binding\n{CSV}sh-4.4# \n"),
        &format!("$ ovn-sbctl -f json list port_binding\n{JSON}$ \n"),
        &format!("Port_Binding table\n{LIST}"),
        &format!("2022-06-09 22:48:28.272\nPort_Binding table\n{TABLE}"),
        &LIST.replace("\n\n", "\n=====\n"),
        &LIST.replace("\n\n", "\n"),
    ] {
        assert_eq!(rows(text), EXPECTED, "{text}");
    }
}

#[test]
fn several_tables_follow_each_other() {
    let twice = [&EXPECTED[..], &EXPECTED[..]].concat();
    for text in ALL {
        assert_eq!(rows(&format!("{text}\n{text}")), twice, "{text}");
    }
    assert_eq!(rows(&format!("$ ovn-sbctl list a\n{JSON}\n$ ovn-sbctl list b\n{JSON}")), twice);
}

#[test]
fn tables_under_another_caption_are_passed_over() {
    for text in [LIST, TABLE, CSV] {
        let dump = format!("Chassis table\n{text}\nPort_Binding table\n{text}\nEncap table\n{text}");
        assert_eq!(rows(&dump), EXPECTED);
        assert_eq!(read_as(&dump, "port-binding").0, EXPECTED);
        assert_eq!(read_as(&dump, "BFD").0, [""; 0]);
    }
    let captioned = |table: &str| JSON.replacen('{', &format!("{{\"caption\":\"{table} table\","), 1);
    assert_eq!(rows(&[captioned("Chassis"), captioned("Port_Binding"), captioned("Encap")].concat()), EXPECTED);
}

#[test]
fn an_empty_table() {
    for text in [
        "",
        "\n\n",
        "$ ovn-sbctl list BFD\n",
        "_uuid detect_mult dst_ip\n----- ----------- ------\n",
        "_uuid,detect_mult,dst_ip\n",
        r#"{"data":[],"headings":["_uuid","detect_mult","dst_ip"]}"#,
    ] {
        assert_eq!(rows(text), [""; 0], "{text}");
    }
}

/// From the report of the bug that this program is about: separators, and blanks at the ends of lines.
#[test]
fn the_incidents_listing() {
    let text = r#"_uuid               : 397895cc-03b0-4dc0-8746-e9459fe83e2d         
datapath            : 483669d5-4952-4330-bd3f-f3933341b68f
ip                  : "198.19.3.15"   
logical_port        : rtoe-GR_worker-08           
mac                 : "ee:8d:82:db:f9:c4"
=====
_uuid               : 1ffb3b76-86d5-4e82-8eb4-704a2b71b8a2 
datapath            : 483669d5-4952-4330-bd3f-f3933341b68f 
ip                  : "fe80::cc73:29ff:fe6b:39a4" 
logical_port        : rtoe-GR_worker-08   
mac                 : "ce:73:29:66:39:a4" 
"#;
    assert_eq!(
        rows(text),
        [
            "datapath[483669d5-4952-4330-bd3f-f3933341b68f] ip[198.19.3.15] logical_port[rtoe-GR_worker-08] \
             mac[ee:8d:82:db:f9:c4]",
            "datapath[483669d5-4952-4330-bd3f-f3933341b68f] ip[fe80::cc73:29ff:fe6b:39a4] \
             logical_port[rtoe-GR_worker-08] mac[ce:73:29:66:39:a4]",
        ]
    );
    let (rows, ..) = parse(text.as_bytes(), "mac_binding.txt", "MAC_Binding").unwrap();
    assert_eq!(&*rows[1].row.uuid, "1ffb3b76-86d5-4e82-8eb4-704a2b71b8a2");
}

#[test]
fn one_column() {
    for text in [
        "mac                 : \"76:9c:19:34:50:26\"\n",
        "mac\n-------------------\n\"76:9c:19:34:50:26\"\n",
        "mac\n\"\"\"76:9c:19:34:50:26\"\"\"\n",
        "mac\n76:9c:19:34:50:26\n",
        r#"{"data":[["76:9c:19:34:50:26"]],"headings":["mac"]}"#,
    ] {
        assert_eq!(rows(text), ["mac[76:9c:19:34:50:26]"], "{text}");
    }
}

#[test]
fn bare_data() {
    // An empty string, an empty set and an empty map are the same nothing.
    let expected = [
        "options{l3gateway-chassis=worker-08,peer=etor-GR_worker-08} tunnel_key[1] type[l3gateway] up[true] virtual_parent[]",
        "options{peer=jtor-ovn_cluster_router} tunnel_key[2] type[patch] up[false] virtual_parent[]",
        "options[] tunnel_key[3] type[] up[] virtual_parent[]",
    ];
    assert_eq!(rows(include_str!("fixtures/barelist.txt")), expected);
    assert_eq!(rows(include_str!("fixtures/baretable.txt")), expected);
    assert_eq!(rows(include_str!("fixtures/barecsv.txt")), expected);
}

#[test]
fn what_cannot_be_read_is_told() {
    let cases = [
        ("mac : [a\nip : b\n", "ip[b]", "dump.txt:1:9: column mac is passed over: expected `,` or `]`"),
        ("_uuid : 397895cc\nip : b\n", "ip[b]", "dump.txt:1:8: column _uuid is passed over: expected a UUID"),
        ("ip : b\nnow what\n", "ip[b]", "dump.txt:2: expected a line `column : value`; it is passed over"),
        ("ip  mac\n--- ---\nb   [a \n", "ip[b]", "dump.txt:3:7: column mac is passed over: expected `,` or `]`"),
        (
            "ip  mac\n--- ---\nb   a\nlong r\n",
            "ip[b] mac[a]",
            "dump.txt:4: the row does not fit the headings; it is passed over",
        ),
        (
            "ip  mac\n--- ---\nb   a\nb   a and\n",
            "ip[b] mac[a]",
            "dump.txt:4: the row does not fit the headings; it is passed over",
        ),
        (
            "ip  mac\n--- ---\nb   a\n\nwhat\n",
            "ip[b] mac[a]",
            "dump.txt:5: no headings before this line; it is passed over",
        ),
        ("ip,mac\nb,\"[a\"\n", "ip[b]", "dump.txt:2:3: column mac is passed over: expected `,` or `]`"),
        ("ip,mac\nb,a,c\nb,a\n", "ip[b] mac[a]", "dump.txt:2: 3 cells under 2 headings; the row is passed over"),
        (
            "ip,mac\nb,a\nb,\"a\n",
            "ip[b] mac[a]",
            "dump.txt:3:3: a quoted cell does not end, or text follows its quote; the row is passed over",
        ),
        (
            "ip,mac\n\"b\"c,a\nb,a\n",
            "ip[b] mac[a]",
            "dump.txt:2:1: a quoted cell does not end, or text follows its quote; the row is passed over",
        ),
        ("ip,mac\nb,a\n\nb-c\n", "ip[b] mac[a]", "dump.txt:4: expected column names; the line is passed over"),
        (
            "{\"headings\":[\"ip\",\"mac\"],\n\"data\":[[\"b\",{}]]}",
            "ip[b]",
            "dump.txt:2:14: column mac is passed over: {} is no value (RFC 7047 section 5.1)",
        ),
        (
            "{\"headings\":[\"ip\"],\n\"data\":[[\"b\",3],[\"b\"]]}",
            "ip[b]",
            "dump.txt:2:10: 2 cells under 1 headings; the row is passed over",
        ),
        (
            "{\"headings\":[\"ip\"],\"data\":[[\"b\"]]}\n {\"a\":1}",
            "ip[b]",
            "dump.txt:2:8: the text is used up to here: missing field `headings`",
        ),
    ];
    for (text, row, warning) in cases {
        let (rows, warnings) = read_as(text, "T");
        assert_eq!(rows, [row], "{text}");
        assert_eq!(warnings, [warning], "{text}");
    }
}

#[test]
fn what_is_no_table_is_refused() {
    let no_headings = "\n397895cc-03b0-4dc0-8746-e9459fe83e2d\n\"198.19.3.15\"\n";
    let html = "<table border=1>\n  <tr>\n";
    // What a client says when it fails. An empty table it is not.
    let failed = "$ ovn-sbctl list x\novn-sbctl: unix:/var/run/ovn/ovnsb_db.sock: database connection failed ()\n";
    let refused = "error: unable to upgrade connection: container not found (\"sbdb\")\n";
    for (text, line) in [(no_headings, 2), (html, 1), (failed, 2), (refused, 1), ("listening\nnew proto=17\n", 1)] {
        let error = parse(text.as_bytes(), "dump.txt", "T").unwrap_err().to_string();
        assert!(error.starts_with(&format!("dump.txt:{line}: expected a table in one of the formats")), "{error}");
        assert!(error.contains("--no-headings"));
    }
}

proptest::proptest! {
    /// Any damage to a real text is read or told, and never panics.
    #[test]
    fn damaged_texts_are_survived(which in 0..ALL.len(), cut in 0..1500_usize, at in 0..1500_usize, byte: u8) {
        let mut bytes = ALL[which].as_bytes().to_vec();
        bytes.truncate(cut);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = parse(&bytes, "dump.txt", "Port_Binding");
    }
}

/// A line is a row that is lost if it goes on with one, or binds an address; all else is no data.
#[test]
fn what_may_be_a_row_is_lost() {
    let uuid = "_uuid : 397895cc-03b0-4dc0-8746-e9459fe83e2d\n";
    let lost = |text: &str| {
        let (_, _, lost) = parse(text.as_bytes(), "mac_binding.txt", "MAC_Binding").unwrap();
        lost
    };
    let row = format!("{uuid}ip : \"198.51.100.15\"\nmac : \"02:00:00:00:00:15\"\n");
    assert_eq!(lost(&row), []);
    assert_eq!(lost(&format!("seen by the worker\n{row}\nand so on\n")), []);
    assert_eq!(lost(&format!("{row}\n[root@w ~]# ping -I 02:00:00:00:00:01 198.51.100.1\n")), []);
    assert_eq!(lost(&format!("{row}rest of a line that was wrapped\n")), [Position::Line(4)]);
    assert_eq!(lost(&format!("{row}\n198.51.100.16 is at 02:00:00:00:00:16\n")), [Position::Line(5)]);
    assert_eq!(lost(&row.replace("\"02", "\"\\x02")).len(), 1, "a value that cannot be read");
    let quoted = format!("# list\n\n{row}\n198.51.100.16 is at 02:00:00:00:00:16\n").replace('\n', "\n> ");
    assert_eq!(lost(&format!("> {quoted}")), [Position::Line(7)], "the place is that of the user's file");
    let headings = "ip                mac\n----------------- -------------------\n";
    let fits = "\"198.51.100.15\"   \"02:00:00:00:00:15\"\n";
    assert_eq!(lost(&format!("{headings}{fits}")), []);
    assert_eq!(
        lost(&format!("{headings}{fits}\"198.51.100.xxx16\"  \"02:00:00:00:00:16\"\n\nthe end\n")),
        [Position::Line(4)]
    );
}

/// A terminal that breaks a line in the name of a port may leave a blank there.
#[test]
fn names_of_ports_with_blanks_are_lost() {
    let json = "{\"data\":[[\"198.51.100.15\",\"rtoe-GR_ a\"]],\"headings\":[\"ip\",\"logical_port\"]}";
    for text in [json, "ip : \"198.51.100.15\"\nlogical_port : \"rtoe-GR_ a\"\n"] {
        let (rows, _, lost) = parse(text.as_bytes(), "dump.txt", "T").unwrap();
        assert!(!rows[0].row.columns.contains_key("logical_port") && lost.len() == 1, "{text}");
    }
}

/// A column is never printed as nothing, unless without marks: what is blank was lost, in every format, and also at the end
/// of a line that was cut.
#[test]
fn blank_cells_are_lost_values() {
    let cases = [
        ("ip : \"b\"\nmac :\nport : [c]\n", "ip[b] port[c]", "dump.txt:2:6: column mac"),
        ("ip  mac port\n--- --- ----\n\"b\"     [c]\n", "ip[b] port[c]", "dump.txt:3:5: column mac"),
        ("ip  mac port\n--- --- ----\n\"b\" [c]\n", "ip[b] mac[c]", "dump.txt:3:9: column port"),
        ("ip,mac,port\n\"\"\"b\"\"\",,[c]\n", "ip[b] port[c]", "dump.txt:2:9: column mac"),
        ("ip,mac,port\n\"\"\"b\"\"\",[c],\n", "ip[b] mac[c]", "dump.txt:2:13: column port"),
    ];
    for (text, row, place) in cases {
        let (rows, warnings) = read_as(text, "T");
        assert_eq!(rows, [row], "{text}");
        assert_eq!(
            warnings,
            [format!("{place} is passed over: no value stands here, not even an empty one")],
            "{text}"
        );
        let (_, _, lost) = parse(text.as_bytes(), "dump.txt", "T").unwrap();
        assert_eq!(lost.len(), 1, "{text}");
    }
    // Of `--data=bare`, where nothing is an empty value.
    assert_eq!(rows("ip  mac port\n--- --- ----\nb       c\n"), ["ip[b] mac[] port[c]"]);
    // Marks of another table say nothing of this one.
    let other = "X table\nip  mac\n--- ---\n[b] [c]\n\nPort_Binding table\nip  mac\n--- ---\nb\n";
    assert_eq!(rows(other), ["ip[b] mac[]"]);
}

proptest::proptest! {
    /// Whatever cell of a table is wiped, it is lost, and no other value changes.
    #[test]
    fn wiped_cells_of_tables_are_lost(row in 2..5_usize, column in 1..8_usize) {
        let mut lines: Vec<String> = TABLE.lines().map(str::to_owned).collect();
        let runs: Vec<(usize, usize)> = lines[1].split(' ').scan(0, |start, run| {
            let begin = *start;
            *start += run.len() + 1;
            Some((begin, begin + run.len()))
        }).collect();
        let (start, end) = runs[column];
        let line = &mut lines[row];
        let end = end.min(line.len());
        line.replace_range(start..end, &" ".repeat(end - start));
        let (rows, _, lost) = parse(lines.join("\n").as_bytes(), "dump.txt", "Port_Binding").unwrap();
        proptest::prop_assert_eq!(lost, [Position::Line(row + 1)]);
        let name = lines[0][start..].split(' ').next().unwrap();
        let (whole, ..) = parse(TABLE.as_bytes(), "dump.txt", "Port_Binding").unwrap();
        let mut expected = whole;
        expected[row - 2].row.columns.remove(name);
        proptest::prop_assert_eq!(rows, expected);
    }
}
