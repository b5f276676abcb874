//! What several fuzz targets share. A target fails by a panic, of the analyzer or of an assertion here.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, LazyLock};

use analyzer::capture::{self, Options};
use analyzer::ovn::{northbound, southbound, zones};
use analyzer::ovsdb::row::Tables;

/// Tables that facts are made of.
pub const TABLES: [&str; 12] = [
    "BFD",
    "Bridge",
    "Datapath_Binding",
    "Learned_Route",
    "Logical_Router",
    "Logical_Router_Policy",
    "Logical_Router_Port",
    "Logical_Router_Static_Route",
    "MAC_Binding",
    "NAT",
    "Port_Binding",
    "Static_MAC_Binding",
];

/// The name that warnings give to the input.
pub fn file() -> Arc<str> {
    "fuzz".into()
}

/// Makes facts of rows, whatever they were read from.
pub fn facts(tables: &Tables) {
    let file = file();
    northbound::facts(tables, &file);
    southbound::facts(tables, &file);
    zones::facts(tables, &file);
}

/// Reads a capture of any format to its end.
pub fn capture(bytes: &[u8]) {
    /// Captures are opened by path.
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("analyzer-fuzz-{}", process::id()))
    });
    fs::write(&*PATH, bytes).expect("the folder for temporary files must be writable");
    let opened = capture::open(&PATH, &Options::default());
    // The open file lives on, and nothing is left behind when libFuzzer ends the process.
    fs::remove_file(&*PATH).expect("the file was just written");
    let Ok(mut reader) = opened else { return };
    while let Ok(true) = reader.advance() {
        let item = reader.item().expect("a frame was reached");
        assert!(usize::from(item.interface()) < reader.interfaces().len(), "a frame of an interface that is not known");
    }
}
