//! Sources are translated: the pod's packets leave with the router's address.

use analyzer::types::Tuple;

use super::{flows, to};
use crate::addresses::{GW1, GW1_NEW, GW2, V4};
use crate::capture::{Seen, since};
use crate::datapath::Datapath;
use crate::netns::{Missing, run};
use crate::node::Node;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

fn translated(node: &Node, first_port: u16) -> [Conversation; 2] {
    [0, 1].map(|port| Conversation::translated(node, first_port + port, first_port - 35000 + port))
}

/// OVN 23.03.1 translates what the pod opens and labels what the client opens, and nothing is both: translated flows
/// follow the next hops, whoever answers them. Since 24.09 OVN labels what the pod opens, too: such flows stay with the next
/// hop that answers. Beside them the client's flows violate, under the pod's own address.
#[test]
fn translated_flows_follow_the_next_hops() {
    run(|| {
        let mut watch = Watch::new(V4, |node| {
            node.translate();
            node.pin_for_life();
            Ok(())
        })?;
        // First, so that their entries are in the first reading.
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 2);
        let answers = watch.settled(&[&pinned]);
        let mut opened: Vec<_> = [41000, 42000].into_iter().flat_map(|port| translated(&watch.node, port)).collect();
        push(&mut opened, 1);
        opened.iter().for_each(Conversation::arrives);
        let first = since(&answers, &watch.settled(&[&opened, &pinned]));
        // ovs-vswitchd hashes addresses alone, so that all take the same; the kernel hashes ports, too. Most are enough.
        let taken = if to(&first, GW1).len() * 2 >= first.len() { GW1 } else { GW2 };
        let (mut opened, others): (Vec<_>, Vec<_>) =
            opened.into_iter().partition(|flow| first.contains_key(&(flow.tuple(), taken)));
        assert!(others.is_empty() || watch.node.datapath() == Datapath::Kernel, "{first:#?}");
        watch.node.client_answers_by(if taken == GW1 { 0 } else { 1 });
        opened.iter().for_each(Conversation::request);
        push(&mut opened, 2);
        let before = watch.settled(&[&opened, &others, &pinned]);
        watch.node.replace_gateway(&watch.spare);
        watch.let_grace_pass();
        // Their entries have been read, and what translates and tells the host's packets with them.
        watch.wait_latent("armed", &pinned);
        push(&mut opened, 3);
        push(&mut pinned, 3);
        let after = since(&before, &watch.settled(&[&opened, &others, &pinned]));
        let violating = to(&after, GW1);
        let is_stale = |flow: &Conversation| violating.contains_key(&(flow.tuple(), GW1));
        assert!(pinned.iter().all(is_stale), "{after:#?}");
        let follow = if taken == GW2 || watch.node.replies().both_directions { taken } else { GW1_NEW };
        assert!(opened.iter().all(|flow| after.contains_key(&(flow.tuple(), follow))), "{after:#?}");
        watch.wait_violating("stale-conntrack", &pinned);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}

/// Since 24.09 OVN labels what the pod opens, too, by the first answer. The packets leave to the dead gateway with the
/// router's address, and the entries that are cited, found by way of those that translate, hold the pod's. Before, they
/// leave to the one that has taken its place.
#[test]
fn translated_and_pinned() {
    run(|| {
        let mut pinned = Vec::new();
        let mut watch = Watch::new(V4, |node| {
            node.translate();
            pinned.extend(translated(node, 41000));
            for flow in &mut pinned {
                flow.answer();
                flow.arrives();
                flow.request();
                flow.sent = 0;
            }
            Ok(())
        })?;
        push(&mut pinned, 2);
        let before = watch.settled(&[&pinned]);
        if !watch.node.replies().both_directions {
            return follows(watch, pinned, &before);
        }
        assert_eq!(to(&before, GW1), before, "all leave to where they are answered from");
        say("the pod's flows are answered by the first gateway; now it dies");
        watch.node.replace_gateway(&watch.spare);
        let pod = watch.node.addresses().pod_ip();
        watch.let_grace_pass();
        // Their entries have been read, and what translates and tells the host's packets with them.
        watch.wait_latent("armed", &[0, 1].map(|flow: usize| Tuple { src: pod, ..pinned[flow].tuple() }));
        push(&mut pinned, 3);
        let violating = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        watch.wait_violating("stale-conntrack", &pinned);
        let zone = watch.node.zone();
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        for finding in &ended.findings {
            let [cited] = &finding["conntrack"].as_array().expect("a list")[..] else { panic!("{finding}") };
            assert_eq!((&cited["zone"], &cited["orig"]["src"]), (&zone.into(), &pod.to_string().into()), "{finding}");
        }
        Ok(())
    });
}

/// The rest where nothing labels them: they go to the next hops that there are.
fn follows(watch: Watch, mut flows: Vec<Conversation>, before: &Seen) -> Result<(), Missing> {
    watch.node.replace_gateway(&watch.spare);
    watch.let_grace_pass();
    push(&mut flows, 3);
    let after = since(before, &watch.settled(&[&flows]));
    assert!(to(&after, GW1).is_empty(), "{after:#?}");
    let ended = watch.expect(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    Ok(())
}
