//! The objects that are built here and committed.

use std::path::Path;

/// An object with programs for the kernel.
pub(super) struct Object {
    /// Its name: `analyzer/ebpf/NAME.bpf.o` is the object, `NAME.bpf.toml` its record.
    pub(super) name: &'static str,
    /// The binary of `analyzer-ebpf` that it is.
    pub(super) program: &'static str,
    /// The feature that it is built with.
    pub(super) feature: &'static str,
    /// What of `analyzer-ebpf/src` is in other objects alone.
    without: &'static [&'static str],
}

/// All of them.
pub(super) static OBJECTS: [Object; 3] = [
    Object {
        name: "analyzer",
        program: "analyzer-bpf",
        feature: "prog",
        without: &["redirect.rs", "trace.rs", "trace"],
    },
    Object {
        name: "redirect",
        program: "redirect-bpf",
        feature: "prog",
        without: &["main.rs", "prog", "trace.rs", "trace"],
    },
    Object { name: "analyzer-trace", program: "trace-bpf", feature: "trace", without: &["main.rs", "redirect.rs"] },
];

impl Object {
    /// The committed object.
    pub(super) fn file(&self) -> String {
        format!("analyzer/ebpf/{}.bpf.o", self.name)
    }

    /// What built it.
    pub(super) fn record(&self) -> String {
        format!("analyzer/ebpf/{}.bpf.toml", self.name)
    }

    /// Whether it is made of a file. Tests and what they alone use are in no object.
    pub(super) fn is_made_of(&self, file: &Path) -> bool {
        if file == Path::new("analyzer-ebpf/Cargo.toml") {
            return true;
        }
        let Ok(source) = file.strip_prefix("analyzer-ebpf/src") else { return false };
        let is_test = source.ends_with("tests.rs") || source.ends_with("fixtures.rs");
        !is_test && !self.without.iter().any(|other| source.starts_with(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_made_of_what_it_shares_and_of_its_own() {
        for (path, expected) in [
            ("analyzer-ebpf/Cargo.toml", [true, true, true]),
            ("analyzer-ebpf/src/parse/ipv6.rs", [true, true, true]),
            ("analyzer-ebpf/src/main.rs", [true, false, false]),
            ("analyzer-ebpf/src/prog/judge.rs", [true, false, true]),
            ("analyzer-ebpf/src/redirect.rs", [false, true, false]),
            ("analyzer-ebpf/src/trace.rs", [false, false, true]),
            ("analyzer-ebpf/src/trace/cpu.rs", [false, false, true]),
            ("analyzer-ebpf/src/parse/tests.rs", [false, false, false]),
            ("analyzer-ebpf/src/fixtures.rs", [false, false, false]),
            ("analyzer/src/main.rs", [false, false, false]),
        ] {
            assert_eq!(OBJECTS.each_ref().map(|object| object.is_made_of(Path::new(path))), expected, "{path}");
        }
    }
}
