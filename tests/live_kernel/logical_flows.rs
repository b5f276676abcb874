//! What the logical flows of the router say, asked of a real ovsdb-server: by commands once, by the daemon again and again.

use serde_json::{Value, json};

use crate::lab::{GW3, labelled};
use crate::netns::run;
use crate::ovn::{Worker, ZONE, flow, map};

/// A release that may apply labels, or not.
const OLD: &str = "23.03.1-20.27.1-70.6";

/// A logical flow of the router's, or one of a group of datapaths.
fn logical_flow(datapath: (&str, Value), stage: &str, priority: u32, expression: &str) -> Value {
    json!({"op": "insert", "table": "Logical_Flow", "row": {
        datapath.0: datapath.1, "pipeline": "ingress", "table_id": 21, "priority": priority, "match": expression,
        "actions": "next;", "external_ids": map(&[("stage-name", stage)])}})
}

/// The UUID of the router's datapath.
fn datapath(worker: &Worker) -> Value {
    let rows = &worker.sb.dump()["Datapath_Binding"];
    json!(["uuid", rows.keys().next().expect("it has one")])
}

/// The flows of the router, which read ports in the mark or in the label. Those that many routers have name a group.
fn flows(worker: &Worker, form: &str) -> [Value; 5] {
    let datapath = datapath(worker);
    let port = format!("{form}.ecmp_reply_port == 2");
    let group = || ("logical_dp_group", json!(["named-uuid", "group"]));
    [
        json!({"op": "delete", "table": "Logical_Flow", "where": []}),
        json!({"op": "insert", "table": "Logical_DP_Group", "uuid-name": "group", "row": {
            "datapaths": ["set", [datapath]]}}),
        logical_flow(group(), "lr_in_arp_resolve", 200, &port),
        logical_flow(group(), "lr_in_arp_resolve", 0, "1"),
        logical_flow(
            ("logical_datapath", datapath),
            "lr_in_ip_routing",
            10300,
            &format!("{port} && reg7 == 0 && ip4.src == 10.244.0.5/32"),
        ),
    ]
}

/// How the entry stands, why, and what was said beside.
fn standing(worker: &Worker) -> (String, String, String) {
    let output = worker.ask(&["conntrack", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let entry = &json["entries"][0];
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    (text("standing"), text("reason"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn they_count_more_than_the_release_unless_there_are_too_many() {
    run(|| {
        let worker = Worker::new("live-flows")?;
        worker.lab.conntrack().create(&[labelled(flow(4000, GW3).tuple, ZONE, GW3)]);
        assert_eq!(standing(&worker).0, "stale", "by the release");
        worker.set_northd(OLD);
        let (name, why, _) = standing(&worker);
        assert!(name == "undetermined" && why.contains("30 s"), "{name}: {why}");
        worker.sb.transact(&flows(&worker, "ct_mark"));
        assert_eq!(standing(&worker).0, "stale");
        worker.sb.transact(&flows(&worker, "ct_label"));
        let (name, why, _) = standing(&worker);
        assert!(name == "unused" && why.contains("in the mark, where OVN does not read it"), "{name}: {why}");
        let datapath = datapath(&worker);
        for number in 0..42 {
            let expression = format!("ct_mark.ecmp_reply_port == {number} && {}", "x".repeat(100 << 10));
            let of_router = ("logical_datapath", datapath.clone());
            worker.sb.transact(&[logical_flow(of_router, "lr_in_arp_resolve", 200, &expression)]);
        }
        let (name, why, said) = standing(&worker);
        assert!(name == "undetermined" && why.contains("30 s"), "{name}: {why}");
        assert_eq!(said.matches("the answer has more than 4194304 bytes").count(), 1, "{said}");
        Ok(())
    });
}

#[test]
fn the_daemon_asks_again_when_northd_is_another() {
    run(|| {
        let worker = Worker::new("live-flows-upgrade")?;
        worker.sb.transact(&flows(&worker, "ct_label"));
        worker.lab.conntrack().create(&[labelled(flow(4000, GW3).tuple, ZONE, GW3)]);
        let mut live = worker.live(&["-i", "auto", "--conntrack-interval", "1"]);
        live.ready();
        let is = |state: &'static str| move |object: &Value| object["type"] == "latent" && object["state"] == state;
        live.wait("an entry with its port where nothing reads it", is("unused"));
        // By its release alone this one says nothing for certain.
        worker.sb.transact(&flows(&worker, "ct_mark"));
        worker.set_northd(OLD);
        let armed = live.wait("the same where it is read", is("armed"));
        assert_eq!(armed["assumes"].as_array().map(|codes| codes.contains(&json!("version-unknown"))), Some(false));
        worker.sb.transact(&flows(&worker, "ct_label"));
        worker.set_northd("22.03.0-20.27.1-70.6");
        live.wait("it is out of use again", is("unused"));
        let ended = live.stop();
        assert_eq!(ended.said().matches("sb tells no logical flows").count(), 0, "{}", ended.said());
        Ok(())
    });
}
