use std::ffi::OsString;
use std::path::PathBuf;
use std::{env, fs, process};

use clap::{CommandFactory, Parser};

use super::*;
use crate::cli::{self, Cli, Interface, LiveArgs};

/// A value for each option of `live` that is not its default, as TOML and as typed. An option without a row fails
/// [`every_option_can_be_in_a_file`].
const VALUES: &[(&str, &str, &[&str])] = &[
    ("interface", r#"["ens1", "ens2"]"#, &["ens1", "ens2"]),
    ("ingress", r#""xdp-generic""#, &["xdp-generic"]),
    ("mirror", "true", &["true"]),
    ("mirror-consume", "true", &["true"]),
    ("force", "true", &["true"]),
    ("ring", "64", &["64"]),
    ("tcx-position", r#""last""#, &["last"]),
    ("tc", r#""clsact""#, &["clsact"]),
    ("sample", "0x10", &["16"]),
    ("nb", r#"["tcp:192.0.2.1:6641", "unix:/nb.sock"]"#, &["tcp:192.0.2.1:6641,unix:/nb.sock"]),
    ("sb", r#""none""#, &["none"]),
    ("ovs", r#""tcp:[::1]:6640,tcp:[::2]:6640""#, &["tcp:[::1]:6640,tcp:[::2]:6640"]),
    ("private-key", r#""key.pem""#, &["key.pem"]),
    ("certificate", r#""cert.pem""#, &["cert.pem"]),
    ("ca-cert", r#""ca.pem""#, &["ca.pem"]),
    ("leader-only", "true", &["true"]),
    ("kernel-routes", r#""yes""#, &["yes"]),
    ("vswitchd", r#""none""#, &["none"]),
    ("nexthops", r#"["a.toml", "b c.toml"]"#, &["a.toml", "b c.toml"]),
    ("mac-owners", r#""-owners.txt""#, &["-owners.txt"]),
    ("conntrack", r#""userspace""#, &["userspace"]),
    ("conntrack-interval", r#""2500ms""#, &["2.5"]),
    ("max-age", "10", &["10"]),
    ("history", r#""none""#, &["none"]),
    ("history-age", r#""1h""#, &["3600"]),
    ("max-suspects", "1_000", &["1000"]),
    ("max-samples", "1", &["1"]),
    ("max-routes", "16777216", &["16777216"]),
    ("grace", "0.5", &["0.5"]),
    ("heard-window", "6", &["6"]),
    ("allow-mac", r#"["00:00:5e:00:01:01"]"#, &["00:00:5e:00:01:01"]),
    ("max-findings", "7", &["7"]),
    ("alert-gather", "0", &["0"]),
    ("alert-remind", "7.5", &["7.5"]),
    ("alert-hold", "5", &["5"]),
    ("alert-rate", "3", &["3"]),
    ("alert-state", r#""none""#, &["none"]),
    ("syslog", r#"["local", "udp:192.0.2.1"]"#, &["local", "udp:192.0.2.1"]),
    ("syslog-format", "5424", &["5424"]),
    ("syslog-facility", r#""local3""#, &["local3"]),
    ("syslog-severity", r#"["unknown-mac=crit"]"#, &["unknown-mac=crit"]),
    ("syslog-hostname", r#""worker-08""#, &["worker-08"]),
    ("syslog-app-name", r#""egress""#, &["egress"]),
    ("syslog-max-bytes", "4096", &["4096"]),
    ("syslog-queue", "7", &["7"]),
    ("trace", r#""port=53 proto=udp""#, &["port=53 proto=udp"]),
    ("trace-rate", "100", &["100"]),
    ("write", r#""a.pcapng""#, &["a.pcapng"]),
    ("only", r#""all""#, &["all"]),
    ("write-bytes", r#""100M""#, &["100M"]),
    ("write-files", "3", &["3"]),
    ("snaplen", "0", &["0"]),
    ("syslog-sd-id", r#""egress@32473""#, &["egress@32473"]),
    ("syslog-ca-cert", r#""ca.pem""#, &["ca.pem"]),
    ("syslog-certificate", r#""cert.pem""#, &["cert.pem"]),
    ("syslog-private-key", r#""key.pem""#, &["key.pem"]),
    ("metrics", r#"["9479", "[::1]:9479"]"#, &["9479", "[::1]:9479"]),
    ("repair", "\"unpin\"", &["unpin"]),
    ("repair-rate", "3", &["3"]),
    ("repair-tcp", "true", &["true"]),
    ("repair-settle", "5", &["5"]),
    ("repair-journal", "\"j\"", &["j"]),
    ("format", r#""jsonl""#, &["jsonl"]),
    ("color", r#""never""#, &["never"]),
    ("limit", "3", &["3"]),
    ("node", r#""worker \"08\"""#, &["worker \"08\""]),
    ("duration", "1e1", &["10"]),
    ("end-within", "3", &["3"]),
    ("quiet", "true", &["true"]),
];

/// A file of options that goes with the test.
struct OptionsFile(PathBuf);

impl OptionsFile {
    fn new(name: &str, text: &str) -> Self {
        let path = env::temp_dir().join(format!("analyzer-options-{}-{name}.toml", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn live(&self, typed: &[&str]) -> Result<LiveArgs, cli::ReadError> {
        let config = format!("--config={}", self.0.display());
        let words = ["analyzer", "live", &config].into_iter().chain(typed.iter().copied());
        live(Cli::read(&words.map(OsString::from).collect::<Vec<_>>())?)
    }

    fn error(&self) -> String {
        self.live(&[]).unwrap_err().to_string().replace(&*self.0.to_string_lossy(), "F")
    }
}

impl Drop for OptionsFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn live(cli: Cli) -> Result<LiveArgs, cli::ReadError> {
    match cli.command {
        cli::Command::Live(args) => Ok(LiveArgs { typed: Vec::new(), ..*args }),
        other => panic!("{other:?}"),
    }
}

/// All that was read but the file's own name, for comparison.
fn shown(mut args: LiveArgs) -> String {
    args.run.config = None;
    format!("{args:?}")
}

#[test]
fn every_option_can_be_in_a_file() {
    let command = Cli::command();
    let options = command.find_subcommand("live").unwrap().get_arguments().filter_map(|arg| arg.get_long());
    for name in options.filter(|name| !TYPED_ONLY.contains(name)) {
        let (_, toml, typed) = VALUES.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("no value for {name}"));
        let file = OptionsFile::new(name, &format!("{name} = {toml}\n"));
        let words = typed.iter().map(|value| format!("--{name}={value}"));
        let typed = Cli::parse_from(["analyzer".to_owned(), "live".to_owned()].into_iter().chain(words));
        let (from_file, typed) = (shown(file.live(&[]).unwrap()), shown(live(typed).unwrap()));
        assert_eq!(from_file, typed, "{name}");
        let default = live(Cli::parse_from(["analyzer", "live"])).map(shown).unwrap();
        assert_ne!(from_file, default, "{name} has the value that it has anyway");
    }
}

#[test]
fn all_options_at_once_and_none_wins_over_what_is_typed() {
    let text: String = VALUES.iter().map(|(name, toml, _)| format!("{name} = {toml}\n")).collect();
    let file = OptionsFile::new("all", &text);
    let from_file = file.live(&[]).unwrap();
    assert_eq!(from_file.hooks.interface.len(), 2);
    let typed = ["-i", "ens9", "--sample=1", "--quiet=false", "--nb", "none", "--history", "h", "--grace", "9"];
    let args = file.live(&typed).unwrap();
    assert_eq!(args.hooks.interface, [Interface::Named("ens9".to_owned())]);
    assert_eq!((args.hooks.sample, args.run.quiet), (1, Some(false)));
    assert_eq!(args.sources.nb, [cli::RemoteOrNone::None]);
    assert_eq!(args.memory.history, Some(cli::PathOrNone::Path("h".into())));
    assert_eq!(args.judging.grace.as_secs(), 9);
    // What was not typed comes from the file.
    assert_eq!((args.hooks.tcx_position, args.memory.max_suspects), (cli::TcxPosition::Last, 1000));
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expected) in [
        ("sampel = 64", r#"F:1:1: there is no option "sampel"; did you mean sample?"#),
        (
            "sample = 64\n\n  tcx_position = \"last\"",
            r#"F:3:3: there is no option "tcx_position"; did you mean tcx-position?"#,
        ),
        ("zzz = 1", r#"F:1:1: there is no option "zzz""#),
        ("config = \"other.toml\"", "F:1:1: config is typed on the command line, not set in a file"),
        ("sample = -1", r#"F:1:10: sample: "-1": -1 is not in 0..=4294967295"#),
        ("sample = [1, 2]", "F:1:10: sample: expected a number, found an array"),
        ("sample = true", "F:1:10: sample: expected a number, found a boolean"),
        ("sample = 1979-05-27", "F:1:10: sample: expected a number, found a date"),
        ("sample = 99999999999999999999", "F:1:10: sample: the number is beyond 64 bits"),
        ("quiet = \"true\"", "F:1:9: quiet: expected true or false, found a string"),
        ("history = false", "F:1:11: history: expected a string, found a boolean"),
        (
            "ingress = \"tcx\"",
            r#"F:1:11: ingress: "tcx": expected one of tc, xdp, xdp-generic, afxdp, afxdp-generic, none"#,
        ),
        ("max-routes = 0", r#"F:1:14: max-routes: "0": 0 is not in 1..=16777216"#),
        ("grace = nan", r#"F:1:9: grace: "nan": expected a duration such as 250ms"#),
        ("interface = [\"a\", \"b/c\"]", r#"F:1:19: interface: "b/c": names of interfaces hold no slash"#),
        ("interface = [[\"a\"]]", "F:1:14: interface: expected a string, or an array of strings, found an array"),
        ("nb = \"tcp:h:1,udp:h:2\"", r#"F:1:6: nb: "tcp:h:1,udp:h:2": `udp:h:2` is no OVSDB remote"#),
        ("allow-mac = \"zz\"", "F:1:13: allow-mac: \"zz\": "),
        ("[live]\nsample = 1", "F:1:2: options stand at the top of the file, in no table such as [live]"),
        ("sample = 1\nsample = 2", "F:2:1: "),
        ("sample 64", "F:1:8: "),
        ("sample = 'many'", r#"F:1:10: sample: "many": expected a whole number"#),
        ("grace = true", r#"F:1:9: grace: expected a duration such as "30s", found a boolean"#),
        ("sample = 1\ninterface = nic0 # the uplink", r#"F:2:13: text stands in quotes: interface = "nic0""#),
        ("grace = 30s", r#"text stands in quotes: grace = "30s""#),
        ("history = /var/h", r#"text stands in quotes: history = "/var/h""#),
        ("nb = tcp:192.0.2.1:6641", r#"text stands in quotes: nb = "tcp:192.0.2.1:6641""#),
        ("node = \"a\u{7}\"", "F:1:"),
    ] {
        let error = OptionsFile::new("mistake", text).error();
        let is_told = if expected.starts_with("F:") { error.starts_with(expected) } else { error.contains(expected) };
        assert!(is_told, "{text}\n{error}");
    }
}

#[test]
fn what_is_typed_does_not_hide_a_mistake_in_the_file() {
    let file = OptionsFile::new("hidden", "sample = 'many'\n");
    assert!(file.live(&["--sample", "1"]).is_err());
}

#[test]
fn files_that_cannot_be_read() {
    let missing = OptionsFile(env::temp_dir().join("analyzer-no-such-file.toml"));
    assert!(missing.error().starts_with("cannot read F for --config"), "{}", missing.error());
    let large = OptionsFile::new("large", &"#".repeat((1 << 20) + 1));
    assert!(large.error().starts_with("cannot read F for --config"), "{}", large.error());
    OptionsFile::new("empty", "").live(&[]).unwrap();
}
