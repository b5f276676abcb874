//! Which module may use which, and what the engine must never touch.

use std::path::Path;

use super::Complaint;
use super::paths::{CodePath, Role, module_of};

/// Each module of the analyzer and what it may use beside itself: whole modules, or single modules inside one.
/// ARCHITECTURE.md draws the same arrows.
const ARROWS: &[(&str, &[&[&str]])] = &[
    ("types", &[]),
    ("jsonrpc", &[]),
    ("net", &[]),
    ("owned", &[]),
    ("paste", &[&["types"]]),
    ("capture", &[&["types"], &["paste"]]),
    ("ovsdb", &[&["types"], &["jsonrpc"], &["net"], &["paste"]]),
    ("conntrack", &[&["types"], &["paste"], &["engine", "fact"], &["engine", "label"]]),
    ("ovn", &[&["types"], &["paste"], &["ovsdb"], &["engine", "fact"]]),
    ("inputs", &[&["types"], &["paste"], &["capture"], &["conntrack"], &["ovn"], &["ovsdb"], &["engine", "fact"]]),
    ("bpf", &[&["types"], &["engine", "classes"], &["engine", "observation"]]),
    ("netlink", &[&["types"], &["conntrack"], &["engine", "fact"], &["engine", "label"]]),
    ("unixctl", &[&["types"], &["conntrack"], &["jsonrpc"], &["engine", "fact"]]),
    ("replay", &[&["types"], &["capture"], &["engine"]]),
    ("recorder", &[&["types"], &["owned"]]),
    ("mirror", &[&["types"], &["bpf"], &["capture"], &["recorder"], &["replay"]]),
    ("engine", &[]),
    (
        "output",
        &[
            &["types"],
            &["conntrack", "flush"],
            &["engine", "fact"],
            &["engine", "finding"],
            &["engine", "label"],
            &["engine", "observation"],
            &["engine", "verdict"],
            &["engine", "view"],
        ],
    ),
    ("alerts", &[&["types"], &["engine", "fact"], &["engine", "finding"], &["engine", "verdict"], &["output"]]),
    ("sinks", &[&["types"], &["alerts"], &["net"], &["output", "escape"]]),
    ("metrics", &[&["types"], &["alerts"]]),
    ("repair", &[&["types"], &["engine"], &["conntrack"], &["netlink"], &["unixctl"], &["output"], &["owned"]]),
    (
        "daemon",
        &[
            &["types"],
            &["engine"],
            &["alerts"],
            &["bpf", "counted"],
            &["conntrack", "index"],
            &["metrics"],
            &["mirror"],
            &["net", "backoff"],
            &["netlink"],
            &["output"],
            &["ovn"],
            &["ovsdb", "client"],
            &["repair"],
            &["replay", "Flow"],
        ],
    ),
];

/// Modules that know both ends: they may use every other, and no other may use them.
const BOTH_ENDS: &[&str] = &["commands", "cli", "doctor", "live"];

/// Sources of the engine, a crate of its own.
const ENGINE: &str = "analyzer/engine/src";

/// What would make the engine impure though it compiles without the standard library: that library all the same, a global, or
/// a clock that comes with a format of times.
const NOT_IN_ENGINE: &[&[&str]] = &[&["std"], &["core", "sync", "atomic"], &["jiff"]];

/// The daemon without the machine.
const DAEMON: &str = "analyzer/src/daemon";

/// What would tie it to one.
const NOT_IN_DAEMON: &[&[&str]] = &[
    &["aya"],
    &["tokio"],
    &["rustix"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "io", "stderr"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "UdpSocket"],
    &["std", "os"],
    &["std", "path"],
    &["std", "process"],
    &["std", "sync", "atomic"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
];

/// Checks the paths of one source of the analyzer or its engine; other crates have no arrows.
pub(super) fn check(file: &Path, paths: &[CodePath]) -> Vec<Complaint> {
    let module = module_of(file);
    let module = module.first().map(String::as_str);
    if file.starts_with(ENGINE) {
        let is_types = module == Some("types");
        return if is_types { of_types(file, paths) } else { impurities(file, "engine", NOT_IN_ENGINE, paths) };
    }
    match module {
        Some(module) if file.starts_with(DAEMON) => {
            let impure = impurities(file, "daemon's core", NOT_IN_DAEMON, paths);
            arrows(file, module, paths).into_iter().chain(impure).collect()
        }
        Some(module) if file.starts_with("analyzer/src") => arrows(file, module, paths),
        _ => Vec::new(),
    }
}

/// Values that all speak in know nothing of the engine beside which they stand.
fn of_types(file: &Path, paths: &[CodePath]) -> Vec<Complaint> {
    let leaves =
        |path: &&CodePath| matches!(path.names.as_slice(), [root, used, ..] if root == "crate" && used != "types");
    let complaint = |path: &CodePath| {
        Complaint::error(file, path.line, format!("module `types` must not use `{}`", path.names[1..].join("::")))
    };
    paths.iter().filter(leaves).map(complaint).collect()
}

fn arrows(file: &Path, module: &str, paths: &[CodePath]) -> Vec<Complaint> {
    if BOTH_ENDS.contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        let message = format!("module `{module}` has no arrows yet: say in xtask/src/tidy/arrows.rs what it may use");
        return vec![Complaint::error(file, 0, message)];
    };
    let mut complaints = Vec::new();
    for path in paths {
        let [root, used @ ..] = path.names.as_slice() else { continue };
        let is_module = used
            .first()
            .is_some_and(|used| ARROWS.iter().any(|(name, _)| name == used) || BOTH_ENDS.contains(&used.as_str()));
        if root != "crate" || !is_module || used[0] == module {
            continue;
        }
        if !allowed.iter().any(|allowed| starts_with(used, allowed)) {
            let message = format!("module `{module}` must not use `{}`", used.join("::"));
            complaints.push(Complaint::error(file, path.line, message));
        }
    }
    complaints
}

fn impurities(file: &Path, what: &str, forbidden: &[&[&str]], paths: &[CodePath]) -> Vec<Complaint> {
    let impure = |path: &&CodePath| {
        path.role == Role::StaticMut || forbidden.iter().any(|forbidden| names_it(&path.names, forbidden))
    };
    let complaint = |path: &CodePath| {
        let message =
            format!("the {what} is pure: no I/O, clock, thread or global, but here is `{}`", path.names.join("::"));
        Complaint::error(file, path.line, message)
    };
    paths.iter().filter(impure).map(complaint).collect()
}

/// Whether the path is the forbidden one or lies in it, or is a glob that takes it in.
fn names_it(path: &[String], forbidden: &[&str]) -> bool {
    match path {
        [within @ .., glob] if glob == "*" => {
            starts_with(within, forbidden) || within.iter().eq(&forbidden[..within.len().min(forbidden.len())])
        }
        _ => starts_with(path, forbidden),
    }
}

fn starts_with(path: &[String], start: &[&str]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(name, start)| name == start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(file: &str, source: &str) -> Vec<String> {
        let file = Path::new(file);
        let paths = CodePath::all_in(file, source).unwrap();
        check(file, &paths).into_iter().map(|complaint| complaint.message).collect()
    }

    #[test]
    fn engine_must_be_pure() {
        for source in [
            "use std::fs;",
            "extern crate std;",
            "fn f() { std::thread::spawn(|| ()); }",
            "static COUNT: core::sync::atomic::AtomicU32 = f();",
            "use core::sync::*;",
            "static mut COUNT: u32 = 0;",
            "use jiff::Timestamp;",
        ] {
            assert!(!complaints("analyzer/engine/src/flow.rs", source).is_empty(), "{source}");
        }
    }

    #[test]
    fn the_daemons_core_must_be_pure() {
        for source in [
            "use std::fs;",
            "use tokio::sync::mpsc;",
            "fn f() { std::time::Instant::now(); }",
            "use std::io::*;",
            "use aya::Ebpf;",
            "use crate::bpf::programs;",
        ] {
            assert!(!complaints("analyzer/src/daemon/facts.rs", source).is_empty(), "{source}");
        }
        assert_eq!(complaints("analyzer/src/daemon/facts.rs", "use std::time::Duration;"), [""; 0]);
    }

    #[test]
    fn engine_may_use_what_is_pure() {
        let source = "
            //! Reads no std::fs.
            use alloc::sync::Arc;
            use core::net::{IpAddr, SocketAddr};
            use core::time::Duration;
            use analyzer_ebpf::abi::FlowKey;
            use hashbrown::HashMap;
            use crate::types::MacAddr;
            use super::fact;
            static NAMES: [&'static str; 1] = [\"std::io\"];
        ";
        assert_eq!(complaints("analyzer/engine/src/flow.rs", source), [""; 0]);
    }

    #[test]
    fn arrows_point_one_way() {
        for (file, source) in [
            ("analyzer/engine/src/types/mac.rs", "use crate::fact::Fact;"),
            ("analyzer/src/capture/pcap.rs", "use crate::engine::observation::Observation;"),
            ("analyzer/src/ovsdb/file.rs", "use super::super::ovn::rows;"),
            ("analyzer/src/conntrack/text.rs", "use crate::engine::finding::Finding;"),
            ("analyzer/src/ovn/zones.rs", "use crate::{types::MacAddr, output};"),
            ("analyzer/src/ovsdb/row.rs", "fn f() { crate::engine::fact::parse() }"),
            ("analyzer/src/output/json.rs", "use crate::inputs;"),
            ("analyzer/src/inputs/mod.rs", "use crate::commands::replay;"),
        ] {
            assert_eq!(complaints(file, source).len(), 1, "{file}: {source}");
        }
    }

    #[test]
    fn arrows_that_are_drawn_may_be_used() {
        for (file, source) in [
            ("analyzer/src/lib.rs", "pub mod ovn; use crate::engine::fact;"),
            ("analyzer/engine/src/types/mac.rs", "use super::prefix;"),
            (
                "analyzer/src/ovn/zones.rs",
                "use crate::engine::fact::Zone; use crate::types::MacAddr; use crate::ovsdb;",
            ),
            ("analyzer/src/commands/replay.rs", "use crate::{capture, engine, output};"),
            ("analyzer-ebpf/src/parse.rs", "use crate::engine;"),
        ] {
            assert_eq!(complaints(file, source), [""; 0], "{file}: {source}");
        }
    }

    #[test]
    fn module_without_arrows_is_named() {
        assert_eq!(complaints("analyzer/src/helpers/mod.rs", "").len(), 1);
    }
}
