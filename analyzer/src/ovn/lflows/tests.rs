use super::*;

fn mark(port: u16) -> PortRead {
    PortRead { form: PortForm::Mark, port, of_replies: false, while_learned: false }
}

fn routes(read: PortRead, prefix: &str) -> Option<ReplyFlow> {
    Some(ReplyFlow::Routes { read, policy: Policy::SrcIp, prefix: prefix.parse().unwrap() })
}

/// Matches as northd writes them.
#[test]
fn matches_of_every_era() {
    let learned = PortRead { of_replies: true, while_learned: true, ..mark(1) };
    let labelled = PortRead { form: PortForm::Label, of_replies: true, ..mark(2) };
    let by_destination =
        ReplyFlow::Routes { read: mark(2), policy: Policy::DstIp, prefix: "fd00::/64".parse().unwrap() };
    for (stage, priority, expression, flow) in [
        // 20.12.0
        (RESOLVES, 200, "ct.rpl && ct_label.ecmp_reply_port == 2", Some(ReplyFlow::Resolves(labelled))),
        (
            ROUTES,
            100,
            "ct.rpl && ct_label.ecmp_reply_port == 2 && ip4.src == 10.244.3.5/32",
            routes(labelled, "10.244.3.5/32"),
        ),
        (RESOLVES, 0, "ip4", Some(ReplyFlow::Default)),
        // 23.03.1
        (RESOLVES, 200, "ct.rpl && reg9[5] == 1 && ct_mark.ecmp_reply_port == 1", Some(ReplyFlow::Resolves(learned))),
        // 26.03.1
        (RESOLVES, 200, "ct_mark.ecmp_reply_port == 2", Some(ReplyFlow::Resolves(mark(2)))),
        (
            ROUTES,
            10300,
            "ct_mark.ecmp_reply_port == 2 && reg7 == 0 && ip4.src == 10.244.3.5/32",
            routes(mark(2), "10.244.3.5/32"),
        ),
        (ROUTES, 10300, "ct_mark.ecmp_reply_port == 2 && reg7 == 1 && ip6.dst == fd00::/64", Some(by_destination)),
        (RESOLVES, 0, "1", Some(ReplyFlow::Default)),
        // Other flows and stages.
        (RESOLVES, 100, "outport == \"rtoe-GR_w\" && reg0 == 172.18.0.1", None),
        (ROUTES, 0, "1", None),
        ("lr_in_policy", 65535, "ct_mark.ecmp_reply_port == 2", None),
        // Words that no release has.
        (RESOLVES, 200, "ct_mark.ecmp_reply_port == 2 && reg9[7] == 1", Some(ReplyFlow::Unclear)),
        (RESOLVES, 200, "ct_mark.ecmp_reply_port == $ports", Some(ReplyFlow::Unclear)),
        (ROUTES, 10300, "ct_mark.ecmp_reply_port == 2", Some(ReplyFlow::Unclear)),
    ] {
        assert_eq!(reply_flow(stage, priority, expression), flow, "{stage} {expression}");
    }
}

#[test]
fn text_of_lflow_list() {
    let text = br#"# ovn-sbctl lflow-list GR_worker-08
Datapath: "GR_worker-08" (34f0d159-892f-4f8b-8b3c-313279b091d3)  Pipeline: ingress
  table=0 (lr_in_admission    ), priority=100  , match=(vlan.present || eth.src[40]), action=(drop;)
  table=16(lr_in_ip_routing   ), priority=10300, match=(ct_mark.ecmp_reply_port == 2 && reg7 == 0 && ip4.src == 10.244.3.5/32), action=(ip.ttl--; flags.loopback = 1; next;)
  table=22(lr_in_arp_resolve  ), priority=200  , match=(ct_mark.ecmp_reply_port == 2), action=(push(xxreg1); xxreg1 = ct_label; eth.dst = xxreg1[32..79]; pop(xxreg1); next;)
  table=22(lr_in_arp_resolve  ), priority=0    , match=(1), action=(drop;)
"#;
    let flows = |text: &[u8]| -> Vec<(Option<String>, ReplyFlow)> {
        let facts = parse(text, &"f".into());
        assert_eq!(facts.warnings, []);
        let flow = |fact| match fact {
            Fact::Ovn(Ovn { says: OvnSays::Flow { router, flow }, .. }) => (router.map(|name| name.to_string()), flow),
            other => panic!("{other:?}"),
        };
        facts.facts.into_iter().map(flow).collect()
    };
    let of = |flow| (Some("GR_worker-08".to_owned()), flow);
    let routing = routes(mark(2), "10.244.3.5/32").unwrap();
    assert_eq!(flows(text), [of(routing.clone()), of(ReplyFlow::Resolves(mark(2))), of(ReplyFlow::Default)]);
    // Without the heading only what is there counts.
    let excerpt = &text[text.windows(8).position(|word| word == b"table=16").unwrap()..];
    assert_eq!(flows(excerpt), [(None, routing), (None, ReplyFlow::Resolves(mark(2)))]);
    assert_eq!(flows(b"table=22(lr_in_arp_resolve), priority=x, match=(1), action=(drop;)\ntable=(\n"), []);
}
