//! Which OVN plays: the one that is installed, or one that `cargo xtask` has unpacked beside it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::netns::{Missing, require};

/// Set by `cargo xtask lab --ovn`: the version, `25.03`.
const OVN: &str = "ANALYZER_LAB_OVN";

/// Programs of OVN and Open vSwitch, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 5] = [
    ("ovs-vswitchd", "openvswitch-switch"),
    ("ovsdb-tool", "openvswitch-common"),
    ("ovn-northd", "ovn-central"),
    ("ovn-nbctl", "ovn-common"),
    ("ovn-controller", "ovn-host"),
];

/// OVN, and the Open vSwitch beside it.
pub(crate) struct Ovn {
    /// Where it is unpacked; `None` for what is installed.
    tree: Option<PathBuf>,
}

impl Ovn {
    /// The one that the environment asks for.
    pub(crate) fn chosen() -> Result<Self, Missing> {
        match env::var(OVN) {
            Ok(version) => Self::of_version(&version),
            Err(_) => Self::installed(),
        }
    }

    /// That of a version, `25.03`.
    pub(crate) fn of_version(version: &str) -> Result<Self, Missing> {
        if installed_version().is_some_and(|own| own.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))) {
            return Self::installed();
        }
        let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("ovn").join(version);
        let is_whole = PROGRAMS.iter().all(|(program, _)| tree.join("bin").join(program).is_file());
        let lacks =
            || Missing::new(&format!("there is no OVN {version}; `cargo xtask lab --ovn {version}` downloads it"));
        is_whole.then_some(Self { tree: Some(tree) }).ok_or_else(lacks)
    }

    /// The newest that is there.
    pub(crate) fn newest() -> Result<Self, Missing> {
        ["26.03", "25.03"].into_iter().map(Self::of_version).reduce(Result::or).expect("there are versions")
    }

    fn installed() -> Result<Self, Missing> {
        PROGRAMS.iter().try_for_each(|(program, package)| require(program, package))?;
        Ok(Self { tree: None })
    }

    /// What makes a shell find its programs first.
    pub(crate) fn environment(&self) -> String {
        self.tree.as_ref().map_or_else(String::new, |tree| format!("export PATH={}/bin:$PATH\n", tree.display()))
    }

    /// The file of a schema: `ovn/ovn-nb`.
    pub(crate) fn schema(&self, name: &str) -> PathBuf {
        let root = self.tree.as_deref().unwrap_or(Path::new("/"));
        root.join("usr/share").join(name).with_extension("ovsschema")
    }
}

/// The version that is installed, if one is.
fn installed_version() -> Option<String> {
    let output = Command::new("ovn-northd").arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.lines().next()?.split_whitespace().last().map(str::to_owned)
}
