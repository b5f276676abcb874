use std::{env, fs, process};

use super::*;
use crate::cli::Only;
use crate::ovsdb::client::Remote;
use crate::recorder::Rotation;

/// Settings of a command line; where a file is named as `FILE`, it holds `file`.
fn config(words: &str, file: &str) -> Result<Config, ConfigError> {
    let path = path();
    fs::write(&path, file).unwrap();
    let words = words.split_whitespace().map(|word| word.replace("FILE", &path.to_string_lossy()));
    let typed: Vec<OsString> = ["analyzer".into(), "live".into()].into_iter().chain(words.map(Into::into)).collect();
    match Cli::read(&typed)?.command {
        Command::Live(args) => Config::try_from(*args),
        other => panic!("{other:?}"),
    }
}

/// A file of this test thread's own.
fn path() -> PathBuf {
    let thread = std::thread::current();
    env::temp_dir().join(format!("analyzer-config-{}-{}", process::id(), thread.name().unwrap_or("").replace(':', "-")))
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = fs::remove_file(path());
    }
}

#[test]
fn defaults() {
    let _cleanup = Cleanup;
    let config = config("-i ens1 -i ens1 -i auto", "").unwrap();
    assert_eq!(config.interfaces, [Interface::Named("ens1".to_owned()), Interface::Auto]);
    assert_eq!((&config.sources.nb, &config.sources.vswitchd), (&Database::WellKnown, &Vswitchd::WellKnown));
    assert_eq!(config.history.as_deref(), Some(Path::new(history::DEFAULT_PATH)));
    assert_eq!(config.alert_state.as_deref(), Some(Path::new(DEFAULT_STATE)));
    assert_eq!(config.judging, Settings::default());
    assert_eq!((config.sample, config.max_age), (64, Duration::from_secs(300)));
}

#[test]
fn what_can_be_switched_off() {
    let _cleanup = Cleanup;
    let words = "-i ens1 --nb none --sb none,none --ovs tcp:h:1,unix:/s --vswitchd none --history none \
                 --conntrack-interval 0 --sample 0";
    let config = config(words, "").unwrap();
    assert_eq!((&config.sources.nb, &config.sources.sb), (&Database::Off, &Database::Off));
    assert!(
        matches!(&config.sources.ovs, Database::Remotes(remotes) if matches!(remotes[..], [Remote::Tcp(_), Remote::Unix(_)]))
    );
    assert_eq!(config.sources.vswitchd, Vswitchd::Off);
    assert_eq!((config.history, config.conntrack_interval, config.sample), (None, None, 0));
}

/// A look beside the daemon that keeps them.
#[test]
fn a_run_that_ends_by_itself_keeps_only_what_is_named() {
    let _cleanup = Cleanup;
    let short = config("-i ens1 --duration 1", "").unwrap();
    assert_eq!((short.history, short.alert_state), (None, None));
    let named = config("-i ens1 --duration 1 --history h --alert-state a", "").unwrap();
    assert_eq!((named.history.as_deref(), named.alert_state.as_deref()), (Some(Path::new("h")), Some(Path::new("a"))));
    let by_file = config("-i ens1 --duration 1 --config FILE", "history = \"h\"").unwrap();
    assert_eq!((by_file.history.as_deref(), by_file.alert_state), (Some(Path::new("h")), None));
}

#[test]
fn contradictions() {
    let _cleanup = Cleanup;
    for (words, expected) in [
        ("", "no NIC given: name it with -i NIC"),
        ("--config FILE", "has no `interface` either"),
        ("-i a --mirror --ingress none", "choose --ingress tc or xdp"),
        ("-i a -i auto --mirror", "--mirror takes the name"),
        ("-i a --nb none,tcp:h:1", "--nb none switches the database off"),
        ("-i a --sb ssl:192.0.2.1:6642", "ssl:192.0.2.1:6642 needs --ca-cert FILE"),
        ("-i a --private-key FILE", "--private-key goes with --certificate"),
        ("-i a --certificate FILE", "--certificate goes with --private-key"),
        ("-i a --ca-cert /missing.pem", "cannot open /missing.pem for --ca-cert"),
        ("-i a --nexthops /missing.toml", "cannot open /missing.toml for --nexthops"),
        ("-i a --mac-owners FILE --mac-owners /missing", "cannot open /missing for --mac-owners"),
    ] {
        let error = config(words, "").unwrap_err().to_string();
        assert!(error.contains(expected), "{words}\n{error}");
    }
    config("-i a --sb ssl:192.0.2.1:6642 --ca-cert FILE --private-key FILE --certificate FILE", "").unwrap();
}

#[test]
fn settings_are_read_again() {
    let _cleanup = Cleanup;
    let first = config("--config FILE --grace 7", "interface = 'ens1'\nsample = 1\ngrace = 1\n").unwrap();
    assert_eq!(first.reread().unwrap(), first);
    assert!(first.changes(&first.reread().unwrap()).is_empty());

    fs::write(path(), "interface = ['ens1', 'ens2']\nsample = 2\ngrace = 2\n").unwrap();
    let second = first.reread().unwrap();
    assert_eq!((second.sample, second.judging.grace.as_secs()), (2, 7));
    assert_eq!(first.changes(&second), Changes { at_once: vec!["sample"], with_restart: vec!["interface"] });

    fs::write(path(), "interface = 'ens1'\nsampel = 2\n").unwrap();
    assert!(first.reread().unwrap_err().to_string().contains("did you mean sample?"));
}

/// Each option that can be set is told when it changes.
#[test]
fn no_change_is_silent() {
    let _cleanup = Cleanup;
    let before = config("-i ens1", "").unwrap();
    for words in [
        "--ingress=none",
        "--tcx-position=last",
        "--tc=clsact",
        "--sample=1",
        "--nb=none",
        "--sb=none",
        "--ovs=none",
        "--ca-cert=FILE",
        "--leader-only",
        "--kernel-routes=yes",
        "--vswitchd=none",
        "--nexthops=FILE",
        "--mac-owners=FILE",
        "--conntrack=none",
        "--conntrack-interval=1",
        "--max-age=1",
        "--history=none",
        "--history-age=1",
        "--max-suspects=1",
        "--max-samples=1",
        "--max-routes=1",
        "--grace=1",
        "--heard-window=1",
        "--allow-mac=02:00:00:00:00:01",
        "--max-findings=1",
        "--format=json",
        "--color=never",
        "--limit=1",
        "--node=n",
        // Without these such a run keeps nothing.
        "--duration=1 --history=/var/lib/analyzer/history.jsonl --alert-state=/var/lib/analyzer/alerts.json",
        "--end-within=1",
        "--trace=all",
        "--trace-rate=1",
        "--quiet",
        "--mirror",
        "--private-key=FILE --certificate=FILE",
        "-i ens2",
    ] {
        let changes = before.changes(&config(&format!("-i ens1 {words}"), "").unwrap());
        let told: Vec<_> = changes.at_once.iter().chain(&changes.with_restart).copied().collect();
        let option = words.trim_start_matches('-').split(['=', ' ']).next().unwrap();
        assert!(told.len() == 1 && (told[0].starts_with(option) || option == "i"), "{words}: {told:?}");
    }
}

#[test]
fn what_is_recorded() {
    let _cleanup = Cleanup;
    let mirror = "-i ens1 --mirror --ingress afxdp";
    let record = |words: &str| config(&format!("{mirror} {words}"), "").map(|config| config.record);
    assert_eq!(record("").unwrap(), None);
    let Recorded { only, files } = record("--write a.pcapng").unwrap().unwrap();
    assert_eq!((only, files.rotation, files.snaplen), (Only::Violating, None, 128));
    let recorded = record("--write a.pcapng.zst --only all --write-bytes 1M --snaplen 0").unwrap().unwrap();
    let rotation = Some(Rotation { bytes: 1 << 20, files: 10 });
    assert_eq!((recorded.only, recorded.files.rotation, recorded.files.snaplen), (Only::All, rotation, 0));
    for (words, expected) in [
        ("--only all", "--only goes with --write FILE"),
        ("--write-bytes 1M", "--write-bytes goes with"),
        ("--write a.pcapng --write-files 3", "--write-files goes with --write-bytes"),
        ("--write a.pcap", "ends in .pcapng"),
    ] {
        let error = record(words).unwrap_err().to_string();
        assert!(error.contains(expected), "{words}: {error}");
    }
    assert!(matches!(config("-i ens1 --write a.pcapng", ""), Err(ConfigError::NothingToWrite)));
    let reached = config(&format!("{mirror} --write /somewhere/a.pcapng --write-bytes 1M"), "").unwrap().reached();
    assert!(reached.contains(&(PathBuf::from("/somewhere"), Access::WRITE_OK | Access::EXEC_OK)));
    let before = config(mirror, "").unwrap();
    let changes = before.changes(&config(&format!("{mirror} --write a.pcapng"), "").unwrap());
    assert_eq!(changes.with_restart, ["write or an option of its"]);
}
