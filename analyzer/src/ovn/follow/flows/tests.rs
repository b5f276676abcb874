use super::*;
use crate::engine::fact::{Ovn, OvnSays, ReplyFlow};
use crate::ovn::follow::Database;
use crate::ovsdb::row::Change;

const GR: &str = "11111111-1111-1111-1111-111111111111";
const OTHER: &str = "22222222-2222-2222-2222-222222222222";
const GROUP: &str = "33333333-3333-3333-3333-333333333333";
const STRANGERS: &str = "44444444-4444-4444-4444-444444444444";

fn text(text: &str) -> Datum {
    Datum::Set(vec![Atom::String(text.into())])
}

fn uuid(uuid: &str) -> Datum {
    Datum::Set(vec![Atom::Uuid(uuid.into())])
}

fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::Map(pairs.iter().map(|(key, value)| (Atom::String((*key).into()), Atom::String((*value).into()))).collect())
}

fn row(uuid: &str, columns: Vec<(&str, Datum)>) -> Row {
    Row { uuid: uuid.into(), columns: columns.into_iter().map(|(name, value)| (name.into(), value)).collect() }
}

fn flow(stage: &str, priority: i64, expression: &str, datapath: (&str, &str)) -> Row {
    row(
        "",
        vec![
            ("external_ids", map(&[("stage-name", stage)])),
            ("priority", Datum::Set(vec![Atom::Integer(priority)])),
            ("match", text(expression)),
            (datapath.0, uuid(datapath.1)),
        ],
    )
}

fn own_routers() -> Routers {
    Routers::from([(GR.into(), "GR_worker-08".into())])
}

#[test]
fn routers_of_this_chassis() {
    let mut follower = Follower::new(Database::Southbound { with_northbound: true }, "unix:sb".into());
    let datapath =
        |id: &str, name: &str, kind: &str| row(id, vec![("external_ids", map(&[("name", name), (kind, "x")]))]);
    let port = |id: &str, of: &str, chassis: &str| {
        row(id, vec![("datapath", uuid(of)), ("options", map(&[("l3gateway-chassis", chassis)]))])
    };
    let rows = [
        ("Datapath_Binding", datapath(GR, "GR_worker-08", "logical-router")),
        ("Datapath_Binding", datapath(OTHER, "GR_worker-09", "logical-router")),
        ("Datapath_Binding", datapath(GROUP, "ext_worker-08", "logical-switch")),
        ("Port_Binding", port("a", GR, "0fe3")),
        ("Port_Binding", port("b", GR, "0fe3")),
        ("Port_Binding", port("c", OTHER, "77aa")),
        ("Port_Binding", port("d", GROUP, "0fe3")),
        ("Port_Binding", row("e", vec![("datapath", uuid(OTHER))])),
    ];
    let change = |(table, row): (&str, Row)| Change { table: table.into(), old: None, new: Some(Arc::new(row)) };
    follower.apply(&rows.map(change));
    assert_eq!(routers(&["0fe3".into()].into(), &follower), own_routers());
    assert_eq!(routers(&["none".into()].into(), &follower), Routers::new());
    assert_eq!(routers(&BTreeSet::new(), &follower).len(), 2, "nobody tells who this node is");
}

#[test]
fn what_is_asked() {
    let own = own(&own_routers());
    let asked: Vec<_> =
        own.iter().map(|select| (&select.conditions[1][2], &select.conditions[3][2][1][0][1])).collect();
    let expected =
        [("lr_in_arp_resolve", 200), ("lr_in_arp_resolve", 0), ("lr_in_ip_routing", 10300), ("lr_in_ip_routing", 100)];
    assert_eq!(
        asked,
        expected.map(|(stage, priority)| (json!(priority), json!(stage))).each_ref().map(|(a, b)| (a, b))
    );
    assert_eq!(own[0].conditions[0], json!(["logical_datapath", "==", ["uuid", GR]]));
    assert_eq!(own[0].conditions[2], json!(["pipeline", "==", "ingress"]));
    assert!(own.iter().all(|select| !select.columns.contains(&"logical_dp_group")), "not every schema has it");
    let shared = shared();
    assert_eq!(shared.len(), 4);
    assert_eq!(shared[0].conditions[0], json!(["logical_datapath", "==", ["set", []]]));
    assert!(shared.iter().all(|select| select.columns.contains(&"logical_dp_group")));
}

#[test]
fn shared_flows_are_those_of_the_routers_in_their_group() {
    let routing = flow(
        "lr_in_ip_routing",
        10300,
        "ct_mark.ecmp_reply_port == 2 && reg7 == 0 && ip4.src == 10.244.3.5/32",
        ("logical_datapath", GR),
    );
    let shared = [
        flow("lr_in_arp_resolve", 200, "ct_mark.ecmp_reply_port == 2", ("logical_dp_group", GROUP)),
        flow("lr_in_arp_resolve", 200, "ct_mark.ecmp_reply_port == 3", ("logical_dp_group", STRANGERS)),
        flow("lr_in_arp_resolve", 0, "1", ("logical_dp_group", GROUP)),
    ];
    let groups = Group::of(&shared);
    let asked: Vec<_> = groups.iter().flat_map(|group| group.selects(&own_routers())).collect();
    let is = |group| json!(["_uuid", "==", ["uuid", group]]);
    let holds = json!(["datapaths", "includes", ["uuid", GR]]);
    let conditions: Vec<_> = asked.iter().map(|select| select.conditions.clone()).collect();
    let [first, second] = [is(GROUP), is(STRANGERS)];
    let expected = [vec![first.clone()], vec![first, holds.clone()], vec![second.clone()], vec![second, holds]];
    assert_eq!(conditions, expected);

    let there = || vec![row(GROUP, vec![])];
    let [group, strangers] = <[Group; 2]>::try_from(groups).unwrap();
    assert_eq!(group.clone().answered(&own_routers(), &[vec![], vec![]]), None, "it is gone");
    let group = group.answered(&own_routers(), &[there(), there()]).unwrap();
    let strangers = strangers.answered(&own_routers(), &[there(), vec![]]).unwrap();
    let rows = std::iter::once(routing).chain(shared).collect();
    let facts = facts(rows, &[group, strangers], &own_routers());
    let told: Vec<_> = facts
        .iter()
        .map(|fact| match fact {
            Fact::Ovn(Ovn { says: OvnSays::Flow { router: Some(router), flow }, .. }) => match flow {
                ReplyFlow::Routes { read, .. } => (&**router, "routes", read.port),
                ReplyFlow::Resolves(read) => (&**router, "resolves", read.port),
                ReplyFlow::Default => (&**router, "default", 0),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    let router = "GR_worker-08";
    assert_eq!(told, [(router, "routes", 2), (router, "resolves", 2), (router, "default", 0)]);
}
