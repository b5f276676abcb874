//! What stands in the databases as rows: those tables and columns that are monitored, and a few that are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use analyzer::ovsdb::row::{Atom, Change, Datum, Row};
use analyzer::types::MacAddr;

use super::addresses::{self, Owner};
use super::happening::{Ns, Which};
use super::parts::{Era, MILLISECOND, Nic, OUTER_KEY, Router, Version};
use super::standing::{Session, Standing, Status};

mod open_vswitch;

/// The rows of a database by table and UUID.
pub(super) type Rows = BTreeMap<(&'static str, Arc<str>), Arc<Row>>;

const CHASSIS: &str = "0fe3c1d2-4b1e-4e4b-9c40-1f6a9d0d7a01";
const HOSTNAME: &str = "node1";

/// What of a node stands in rows and never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    pub(super) version: Version,
    pub(super) is_v6: bool,
    /// Nanoseconds from the epoch to the start of `CLOCK_MONOTONIC`.
    pub(super) boot: u64,
}

/// Kinds of rows, told apart by the first digits of their UUIDs.
#[derive(Clone, Copy)]
enum Kind {
    Global = 1,
    Chassis,
    Router,
    Port,
    Route,
    Session,
    Datapath,
    Binding,
    StaticBinding,
    PortBinding,
    OpenVswitch,
    Bridge,
    OvsPort,
    Interface,
}

fn uuid(kind: Kind, number: u32, again: u32) -> Arc<str> {
    format!("{:08x}-{again:04x}-4000-8000-{number:012x}", kind as u32).into()
}

fn string(text: impl Into<Arc<str>>) -> Atom {
    Atom::String(text.into())
}

fn text(text: impl Into<Arc<str>>) -> Datum {
    Datum::Set(vec![string(text)])
}

fn integer(number: i64) -> Datum {
    Datum::Set(vec![Atom::Integer(number)])
}

fn refs(uuids: impl IntoIterator<Item = Arc<str>>) -> Datum {
    Datum::Set(uuids.into_iter().map(Atom::Uuid).collect())
}

fn map<V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (&'static str, V)>) -> Datum {
    Datum::Map(pairs.into_iter().map(|(key, value)| (string(key), string(value))).collect())
}

fn empty() -> Datum {
    Datum::Set(Vec::new())
}

/// Rows that are being put together.
#[derive(Default)]
struct Table(Rows);

impl Table {
    fn put<const N: usize>(&mut self, table: &'static str, uuid: Arc<str>, columns: [(&'static str, Datum); N]) {
        let columns = columns.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.0.insert((table, Arc::clone(&uuid)), Arc::new(Row { uuid, columns }));
    }
}

/// The rows of a database as things stand.
pub(super) fn rows(which: Which, setting: Setting, standing: &Standing, nics: &[Nic]) -> Rows {
    match which {
        Which::Northbound => northbound(setting, standing),
        Which::Southbound => southbound(setting, standing),
        Which::OpenVswitch => open_vswitch::rows(setting, standing, nics),
    }
}

/// What turns some rows into others.
pub(super) fn difference(before: &Rows, after: &Rows) -> Vec<Change> {
    let gone = before.iter().filter(|(id, _)| !after.contains_key(*id)).map(|((table, _), row)| Change {
        table: (*table).into(),
        old: Some(Arc::clone(row)),
        new: None,
    });
    let changed = after.iter().filter(|(id, row)| before.get(*id) != Some(row)).map(|(id, row)| Change {
        table: id.0.into(),
        old: before.get(id).cloned(),
        new: Some(Arc::clone(row)),
    });
    gone.chain(changed).collect()
}

fn global(setting: Setting) -> [(&'static str, Datum); 1] {
    [("options", map([("northd_internal_version", setting.version.release)]))]
}

fn router_uuid(number: usize, router: &Router) -> Arc<str> {
    uuid(Kind::Router, number as u32, router.made)
}

fn datapath_uuid(number: usize, router: &Router) -> Arc<str> {
    uuid(Kind::Datapath, number as u32, router.made)
}

fn status(session: &Session) -> Datum {
    match session.status {
        Status::Unset => empty(),
        Status::AdminDown => text("admin_down"),
        Status::Down => text("down"),
        Status::Init => text("init"),
        Status::Up => text("up"),
    }
}

fn northbound(setting: Setting, standing: &Standing) -> Rows {
    let mut table = Table::default();
    table.put("NB_Global", uuid(Kind::Global, 1, 0), global(setting));
    for (number, router) in standing.routers.iter().enumerate() {
        let routes = standing.routes.iter().filter(|(_, route)| route.router == number);
        let [outer, inner] = [0, 1].map(|side| uuid(Kind::Port, number as u32 * 2 + side, router.made));
        let columns = [
            ("name", text(router.name)),
            ("static_routes", refs(routes.map(|(&serial, _)| uuid(Kind::Route, serial, 0)))),
            ("ports", refs([Arc::clone(&outer), Arc::clone(&inner)])),
            ("nat", empty()),
            ("policies", empty()),
            ("options", map([("chassis", CHASSIS), ("dynamic_neigh_routers", "true")])),
        ];
        table.put("Logical_Router", router_uuid(number, router), columns);
        let (inside, join) = addresses::inside(setting.is_v6, number);
        let ports = [
            (outer, router.outer_port(), router.mac, router.address, router.network),
            (inner, router.inner_port(), inner_mac(number), inside, join),
        ];
        for (uuid, name, mac, address, network) in ports {
            let columns = [
                ("name", text(name)),
                ("mac", text(mac.to_string())),
                ("networks", text(format!("{address}/{}", network.prefix_len()))),
                ("options", map::<&str>([])),
            ];
            table.put("Logical_Router_Port", uuid, columns);
        }
    }
    for (&serial, route) in &standing.routes {
        let session = standing.sessions.get(&route.hop()).filter(|_| route.has_bfd);
        let prefix = match route.source {
            Some(pod) => format!("{pod}/{}", if setting.is_v6 { 128 } else { 32 }),
            None => addresses::everywhere(setting.is_v6).to_string(),
        };
        let symmetric = route.source.map(|_| ("ecmp_symmetric_reply", "true"));
        let columns = [
            ("ip_prefix", text(prefix)),
            ("nexthop", text(route.nexthop.to_string())),
            ("output_port", text(standing.routers[route.router].outer_port())),
            ("policy", if route.source.is_some() { text("src-ip") } else { empty() }),
            ("options", map(symmetric)),
            ("bfd", refs(session.map(|session| uuid(Kind::Session, session.serial, 0)))),
            ("external_ids", map::<&str>([])),
            ("route_table", text("")),
        ];
        table.put("Logical_Router_Static_Route", uuid(Kind::Route, serial, 0), columns);
    }
    for ((router, peer), session) in &standing.sessions {
        let columns = [
            ("logical_port", text(standing.routers[*router].outer_port())),
            ("dst_ip", text(peer.to_string())),
            ("status", status(session)),
        ];
        table.put("BFD", uuid(Kind::Session, session.serial, 0), columns);
    }
    static_bindings(&mut table, standing);
    table.0
}

/// Rows that both databases have.
fn static_bindings(table: &mut Table, standing: &Standing) {
    for (number, ((router, address), mac)) in (0..).zip(&standing.statics) {
        let columns = [
            ("ip", text(address.to_string())),
            ("logical_port", text(standing.routers[*router].outer_port())),
            ("mac", text(mac.to_string())),
            ("override_dynamic_mac", Datum::Set(vec![Atom::Boolean(true)])),
        ];
        table.put("Static_MAC_Binding", uuid(Kind::StaticBinding, number, 0), columns);
    }
}

fn inner_mac(router: usize) -> MacAddr {
    addresses::mac(Owner::Port, 0x10 + router as u8)
}

fn southbound(setting: Setting, standing: &Standing) -> Rows {
    let Setting { version, .. } = setting;
    let mut table = Table::default();
    table.put("SB_Global", uuid(Kind::Global, 2, 0), global(setting));
    let can = if version.is_mark_form { "true" } else { "false" };
    for (number, (name, hostname)) in [(CHASSIS, HOSTNAME), ("b41f", "node2")].into_iter().enumerate() {
        let columns =
            [("name", text(name)), ("hostname", text(hostname)), ("other_config", map([("ct-no-masked-label", can)]))];
        table.put("Chassis", uuid(Kind::Chassis, number as u32, 0), columns);
    }
    for (number, router) in standing.routers.iter().enumerate() {
        let ids = [("name", router.name.into()), ("logical-router", router_uuid(number, router))];
        table.put("Datapath_Binding", datapath_uuid(number, router), [("external_ids", map::<Arc<str>>(ids))]);
        let (inside, join) = addresses::inside(setting.is_v6, number);
        let ports = [
            (router.outer_port(), router.mac, router.address, router.network, OUTER_KEY),
            (router.inner_port(), inner_mac(number), inside, join, 1),
        ];
        for (name, mac, address, network, key) in ports {
            let peer = format!("{}-{}", if key == OUTER_KEY { "etor" } else { "jtor" }, router.name);
            let columns = [
                ("datapath", refs([datapath_uuid(number, router)])),
                ("logical_port", text(name)),
                ("mac", text(format!("{mac} {address}/{}", network.prefix_len()))),
                ("options", map([("l3gateway-chassis", CHASSIS.to_owned()), ("peer", peer)])),
                ("tunnel_key", integer(i64::from(key))),
                ("type", text("l3gateway")),
            ];
            table.put(
                "Port_Binding",
                uuid(Kind::PortBinding, number as u32 * 2 + u32::from(key), router.made),
                columns,
            );
        }
    }
    for ((router, address), binding) in &standing.bindings {
        let columns = [
            ("ip", text(address.to_string())),
            ("logical_port", text(standing.routers[*router].outer_port())),
            ("mac", text(binding.mac.to_string())),
            ("timestamp", timestamp(setting, binding.confirmed)),
        ];
        table.put("MAC_Binding", uuid(Kind::Binding, binding.serial, 0), columns);
    }
    static_bindings(&mut table, standing);
    table.0
}

/// Milliseconds since the epoch, which the oldest releases do not write.
fn timestamp(setting: Setting, at: Ns) -> Datum {
    let millis = i64::try_from((setting.boot + at) / MILLISECOND).expect("within this age");
    if setting.version.era == Era::A { empty() } else { integer(millis) }
}
