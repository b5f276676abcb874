//! journald's native protocol, and its local input, with systemd-journald itself.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use analyzer::alerts::{Alert, Field, Kind};
use serde_json::{Map, Value};

use crate::alerts::{PATIENCE, alert, block_on, config, start, until};
use crate::common::{self, Process, TempDir, command, require};

const PROGRAMS: [&str; 3] = ["journalctl", "unshare", "mount"];
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// A journald in mount and network namespaces of its own, whose /run is a directory of ours.
struct Journald {
    directory: TempDir,
    process: Option<Process>,
}

impl Journald {
    fn new() -> Self {
        let directory = TempDir::new();
        let settings = directory.path().join("systemd/journald.conf.d");
        fs::create_dir_all(&settings).unwrap();
        fs::create_dir_all(directory.path().join("log/journal")).unwrap();
        // Nothing of the machine's own comes in, and nothing goes elsewhere.
        let text = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\nRuntimeMaxUse=64M\n\
                    ForwardToSyslog=no\nForwardToKMsg=no\nForwardToConsole=no\nForwardToWall=no\n";
        fs::write(settings.join("test.conf"), text).unwrap();
        Self { directory, process: None }
    }

    async fn start(&mut self) {
        let script = format!("mount --bind {} /run && exec {JOURNALD}", self.directory.path().display());
        let mut command = command("unshare");
        command.args(["--mount", "--net", "sh", "-c", &script]);
        self.process = Some(Process::start(&mut command));
    }

    fn socket(&self, name: &str) -> String {
        self.directory.path().join("systemd/journal").join(name).display().to_string()
    }

    /// All that it holds of the analyzer.
    fn entries(&self) -> Vec<Map<String, Value>> {
        let mut journalctl: Command = command("journalctl");
        journalctl.arg("-D").arg(self.directory.path().join("log/journal"));
        let text = common::run(journalctl.args(["-a", "-o", "json", "--no-pager", "SYSLOG_IDENTIFIER=analyzer"]));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The values of a field: text, bytes as numbers where it is not to be printed, or several of either.
fn values(entry: &Map<String, Value>, name: &str) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes = bytes.iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
            String::from_utf8(bytes).unwrap()
        }
        other => panic!("{name}: {other}"),
    };
    match entry.get(name) {
        None => vec![],
        Some(Value::Array(several)) if !several[0].is_number() => several.iter().map(one).collect(),
        Some(value) => vec![one(value)],
    }
}

fn check(entry: &Map<String, Value>, alert: &Alert) {
    let expect = |name: &str, expected: &str| assert_eq!(values(entry, name), [expected], "{name}");
    expect("_TRANSPORT", "journal");
    expect("MESSAGE", &alert.text);
    expect("SYSLOG_FACILITY", "19");
    expect("SYSLOG_PID", "4711");
    expect("ANALYZER_KIND", alert.kind.name());
    expect("ANALYZER_TIME", &alert.at.to_string());
    assert_eq!(values(entry, "MESSAGE_ID")[0].len(), 32);
    assert_eq!(values(entry, "PRIORITY").len(), 1);
    for field in &alert.fields {
        let name = format!("ANALYZER_{}", field.name.to_uppercase());
        let same = alert.fields.iter().filter(|other| other.name == field.name);
        let mut expected: Vec<_> = same.map(|field| field.value.clone()).collect();
        let mut found = values(entry, &name);
        // journald does not keep the order of values of one name.
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn journald_keeps_every_field() {
    if !require(&PROGRAMS) {
        return;
    }
    if !fs::exists(JOURNALD).unwrap() {
        let report = std::env::var("ANALYZER_TEST_MISSING").is_ok_and(|what| what == "report");
        assert!(report, "{JOURNALD} is missing; Debian has it in the package systemd");
        println!("SKIPPED: {JOURNALD} is missing; Debian has it in the package systemd");
        return;
    }
    let mut journald = Journald::new();
    // Beyond what a datagram holds: it goes as a sealed file.
    let large = Arc::new(Alert {
        kind: Kind::Violation,
        reason: Some("unknown-mac"),
        at: alert(0).at,
        seen: None,
        text: "a large one".into(),
        fields: vec![Field { name: "large", value: "0123456789\n".repeat(40_000) }],
    });
    const COUNT: usize = 84;
    block_on(async {
        let native = format!("journald:{}", journald.socket("socket"));
        let local = format!("unix:{}", journald.socket("dev-log"));
        // It is not there yet.
        let (mut sinks, _) = start(&config(&[&native, &local]));
        for number in 0..COUNT / 2 {
            sinks.send(&alert(number));
        }
        until(&sinks, 0, "failed", |status| status.counts.failures > 0).await;
        journald.start().await;
        for number in COUNT / 2..COUNT {
            sinks.send(&alert(number));
        }
        sinks.send(&large);
        let status = until(&sinks, 0, "done", |status| status.queued == 0).await;
        assert_eq!((status.counts.sent, status.counts.left_out_fields), (COUNT as u64 + 1, 0));
        let status = until(&sinks, 1, "done", |status| status.queued == 0).await;
        assert_eq!((status.counts.sent, status.counts.left_out_fields), (COUNT as u64 + 1, 1));
        assert_eq!(sinks.end(PATIENCE).await, []);
        let mut rounds = 0;
        while journald.entries().len() < 2 * (COUNT + 1) {
            rounds += 1;
            assert!(rounds < 600, "journald has only {} entries", journald.entries().len());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let entries = journald.entries();
    assert_eq!(entries.len(), 2 * (COUNT + 1));
    let by =
        |transport: &str| entries.iter().filter(|entry| values(entry, "_TRANSPORT") == [transport]).collect::<Vec<_>>();
    let native = by("journal");
    for (number, entry) in native[..COUNT].iter().enumerate() {
        check(entry, &alert(number));
    }
    check(native[COUNT], &large);
    for (number, entry) in by("syslog")[..COUNT].iter().enumerate() {
        let message = values(entry, "MESSAGE").swap_remove(0);
        let start = format!("{} msgid={} number={number} ", alert(number).text, alert(number).kind.name());
        assert!(message.starts_with(&start), "{message}");
        assert_eq!(values(entry, "SYSLOG_PID"), ["4711"]);
        assert_eq!(values(entry, "SYSLOG_FACILITY"), ["19"]);
    }
}
