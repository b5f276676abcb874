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
    ("--learned-routes", |paths, file| paths.learned_routes.push(file)),
    ("--ecmp-nexthops", |paths, file| paths.ecmp_nexthops.push(file)),
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
        let may_be_empty = matches!(*name, "--bfd" | "--static-mac-bindings" | "--learned-routes");
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
        (
            "--learned-routes",
            "datapath : 483669d5-4952-4330-bd3f-f3933341b68f\nexternal_ids : {}\nip_prefix : \"172.27.0.0/24\"\nlogical_port : 397895cc-03b0-4dc0-8746-e9459fe83e2d\nnexthop : \"198.19.3.15\"\n",
        ),
        (
            "--ecmp-nexthops",
            "datapath : 483669d5-4952-4330-bd3f-f3933341b68f\nexternal_ids : {}\nmac : \"ee:8d:82:db:f9:c4\"\nnexthop : \"198.19.3.15\"\nport : 397895cc-03b0-4dc0-8746-e9459fe83e2d\n",
        ),
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

/// Rows of the Southbound database that a learned route refers to.
const DATAPATH: &str = "_uuid : 483669d5-4952-4330-bd3f-f3933341b68f\nexternal_ids : {logical-router=\"5f1ee2a8-0a7e-4c4c-9a2c-7a3d4b0f1a11\", name=GR_worker-08}\n";
const PORT: &str = "_uuid : 397895cc-03b0-4dc0-8746-e9459fe83e2d\ndatapath : 483669d5-4952-4330-bd3f-f3933341b68f\nlogical_port : rtoe\nmac : \"52:54:00:c6:13:08 198.19.3.8/24\"\ntype : l3gateway\n";

fn routes_of(paths: &Paths) -> Vec<String> {
    let mut routes = Vec::new();
    load(paths, &mut |fact| {
        if let Fact::Route(route) = fact {
            let nexthop = route.nexthop.map(|ip| ip.to_string()).unwrap_or_default();
            routes.push(format!("{:?} {} {nexthop} {:?}", route.router, route.prefix, route.output_port));
        }
    })
    .expect("they can be read");
    routes
}

/// Every format tells the same, joined with what it refers to.
#[test]
fn learned_routes_as_text() {
    const UUID: &str = "a97895cc-03b0-4dc0-8746-e9459fe83e2d";
    const GR: &str = "483669d5-4952-4330-bd3f-f3933341b68f";
    const RTOE: &str = "397895cc-03b0-4dc0-8746-e9459fe83e2d";
    let list = format!(
        "_uuid               : {UUID}\ndatapath            : {GR}\nexternal_ids        : {{}}\nip_prefix           : \"172.27.0.0/24\"\nlogical_port        : {RTOE}\nnexthop             : \"198.19.3.1\"\n"
    );
    let csv = format!(
        "_uuid,datapath,external_ids,ip_prefix,logical_port,nexthop\n{UUID},{GR},{{}},\"\"\"172.27.0.0/24\"\"\",{RTOE},\"\"\"198.19.3.1\"\"\"\n"
    );
    let json = format!(
        "{{\"data\":[[[\"uuid\",\"{UUID}\"],[\"uuid\",\"{GR}\"],[\"map\",[]],\"172.27.0.0/24\",[\"uuid\",\"{RTOE}\"],\"198.19.3.1\"]],\"headings\":[\"_uuid\",\"datapath\",\"external_ids\",\"ip_prefix\",\"logical_port\",\"nexthop\"]}}\n"
    );
    let dashes = "-".repeat(36);
    let table = format!(
        "{:36} {:36} external_ids ip_prefix       {:36} nexthop\n{dashes} {dashes} ------------ --------------- {dashes} ------------\n{UUID} {GR} {{}}           \"172.27.0.0/24\" {RTOE} \"198.19.3.1\"\n",
        "_uuid", "datapath", "logical_port"
    );
    for (format, text) in [("list", list), ("csv", csv), ("json", json), ("table", table)] {
        let (learned, ports, datapaths) = (Folder::new(format), Folder::new("ports"), Folder::new("datapaths"));
        let alone = Paths { learned_routes: vec![learned.file(&text)], ..Paths::default() };
        assert_eq!(routes_of(&alone), ["None 172.27.0.0/24 198.19.3.1 None"], "{format}");
        let joined =
            Paths { port_bindings: vec![ports.file(PORT)], datapaths: vec![datapaths.file(DATAPATH)], ..alone };
        assert_eq!(routes_of(&joined), ["Some(\"GR_worker-08\") 172.27.0.0/24 198.19.3.1 Some(\"rtoe\")"], "{format}");
    }
}

/// The Northbound database has none of the routes that OVN learned, and what is lost of them is lost beside it, too.
#[test]
fn learned_routes_beside_a_database() {
    let mut told = Told { nb: Some("ovnnb.db".into()), ..Told::default() };
    let gap = Gap {
        scope: Scope::Routes { router: None, policy: None, prefix: None },
        place: Place { file: "learned_route.txt".into(), position: Position::Line(1) },
        validity: Validity::ALWAYS,
    };
    assert!(told.covers_gap(Database::Northbound, &gap) && !told.covers_gap(Database::Southbound, &gap));
    told.sb = Some("ovnsb.db".into());
    assert!(told.covers_gap(Database::Southbound, &gap));
}

#[test]
fn ecmp_nexthops_decide_nothing() {
    let folder = Folder::new("ecmp");
    let row = "_uuid : 397895cc-03b0-4dc0-8746-e9459fe83e2d\nmac : \"ee:8d:82:db:f9:c4\"\nnexthop : \"198.19.3.15\"\nport : 483669d5-4952-4330-bd3f-f3933341b68f\n";
    let mut paths = Paths::default();
    paths.ecmp_nexthops.push(folder.file(row));
    let mut facts = Vec::new();
    let loaded = load(&paths, &mut |fact| facts.push(fact)).expect("it can be read");
    assert_eq!(facts, []);
    assert_eq!(loaded.skipped_lines, 0);
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert!(warning.message.starts_with("ECMP_Nexthop decides nothing"), "{warning}");
}
