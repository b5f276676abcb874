//! Files written by ovsdb-server 3.1.0, and records put together by hand for what it does not write on demand.
//!
//! Both fixtures hold the same four transactions. Made in an empty directory, for `$d` of `standalone` and `clustered`:
//!
//! ```sh
//! ovsdb-tool create standalone.db fixture.ovsschema
//! ovsdb-tool create-cluster clustered.db fixture.ovsschema unix:raft
//! ovsdb-server --detach --no-chdir --pidfile=$PWD/$d.pid --unixctl=$PWD/$d.ctl --remote=punix:$PWD/$d.sock $d.db
//! t() { ovsdb-client transact unix:$PWD/$d.sock "[\"T\",$1]"; }
//! t '{"op":"insert","table":"A","row":{"n":"x","set":["set",["a","b"]],"map":["map",[["k","v"],["l","w"]]],"one":1}},
//!    {"op":"insert","table":"B","row":{}}'
//! t '{"op":"update","table":"A","where":[],"row":{"set":["set",["b","c"]],"map":["map",[["k","2"],["m","x"]]],
//!    "one":2,"full":["set",["","f"]],"lost":"l"}}'
//! t '{"op":"update","table":"A","where":[],"row":{"n":"y","set":["set",[]],"one":["set",[]]}},
//!    {"op":"update","table":"B","where":[],"row":{"r":1.5}},{"op":"comment","comment":"third"}'
//! t '{"op":"delete","table":"A","where":[]}'
//! kill $(cat $d.pid)
//! ```

use std::fmt::Write;

use super::super::row::{Atom, Datum, Lost, LostPart, RowVersion};
use super::log::tests::record;
use super::*;
use crate::types::{Timestamp, Validity};

const STANDALONE: &[u8] = include_bytes!("fixtures/standalone.db");
const CLUSTERED: &[u8] = include_bytes!("fixtures/clustered.db");

const SCHEMA: &str = r#"{"name":"T","version":"1.0.0","tables":{"A":{"columns":{
    "n":{"type":"string"},"set":{"type":{"key":"string","min":0,"max":"unlimited"}}}},"B":{"columns":{}}}}"#;
const ROW: &str = "00000000-0000-4000-8000-000000000001";
const OTHER: &str = "00000000-0000-4000-8000-000000000002";

fn read_all(bytes: &[u8], wanted: &[&str]) -> (Tables, DbInfo, Vec<String>) {
    let (tables, info, warnings) = read(bytes, "a.db", wanted).unwrap();
    (tables, info, warnings.iter().map(Warning::to_string).collect())
}

/// A row's columns, as the clients would print them.
fn show(version: &RowVersion) -> String {
    fn atom(atom: &Atom) -> String {
        match atom {
            Atom::Integer(number) => number.to_string(),
            Atom::Real(number) => number.to_string(),
            Atom::Boolean(value) => value.to_string(),
            Atom::String(text) | Atom::Uuid(text) => text.to_string(),
        }
    }
    version.row.columns.iter().fold(String::new(), |mut text, (name, value)| {
        let values: Vec<String> = match value {
            Datum::Set(atoms) => atoms.iter().map(atom).collect(),
            Datum::Map(pairs) => pairs.iter().map(|(key, value)| format!("{}={}", atom(key), atom(value))).collect(),
        };
        write!(text, "{name}[{}] ", values.join(",")).unwrap();
        text
    })
}

/// Versions of table A: columns, and validity in seconds.
fn versions(tables: &Tables) -> Vec<(String, Option<u64>, Option<u64>)> {
    let seconds = |time: Option<Timestamp>| time.map(|time| time.as_nanos() / 1_000_000_000);
    let show = |version: &RowVersion| {
        (show(version).trim_end().to_owned(), seconds(version.validity.from), seconds(version.validity.until))
    };
    tables.tables["A"].iter().map(show).collect()
}

fn millis(millis: u64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(millis))
}

#[test]
fn a_stand_alone_files_history() {
    let (tables, info, warnings) = read_all(STANDALONE, &["A", "None"]);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(info, DbInfo { name: "T".into(), version: Some("1.0.0".into()), clustered: false });
    assert_eq!(tables.tables.keys().map(|name| &**name).collect::<Vec<_>>(), ["A"]);
    assert_eq!((tables.since, tables.last), (millis(1_795_361_694_215), millis(1_795_361_694_270)));
    let rows = &tables.tables["A"];
    // `lost` is ephemeral. `full` was ["", "f"] in the server that wrote this; restarted, it reads ["f"] as we do.
    assert_eq!(
        rows.iter().map(show).collect::<Vec<_>>(),
        [
            "full[] map[k=v,l=w] n[x] one[1] set[a,b] ",
            "full[f] map[k=2,m=x] n[x] one[2] set[b,c] ",
            "full[f] map[k=2,m=x] n[y] one[] set[] ",
        ]
    );
    let from = [1_795_361_694_215, 1_795_361_694_246, 1_795_361_694_260, 1_795_361_694_270].map(millis);
    for (row, bounds) in rows.iter().zip(from.windows(2)) {
        assert_eq!(row.validity, Validity { from: bounds[0], until: bounds[1] });
        assert_eq!(&*row.row.uuid, "5669f4da-6d07-4581-83f7-4c1c6c8835cf");
    }
}

/// Of a table of which a part is wanted: what is passed over does not come in by a later change, and leaves no warning.
#[test]
fn a_part_of_a_table() {
    let keeps = |columns: &serde_json::Map<String, serde_json::Value>| {
        columns.get("n").and_then(serde_json::Value::as_str).is_some_and(|n| n.starts_with('k'))
    };
    let part = |columns, rows| [Part { table: "A", columns, rows }];
    let few = part(&["n", "set"], Some(Rows { sign: "n", keeps }));
    let transactions = [
        format!(r#"{{"_date":1300000000,"A":{{"{ROW}":{{"n":"kept"}},"{OTHER}":{{"n":"left out","set":"a"}}}}}}"#),
        format!(r#"{{"_date":1300000001,"_is_diff":true,"A":{{"{ROW}":{{"set":"b"}},"{OTHER}":{{"set":"b"}}}}}}"#),
        format!(r#"{{"_date":1300000002,"A":{{"{OTHER}":null}}}}"#),
        format!(r#"{{"_date":1300000003,"A":{{"{ROW}":null}}}}"#),
    ];
    let bytes: Vec<u8> =
        [SCHEMA.to_owned()].iter().chain(&transactions).flat_map(|json| record("JSON", json)).collect();
    let read_part = |parts: &[Part]| {
        let (tables, _, warnings) = read_with_parts(&bytes[..], "a.db", &[], parts).unwrap();
        assert_eq!(warnings, []);
        versions(&tables)
    };
    let version =
        |text: &str, from: u64, until: u64| (text.to_owned(), Some(1_300_000_000 + from), Some(1_300_000_000 + until));
    assert_eq!(read_part(&few), [version("n[kept] set[]", 0, 1), version("n[kept] set[b]", 1, 3)]);
    // A change in another column makes no new version.
    let one_column = part(&["n"], None);
    assert_eq!(read_part(&one_column), [version("n[kept]", 0, 3), version("n[left out]", 0, 2)]);
}

#[test]
fn a_clustered_files_history() {
    let (tables, info, warnings) = read_all(CLUSTERED, &["A", "B"]);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(info, DbInfo { name: "T".into(), version: Some("1.0.0".into()), clustered: true });
    // The snapshot is empty and has no date; the history begins with the first transaction.
    assert_eq!((tables.since, tables.last), (millis(1_795_361_718_440), millis(1_795_361_718_493)));
    // A cluster has no ephemeral columns.
    assert_eq!(
        tables.tables["A"].iter().map(show).collect::<Vec<_>>(),
        [
            "full[] lost[] map[k=v,l=w] n[x] one[1] set[a,b] ",
            "full[f] lost[l] map[k=2,m=x] n[x] one[2] set[b,c] ",
            "full[f] lost[l] map[k=2,m=x] n[y] one[] set[] ",
        ]
    );
    let rows = &tables.tables["B"];
    assert_eq!(rows.iter().map(show).collect::<Vec<_>>(), ["r[0] ", "r[1.5] "]);
    assert_eq!(rows[1].validity, Validity { from: millis(1_795_361_718_477), until: None });
}

#[test]
fn any_cut_gives_the_history_up_to_it() {
    for whole in [STANDALONE, CLUSTERED] {
        let all = versions(&read_all(whole, &["A"]).0);
        for end in 0..whole.len() {
            let Ok((tables, _, warnings)) = read(&whole[..end], "a.db", &["A"]) else {
                assert!(end < 800, "only the first record is needed; {end}");
                continue;
            };
            for (part, full) in versions(&tables).iter().zip(&all) {
                assert_eq!((&part.0, part.1), (&full.0, full.1), "{end}");
                assert!(part.2.is_none() || part.2 == full.2, "{end}");
            }
            assert!(warnings.len() <= 1, "{warnings:?}");
        }
    }
    let (_, _, warnings) = read_all(&STANDALONE[..STANDALONE.len() - 1], &["A"]);
    assert_eq!(
        warnings,
        ["a.db at offset 1208: the file ends in mid-record, after 89 of 90 bytes; the file is used up to here"]
    );
}

/// The third transaction has a date of its own, which stands behind its rows.
#[test]
fn what_a_torn_end_tells_is_told() {
    let at = |row: &str, columns: &str, date: u64| {
        format!(r#"{{"A":{{"{row}":{columns}}},"_comment":"what follows is lost","_date":{date}000,"_is_diff":true}}"#)
    };
    let whole = standalone(&[at(ROW, r#"{"set":"a"}"#, T), at(ROW, r#"{"set":"b"}"#, T + 9)]);
    let start = standalone(&[at(ROW, r#"{"set":"a"}"#, T)]).len();
    let lost = |left_out: usize| {
        let (tables, ..) = read_all(&whole[..whole.len() - left_out], &["A"]);
        tables.lost
    };
    assert_eq!(lost(0), []);
    let end = |tables: &[&str], seconds: u64| Lost {
        part: LostPart::End { tables: tables.iter().map(|&table| table.to_owned()).collect() },
        position: Position::Offset(start as u64),
        from: millis(seconds * 1000),
    };
    assert_eq!(lost(1), [end(&["A"], T + 9)]);
    assert_eq!(lost(40), [end(&["A"], T)], "without its date, from the last whole one on");
    assert_eq!(lost(whole.len() - start - 10), [end(&[], T)], "nothing of it tells a table");
    let mut broken = whole.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(read_all(&broken, &["A"]).0.lost, [end(&[], T)], "more may follow");
}

#[test]
fn a_value_that_cannot_be_read_is_lost_from_its_date_on() {
    let (tables, _, warnings) =
        read_all(&standalone(&[change(T, ROW, r#"{"set":"a"}"#), change(T + 1, ROW, r#"{"n":["map",3]}"#)]), &["A"]);
    assert_eq!(warnings.len(), 1);
    assert_eq!(tables.lost.len(), 1);
    assert_eq!((&tables.lost[0].part, tables.lost[0].from), (&LostPart::Row("A".into()), millis((T + 1) * 1000)));
}

#[test]
fn any_flipped_byte_is_survived() {
    for whole in [STANDALONE, CLUSTERED] {
        for at in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0x11;
            if let Ok((_, _, warnings)) = read(bytes.as_slice(), "a.db", &["A", "B"]) {
                assert_eq!(warnings.len(), 1, "{at}");
            }
        }
    }
}

#[test]
fn what_is_no_database_is_refused() {
    let content = record("JSON", "{\"tables\":3}\n");
    let header = record("CLUSTER", "{\"prev_index\":1}\n");
    let cases: [(&[u8], &str); 5] = [
        (b"", "a.db: the file is empty; expected an OVSDB database file"),
        (b"_uuid : x\n", "a.db at offset 0: expected the header of an OVSDB record"),
        (&STANDALONE[..100], "a.db at offset 0: the file ends in mid-record, after 44 of 387 bytes"),
        (&content, "a.db at offset 0: the first record is no database schema: "),
        (&header, "a.db at offset 0: the first record is no cluster header: missing field `name`"),
    ];
    for (bytes, message) in cases {
        let error = read(bytes, "a.db", &[]).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

/// A stand-alone file of these transactions.
fn standalone(transactions: &[String]) -> Vec<u8> {
    let records = std::iter::once(SCHEMA).chain(transactions.iter().map(String::as_str));
    records.flat_map(|json| record("JSON", json)).collect()
}

/// A transaction on a row of table A at `date`, in seconds since 1970.
fn change(date: u64, row: &str, columns: &str) -> String {
    format!(r#"{{"_date":{date}000,"_is_diff":true,"A":{{"{row}":{columns}}}}}"#)
}

/// A date, in seconds since 1970.
const T: u64 = 1_600_000_000;

#[test]
fn updates_without_differences_replace() {
    let (tables, _, warnings) = read_all(
        &standalone(&[
            change(T, ROW, r#"{"set":["set",["a","b"]]}"#),
            format!(r#"{{"_date":{}000,"A":{{"{ROW}":{{"set":["set",["b","c"]]}}}}}}"#, T + 1),
            format!(r#"{{"_date":{}000,"A":{{"{ROW}":{{"set":["set",["b","c"]]}}}}}}"#, T + 2),
        ]),
        &["A"],
    );
    assert_eq!(warnings, [""; 0]);
    // The last says what was so already: no new version.
    assert_eq!(
        versions(&tables),
        [("n[] set[a,b]".to_owned(), Some(T), Some(T + 1)), ("n[] set[b,c]".to_owned(), Some(T + 1), None)]
    );
}

#[test]
fn a_row_that_comes_again_starts_from_its_defaults() {
    let (tables, ..) = read_all(
        &standalone(&[
            change(T, ROW, r#"{"set":"a"}"#),
            change(T + 1, ROW, "null"),
            change(T + 2, ROW, r#"{"set":"a"}"#),
            change(T + 3, ROW, r#"{"set":"a"}"#),
        ]),
        &["A"],
    );
    assert_eq!(
        versions(&tables),
        [
            ("n[] set[a]".to_owned(), Some(T), Some(T + 1)),
            ("n[] set[a]".to_owned(), Some(T + 2), Some(T + 3)),
            ("n[] set[]".to_owned(), Some(T + 3), None),
        ]
    );
}

#[test]
fn without_dates_there_is_no_history() {
    let transactions = [r#"{"n":"x"}"#, r#"{"n":"y"}"#].map(|columns| format!(r#"{{"A":{{"{ROW}":{columns}}}}}"#));
    let (tables, ..) = read_all(&standalone(&transactions), &["A"]);
    assert_eq!((tables.since, tables.last), (None, None));
    assert_eq!(versions(&tables), [("n[y] set[]".to_owned(), None, None)]);
}

#[test]
fn a_clock_that_was_set_back() {
    let (tables, _, warnings) = read_all(
        &standalone(&[
            change(T + 9000, ROW, r#"{"n":"x"}"#),
            change(T, ROW, r#"{"n":"y"}"#),
            change(T + 1, ROW, r#"{"n":"z"}"#),
        ]),
        &["A"],
    );
    assert_eq!(
        warnings,
        [
            "a.db: the dates of 1 of 3 transactions contradict their order, by up to 9000 s; each of them is taken to be \
          as old as the one after it"
        ]
    );
    assert_eq!(tables.since, millis(T * 1000));
    assert_eq!(
        versions(&tables),
        [
            ("n[x] set[]".to_owned(), Some(T), Some(T)),
            ("n[y] set[]".to_owned(), Some(T), Some(T + 1)),
            ("n[z] set[]".to_owned(), Some(T + 1), None),
        ]
    );
}

#[test]
fn what_does_not_fit_the_schema_is_passed_over() {
    let cases = [
        (change(T, "x", "{}"), "A x: expected a UUID; the row is passed over"),
        (change(T, ROW, "3"), "expected an object with columns, or null; the row is passed over"),
        (change(T, ROW, "null"), "the row that is deleted does not exist"),
        (change(T, ROW, r#"{"x":1}"#), "x is no column of the schema; it is passed over"),
        (change(T, ROW, r#"{"n":1}"#), "n: expected string, found integer; the column is passed over"),
        (change(T, ROW, r#"{"n":{}}"#), "n: {} is no value (RFC 7047 section 5.1); the column is passed over"),
        (r#"{"A":[]}"#.to_owned(), "A: expected an object with rows"),
        (r#"{"C":{}}"#.to_owned(), "C is no table of the schema; its rows are passed over"),
        ("[]".to_owned(), "expected a transaction, which is an object at line 1 column 0; the file is used up to here"),
    ];
    for (transaction, message) in cases {
        let after = change(T + 1, OTHER, r#"{"n":"after"}"#);
        let (tables, _, warnings) = read_all(&standalone(&[transaction.clone(), after]), &["A", "C"]);
        assert!(warnings.len() == 1 && warnings[0].ends_with(message), "{warnings:?}");
        assert!(warnings[0].starts_with("a.db at offset "), "{warnings:?}");
        assert_eq!(versions(&tables).last().is_some_and(|last| last.0.contains("after")), transaction != "[]");
    }
    // A column that changed to what cannot be read is not what it was before.
    let changes = [change(T, ROW, r#"{"n":"x"}"#), change(T + 1, ROW, r#"{"n":1}"#)];
    let (tables, ..) = read_all(&standalone(&changes), &["A"]);
    assert_eq!(versions(&tables)[1], ("set[]".to_owned(), Some(T + 1), None));
}

/// A clustered file with these servers and records.
fn clustered(servers: &str, records: &[String]) -> Vec<u8> {
    let header = format!(
        r#"{{"name":"T","prev_index":1,"prev_term":1,"prev_servers":{servers},
            "prev_data":[{SCHEMA},{{"_date":{T}000,"A":{{"{ROW}":{{"n":"snapshot"}}}}}}]}}"#
    );
    let records = std::iter::once(&header).chain(records);
    records.flat_map(|json| record("CLUSTER", json)).collect()
}

fn entry(index: u64, data: &str) -> String {
    format!(r#"{{"term":1,"index":{index},"eid":"{OTHER}","data":{data}}}"#)
}

/// An entry that sets `n` to its own index and `tag`.
fn named(index: u64, tag: &str) -> String {
    entry(index, &format!("[null,{}]", change(T + index, ROW, &format!(r#"{{"n":"{index}{tag}"}}"#))))
}

fn commit(index: u64) -> String {
    format!(r#"{{"commit_index":{index}}}"#)
}

#[test]
fn entries_count_when_they_are_committed() {
    const THREE: &str = r#"{"a":"tcp:10.0.0.1:6643","b":"tcp:10.0.0.2:6643","c":"tcp:10.0.0.3:6643"}"#;
    const ONE: &str = r#"{"a":"tcp:10.0.0.1:6643"}"#;
    let other = || r#"{"term":2}"#.to_owned();
    let cases = [
        ("all", THREE, vec![named(2, ""), other(), commit(2), named(3, ""), commit(3)], vec!["snapshot", "2", "3"], ""),
        ("taken back", THREE, vec![named(2, ""), named(3, ""), named(2, "b"), commit(2)], vec!["snapshot", "2b"], ""),
        (
            "the last is not",
            THREE,
            vec![named(2, ""), commit(2), named(3, "")],
            vec!["snapshot", "2"],
            "1 entries of the log are not known to be committed; they are left out",
        ),
        ("one member", ONE, vec![named(2, ""), commit(2), named(3, "")], vec!["snapshot", "2", "3"], ""),
        (
            "one member left",
            THREE,
            vec![format!(r#"{{"term":1,"index":2,"servers":{ONE}}}"#), commit(2), named(3, "")],
            vec!["snapshot", "3"],
            "",
        ),
        ("no commits", THREE, vec![named(2, "")], vec!["snapshot", "2"], "they are used all the same"),
        (
            "a gap",
            ONE,
            vec![named(2, ""), named(4, "")],
            vec!["snapshot", "2"],
            "entry 4 comes after entry 2; those between are missing; the file is used up to here",
        ),
        (
            "committed again",
            ONE,
            vec![named(2, ""), commit(2), named(2, "b")],
            vec!["snapshot", "2"],
            "entry 2 comes again after entry 2 was committed; the file is used up to here",
        ),
        (
            "committed ahead",
            ONE,
            vec![commit(2)],
            vec!["snapshot"],
            "entry 2 is said to be committed, but the log ends with 1; the file is used up to here",
        ),
    ];
    for (name, servers, records, expected, warning) in cases {
        let (tables, _, warnings) = read_all(&clustered(servers, &records), &["A"]);
        let found: Vec<&str> = tables.tables["A"].iter().filter_map(|version| version.row.text("n")).collect();
        assert_eq!(found, expected, "{name}");
        match warning {
            "" => assert_eq!(warnings, [""; 0], "{name}"),
            warning => assert!(warnings.len() == 1 && warnings[0].ends_with(warning), "{name}: {warnings:?}"),
        }
    }
}

#[test]
fn a_cluster_converts_its_schema() {
    let schema = SCHEMA.replace(r#""n":{"type":"string"}"#, r#""m":{"type":"boolean"}"#).replace("1.0.0", "2.0.0");
    let records =
        |data: &str| [entry(2, data), commit(2), entry(3, &format!("[null,{{\"_date\":{}000}}]", T + 9)), commit(3)];
    // OVS 3.1 and before: the whole content follows the schema.
    let content = format!(r#"[{schema},{{"_date":{}000,"A":{{"{OTHER}":{{"m":true}}}}}}]"#, T + 5);
    let (tables, info, warnings) = read_all(&clustered("{}", &records(&content)), &["A"]);
    assert_eq!((info.version.as_deref(), warnings.len()), (Some("2.0.0"), 0));
    assert_eq!(
        versions(&tables),
        [("n[snapshot] set[]".to_owned(), Some(T), Some(T + 5)), ("m[true] set[]".to_owned(), Some(T + 5), None)]
    );
    // OVS 3.2 and later: each server converts what it has. The entry has no date.
    let (tables, info, warnings) = read_all(&clustered("{}", &records(&format!("[{schema},null]"))), &["A"]);
    assert_eq!((info.version.as_deref(), warnings.len()), (Some("2.0.0"), 0));
    assert_eq!(
        versions(&tables),
        [("n[snapshot] set[]".to_owned(), Some(T), Some(T + 9)), ("m[false] set[]".to_owned(), Some(T + 9), None)]
    );
}

#[test]
fn a_server_that_has_not_joined_has_no_schema() {
    // `ovsdb-tool join-cluster j.db T unix:j unix:raft`
    let json = r#"{"server_id":"1f0dd7a6-f6c4-4a3f-9c68-8fc4a5a3d9a5","name":"T","local_address":"unix:j",
        "remote_addresses":["unix:raft"]}"#;
    let (tables, info, warnings) = read_all(&record("CLUSTER", json), &["A"]);
    assert_eq!((tables, info.version, info.clustered, warnings.len()), (Tables::default(), None, true, 0));
}

proptest::proptest! {
    /// Whatever the transactions and their dates, no version ends before it begins or overlaps the row's next.
    #[test]
    fn versions_follow_each_other(
        changes in proptest::collection::vec((0..6_usize, proptest::bool::ANY, proptest::option::of(0..9_u64)), 0..30),
    ) {
        const COLUMNS: [&str; 6] =
            ["null", r#"{"n":"x"}"#, r#"{"n":3}"#, r#"{"set":["set",["a","b"]]}"#, r#"{"set":"a"}"#, "[]"];
        let transactions: Vec<String> = changes.iter().map(|(columns, other, date)| {
            let row = if *other { OTHER } else { ROW };
            let date = date.map_or("null".to_owned(), |date| format!("{}000", T + date));
            format!(r#"{{"_date":{date},"_is_diff":true,"A":{{"{row}":{}}}}}"#, COLUMNS[*columns])
        }).collect();
        let (tables, ..) = read_all(&standalone(&transactions), &["A"]);
        for row in [ROW, OTHER] {
            let of_row = tables.tables["A"].iter().filter(|version| &*version.row.uuid == row);
            let mut end = None;
            for Validity { from, until } in of_row.map(|version| version.validity) {
                proptest::prop_assert!(end <= from && (until.is_none() || from <= until));
                proptest::prop_assert!(tables.since <= from && from <= tables.last);
                end = until;
            }
        }
    }
}
