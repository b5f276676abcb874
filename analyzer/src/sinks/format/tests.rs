//! Every form against a reader of its own that was written from the RFC, and knows nothing of the writer.

use proptest::prelude::*;

use super::*;
use crate::alerts::{Field, Kind};
use crate::output::escape::{escaped, is_unprintable};
use crate::types::Timestamp;

mod strict;

use strict::Message;

fn origin() -> Origin {
    Origin {
        hostname: "worker-08.example".into(),
        app_name: "analyzer".into(),
        process_id: 4711,
        sd_id: "analyzer@32473".into(),
        facility: Facility::DAEMON,
        severities: Severities::default(),
        zone: TimeZone::UTC,
    }
}

fn alert() -> Alert {
    Alert {
        kind: Kind::Violation,
        reason: Some("stale-conntrack"),
        at: "2022-06-09T22:48:28.272315Z".parse().unwrap(),
        seen: None,
        text: "2 flows leave to ce:73:29:66:39:a4".into(),
        fields: vec![
            Field { name: "reason", value: "stale-conntrack".into() },
            Field { name: "flow", value: r#"a "b" \ [c]"#.into() },
            Field { name: "flow", value: "line\nbreak\u{202e}".into() },
        ],
    }
}

fn text(form: Form, alert: &Alert, sequence: Option<u32>) -> String {
    String::from_utf8(Encoder::new(form, origin(), None).encode(alert, sequence).bytes).unwrap()
}

#[test]
fn rfc5424() {
    assert_eq!(
        text(Form::Rfc5424, &alert(), Some(7)),
        "<27>1 2022-06-09T22:48:28.272315Z worker-08.example analyzer 4711 VIOLATION [meta sequenceId=\"7\"]\
         [analyzer@32473 reason=\"stale-conntrack\" flow=\"a \\\"b\\\" \\\\ [c\\]\" \
         flow=\"line\\\\u{a}break\\\\u{202e}\"] 2 flows leave to ce:73:29:66:39:a4"
    );
    let plain = Alert { fields: vec![], kind: Kind::SourceBack, text: "Zürich is back".into(), ..alert() };
    assert_eq!(
        text(Form::Rfc5424, &plain, None),
        "<29>1 2022-06-09T22:48:28.272315Z worker-08.example analyzer 4711 SOURCE-BACK - \u{feff}Zürich is back"
    );
}

#[test]
fn rfc3164_and_local() {
    let fields = "msgid=VIOLATION reason=stale-conntrack flow=\"a \\\"b\\\" \\\\ [c]\" \
                  flow=\"line\\\\u{a}break\\\\u{202e}\"";
    let text_part = "analyzer[4711]: 2 flows leave to ce:73:29:66:39:a4";
    assert_eq!(text(Form::Rfc3164, &alert(), None), format!("<27>Jun  9 22:48:28 worker-08 {text_part} {fields}"));
    assert_eq!(text(Form::Local, &alert(), None), format!("<27>Jun  9 22:48:28 {text_part} {fields}"));
    let numbered = text(Form::Rfc3164, &alert(), Some(7));
    assert!(numbered.contains(" msgid=VIOLATION sequenceId=7 reason="), "{numbered}");
}

#[test]
fn bsd_times_are_local_and_hosts_have_no_domain() {
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    for (hostname, shown) in [("a.b.c", "a"), ("192.0.2.1", "192.0.2.1"), ("", "-"), ("wörker", "w_rker")] {
        let origin = Origin { zone: zone.clone(), hostname: hostname.into(), app_name: "a b]:[x".into(), ..origin() };
        let bytes = Encoder::new(Form::Rfc3164, origin, None).encode(&alert(), None).bytes;
        let start = format!("<27>Jun 10 00:48:28 {shown} a_b___x[4711]: ");
        assert!(String::from_utf8_lossy(&bytes).starts_with(&start), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn journald() {
    let bytes = Encoder::new(Form::Journald, origin(), Some(480)).encode(&alert(), Some(1)).bytes;
    let fields = strict::journald(&bytes).unwrap();
    let expected = [
        ("MESSAGE", "2 flows leave to ce:73:29:66:39:a4"),
        ("MESSAGE_ID", "0f35b30bf034427a96ee69300f7e5a2b"),
        ("PRIORITY", "3"),
        ("SYSLOG_FACILITY", "3"),
        ("SYSLOG_IDENTIFIER", "analyzer"),
        ("SYSLOG_PID", "4711"),
        ("SYSLOG_TIMESTAMP", "Jun  9 22:48:28"),
        ("ANALYZER_KIND", "VIOLATION"),
        ("ANALYZER_TIME", "2022-06-09T22:48:28.272315Z"),
        ("ANALYZER_REASON", "stale-conntrack"),
        ("ANALYZER_FLOW", r#"a "b" \ [c]"#),
        ("ANALYZER_FLOW", "line\nbreak\u{202e}"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn message_ids_are_128_bits_and_differ() {
    let id = |kind| {
        let bytes = Encoder::new(Form::Journald, origin(), None).encode(&Alert { kind, ..alert() }, None).bytes;
        strict::journald(&bytes).unwrap().swap_remove(1).1
    };
    let ids: std::collections::BTreeSet<String> = Kind::ALL.into_iter().map(id).collect();
    assert_eq!(ids.len(), Kind::ALL.len());
    assert!(ids.iter().all(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit())));
}

/// The longest header and the least limit leave room for a text.
#[test]
fn the_least_limit_holds_the_longest_header() {
    let long = Origin {
        hostname: "h".repeat(300),
        app_name: "a".repeat(300),
        process_id: u32::MAX,
        sd_id: format!("{}@32473", "x".repeat(26)),
        facility: "local7".parse().unwrap(),
        ..origin()
    };
    let field = Field { name: "flow", value: "v".repeat(500) };
    let alert = Alert {
        kind: Kind::SourceLost,
        fields: vec![field; 20_000],
        text: "ü".repeat(500),
        at: Timestamp::MAX,
        seen: None,
        ..alert()
    };
    for form in [Form::Rfc5424, Form::Rfc3164, Form::Local] {
        let encoded = Encoder::new(form, long.clone(), Some(0)).encode(&alert, Some(2_147_483_647));
        assert!(encoded.bytes.len() <= LEAST_MAX_BYTES, "{form:?}: {}", encoded.bytes.len());
        assert!(encoded.is_cut && encoded.left_out == 20_000);
        assert!(String::from_utf8(encoded.bytes).unwrap().contains('…'));
    }
}

fn any_alert() -> impl Strategy<Value = Alert> {
    let names = prop::sample::select(vec!["flow", "eth_dst", "a_name_of_thirty_two_characters_"]);
    // Any text, and texts of what has to be escaped.
    let value = prop_oneof![any::<String>(), "[\"\\\\\\]= a]{1,40}", "[a-z ]{1,300}"]
        .prop_map(|value| if value.is_empty() { "x".to_owned() } else { value });
    let field = (names, value).prop_map(|(name, value)| Field { name, value });
    let text = prop_oneof![any::<String>(), "[a-zü ]{0,1500}"];
    (prop::sample::select(Kind::ALL.to_vec()), any::<u64>(), text, prop::collection::vec(field, 0..20)).prop_map(
        |(kind, at, text, fields)| {
            // Of these times jiff knows all.
            Alert { kind, reason: Some("stale-conntrack"), at: Timestamp::from_nanos(at), seen: None, text, fields }
        },
    )
}

fn any_origin() -> impl Strategy<Value = Origin> {
    (any::<String>(), any::<String>(), any::<u32>()).prop_map(|(hostname, app_name, process_id)| Origin {
        hostname,
        app_name,
        process_id,
        ..origin()
    })
}

/// The text as it must be read: all of it, or its beginning and an ellipsis.
fn check_text(alert: &Alert, shown: &str, is_cut: bool) {
    let whole = escaped(&alert.text);
    if is_cut {
        let kept = shown.strip_suffix('…').expect("an ellipsis");
        assert!(whole.starts_with(kept) && kept.len() < whole.len(), "{shown:?}");
    } else {
        assert_eq!(shown, whole);
    }
}

/// The fields as they must be read: the first ones, and how many more there were.
fn check_fields(alert: &Alert, mut shown: Vec<(String, String)>, encoded: &Encoded) {
    if encoded.left_out > 0 {
        assert_eq!(shown.pop().unwrap(), ("omitted".to_owned(), encoded.left_out.to_string()));
    }
    let kept = &alert.fields[..alert.fields.len() - encoded.left_out];
    let expected: Vec<_> = kept.iter().map(|field| (field.name.to_owned(), escaped(&field.value))).collect();
    assert_eq!(shown, expected);
}

proptest! {
    #[test]
    fn rfc5424_is_read_strictly(
        alert in any_alert(),
        origin in any_origin(),
        max_bytes in LEAST_MAX_BYTES..4000,
        sequence in prop::option::of(1..=2_147_483_647_u32),
    ) {
        let encoded = Encoder::new(Form::Rfc5424, origin, Some(max_bytes)).encode(&alert, sequence);
        prop_assert!(encoded.bytes.len() <= max_bytes);
        let message = Message::parse(&encoded.bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(message.timestamp.parse::<Timestamp>().unwrap().as_nanos() / 1000, alert.at.as_nanos() / 1000);
        prop_assert_eq!(&message.msg_id, alert.kind.name());
        prop_assert!(message.pri / 8 == 3 && message.pri % 8 < 6);
        let mut elements = message.structured_data;
        if let Some(sequence) = sequence {
            let meta = elements.remove(0);
            prop_assert_eq!(meta, ("meta".to_owned(), vec![("sequenceId".to_owned(), sequence.to_string())]));
        }
        let fields = elements.pop().map_or(vec![], |(id, fields)| {
            assert_eq!(id, "analyzer@32473");
            fields
        });
        prop_assert!(elements.is_empty());
        prop_assert_eq!(message.has_mark, !message.text.is_ascii());
        prop_assert!(!message.text.contains(is_unprintable));
        check_text(&alert, &message.text, encoded.is_cut);
        check_fields(&alert, fields, &encoded);
        prop_assert!(!encoded.is_cut || encoded.left_out == alert.fields.len());
    }

    #[test]
    fn bsd_is_read_strictly(
        alert in any_alert(),
        origin in any_origin(),
        max_bytes in LEAST_MAX_BYTES..3000,
        sequence in prop::option::of(1..=2_147_483_647_u32),
        is_local: bool,
    ) {
        let form = if is_local { Form::Local } else { Form::Rfc3164 };
        let process_id = origin.process_id;
        let encoded = Encoder::new(form, origin, Some(max_bytes)).encode(&alert, sequence);
        prop_assert!(encoded.bytes.len() <= max_bytes);
        let line = String::from_utf8(encoded.bytes.clone()).unwrap();
        prop_assert!(!line.contains(is_unprintable));
        let (tag, rest) = strict::bsd(&line, !is_local).map_err(TestCaseError::fail)?;
        prop_assert_eq!(tag.1, process_id);
        // What ends the text is known here only from what was sent.
        let whole = escaped(&alert.text);
        let text = if encoded.is_cut { &rest[..rest.find("… msgid=").unwrap() + '…'.len_utf8()] } else { &rest[..whole.len()] };
        check_text(&alert, text, encoded.is_cut);
        let mut pairs = strict::pairs(&rest[text.len()..]).map_err(TestCaseError::fail)?;
        prop_assert_eq!(pairs.remove(0), ("msgid".to_owned(), alert.kind.name().to_owned()));
        if let Some(sequence) = sequence {
            prop_assert_eq!(pairs.remove(0), ("sequenceId".to_owned(), sequence.to_string()));
        }
        check_fields(&alert, pairs, &encoded);
    }

    #[test]
    fn journald_is_read_strictly(alert in any_alert(), origin in any_origin()) {
        let encoded = Encoder::new(Form::Journald, origin, None).encode(&alert, None);
        let fields = strict::journald(&encoded.bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&fields[0], &("MESSAGE".to_owned(), escaped(&alert.text)));
        let name = |field: &Field| format!("ANALYZER_{}", field.name.to_ascii_uppercase());
        let ours: Vec<_> = alert.fields.iter().map(|field| (name(field), field.value.clone())).collect();
        prop_assert_eq!(&fields[9..], &ours[..]);
    }
}
