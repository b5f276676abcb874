//! The rows of the Open_vSwitch database: this chassis, its bridges with their uplinks, and the zones.

use std::sync::Arc;

use analyzer::ovsdb::row::Datum;

use super::super::parts::Nic;
use super::super::standing::Standing;
use super::{CHASSIS, HOSTNAME, Kind, Rows, Setting, Table, datapath_uuid, map, refs, string, text, uuid};

pub(super) fn rows(setting: Setting, standing: &Standing, nics: &[Nic]) -> Rows {
    let mut table = Table::default();
    let bridges = ["br-int", "br-ex", "br-ex1"].iter().take(nics.len() + 1).enumerate();
    let mappings: Vec<String> =
        bridges.clone().skip(1).map(|(number, name)| format!("physnet{number}:{name}")).collect();
    let ids = [
        ("system-id", CHASSIS.to_owned()),
        ("hostname", HOSTNAME.to_owned()),
        ("ovn-bridge", "br-int".to_owned()),
        ("ovn-bridge-mappings", mappings.join(",")),
        ("ovn-remote", "unix:/var/run/ovn/ovnsb_db.sock".to_owned()),
    ];
    let columns = [
        ("bridges", refs(bridges.clone().map(|(number, _)| uuid(Kind::Bridge, number as u32, 0)))),
        ("external_ids", map(ids)),
        ("other_config", map::<&str>([])),
    ];
    table.put("Open_vSwitch", uuid(Kind::OpenVswitch, 0, 0), columns);
    for (number, name) in bridges {
        // Beside the bridge's own port the outer ones have an uplink.
        let uplink = number.checked_sub(1).map(|nic| nics[nic].name);
        let ports = std::iter::once((*name, "internal")).chain(uplink.map(|name| (name, "")));
        let ids = |port: u32| number as u32 * 2 + port;
        for (port, (name, kind)) in (0..).zip(ports.clone()) {
            let interface = uuid(Kind::Interface, ids(port), 0);
            let columns = [("name", text(name)), ("interfaces", refs([Arc::clone(&interface)]))];
            table.put("Port", uuid(Kind::OvsPort, ids(port), 0), columns);
            table.put("Interface", interface, [("name", text(name)), ("type", text(kind))]);
        }
        let external_ids = match uplink {
            Some(uplink) => map([("bridge-uplink", uplink)]),
            None => zones(setting, standing),
        };
        let columns = [
            ("name", text(*name)),
            ("datapath_type", text("")),
            ("ports", refs((0..).zip(ports).map(|(port, _)| uuid(Kind::OvsPort, ids(port), 0)))),
            ("external_ids", external_ids),
        ];
        table.put("Bridge", uuid(Kind::Bridge, number as u32, 0), columns);
    }
    table.0
}

/// The zones of br-int: those of the routers, and one of a pod's port.
fn zones(setting: Setting, standing: &Standing) -> Datum {
    let mut zones = vec![(string("ct-zone-default_pod-5"), string("50"))];
    for (number, router) in standing.routers.iter().enumerate() {
        let datapath = datapath_uuid(number, router);
        let user = if setting.version.names_zones_by_uuid { &*datapath } else { router.name };
        zones.push((string(format!("ct-zone-{user}_dnat")), string(router.zone.to_string())));
        zones.push((string(format!("ct-zone-{user}_snat")), string("0")));
    }
    Datum::Map(zones)
}
