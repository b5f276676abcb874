use std::fs;
use std::path::PathBuf;

use super::*;

/// A folder of a test's own that goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("analyzer-load-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        Self(folder)
    }

    fn file(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.join("file");
        fs::write(&file, text).expect("a temporary file can be written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Target = fn(&mut Paths, PathBuf);

/// Every option that takes a text.
const TEXTS: &[(&str, Target)] = &[
    ("--nexthops", |paths, file| paths.nexthops.push(file)),
    ("--lr-routes", |paths, file| paths.lr_routes.push(super::super::paths::RouterFile { router: None, file })),
    ("--mac-bindings", |paths, file| paths.mac_bindings.push(file)),
    ("--static-mac-bindings", |paths, file| paths.static_mac_bindings.push(file)),
    ("--bfd", |paths, file| paths.bfd.push(file)),
    ("--static-routes", |paths, file| paths.static_routes.push(file)),
    ("--port-bindings", |paths, file| paths.port_bindings.push(file)),
    ("--datapaths", |paths, file| paths.datapaths.push(file)),
    ("--ct-zones", |paths, file| paths.ct_zones.push(file)),
    ("--mac-owners", |paths, file| paths.mac_owners.push(file)),
    ("--conntrack", |paths, file| paths.conntrack.push(file)),
];

fn load_as(option: Target, file: &Path) -> Result<Loaded, InputError> {
    let mut paths = Paths::default();
    option(&mut paths, file.to_owned());
    load(&paths, &mut |_| {})
}

#[test]
fn a_database_is_no_text() {
    let folder = Folder::new("database");
    let file = folder.file("OVSDB JSON 14 0123456789012345678901234567890123456789\n{\"name\":\"x\"}\n");
    for (name, option) in TEXTS {
        let error = load_as(*option, &file).expect_err(name).to_string();
        let is_told = error.contains("--nb-db") || *name == "--conntrack";
        assert!(is_told, "{name}: {error}");
    }
}

/// As editors on Windows and PowerShell write text.
#[test]
fn marks_of_other_systems() {
    let folder = Folder::new("marks");
    let text = "GR_worker-08_dnat 8\r\nGR_worker-08_snat 9\r\n";
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let marked = format!("\u{feff}{text}");
    for bytes in [utf16(&marked), utf16(text), marked.into_bytes()] {
        let mut paths = Paths::default();
        paths.ct_zones.push(folder.file(bytes));
        let mut zones = Vec::new();
        load(&paths, &mut |fact| {
            if let Fact::Zone(zone) = fact {
                zones.push(zone.name)
            }
        })
        .expect("it can be read");
        assert_eq!(zones, ["GR_worker-08_dnat".into(), "GR_worker-08_snat".into()] as [Arc<str>; 2]);
    }
}

/// What a failed command leaves behind is told. Tables that may well be empty are excepted.
#[test]
fn an_empty_file_is_told() {
    let folder = Folder::new("empty");
    let file = folder.file("");
    for (name, option) in TEXTS {
        let loaded = load_as(*option, &file).expect(name);
        let may_be_empty = matches!(*name, "--bfd" | "--static-mac-bindings");
        assert_eq!(loaded.warnings.len(), usize::from(!may_be_empty), "{name}: {:?}", loaded.warnings);
    }
}

#[test]
fn rows_of_another_table() {
    const UUID: &str = "_uuid : 397895cc-03b0-4dc0-8746-e9459fe83e2d\n";
    let rows = [
        ("--static-routes", "ip_prefix : \"10.0.0.0/8\"\nnexthop : \"198.19.3.15\"\nexternal_ids : {}\n"),
        ("--bfd", "dst_ip : \"198.19.3.15\"\nlogical_port : rtoe\nstatus : up\nexternal_ids : {}\n"),
        (
            "--static-mac-bindings",
            "ip : \"198.19.3.15\"\nlogical_port : rtoe\nmac : \"ee:8d:82:db:f9:c4\"\noverride_dynamic_mac : true\n",
        ),
        (
            "--mac-bindings",
            "datapath : 483669d5-4952-4330-bd3f-f3933341b68f\nip : \"198.19.3.15\"\nlogical_port : rtoe\nmac : \"ee:8d:82:db:f9:c4\"\n",
        ),
        (
            "--port-bindings",
            "datapath : 483669d5-4952-4330-bd3f-f3933341b68f\nlogical_port : rtoe\ntunnel_key : 2\ntype : l3gateway\noptions : {}\nexternal_ids : {}\n",
        ),
        ("--datapaths", "external_ids : {name=GR_worker-08}\ntunnel_key : 5\n"),
    ];
    let folder = Folder::new("tables");
    for (table, row) in rows {
        let file = folder.file(format!("{UUID}{row}"));
        for (name, option) in TEXTS.iter().filter(|(name, _)| rows.iter().any(|(table, _)| table == name)) {
            match load_as(*option, &file) {
                Ok(_) => assert_eq!(*name, table, "taken for {name}"),
                Err(error) => {
                    assert_ne!(*name, table, "{error}");
                    assert!(error.to_string().contains("list that table"), "{table} as {name}: {error}");
                }
            }
        }
    }
}
