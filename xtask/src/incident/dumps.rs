//! The dumps that the bug report prints, blank for blank, with the masked addresses filled in.

/// Well-known name and content of each dump.
pub(super) const DUMPS: [(&str, &str); 3] =
    [("lr-route-list.txt", LR_ROUTE_LIST), ("mac_binding.txt", MAC_BINDING), ("conntrack.txt", CONNTRACK)];

/// `ovn-nbctl lr-route-list GR_worker-08 | grep 16.230`. The output itself does not name the router.
const LR_ROUTE_LIST: &str = concat!(
    "           192.168.16.230               198.19.3.15 src-ip ecmp ecmp-symmetric-reply\n",
    "           192.168.16.230               198.19.3.16 src-ip ecmp ecmp-symmetric-reply\n",
);

/// Rows of the southbound table `MAC_Binding`.
const MAC_BINDING: &str = concat!(
    "_uuid               : 397895cc-03b0-4dc0-8746-e9459fe83e2d         \n",
    "datapath            : 483669d5-4952-4330-bd3f-f3933341b68f\n",
    "ip                  : \"198.19.3.15\"   \n",
    "logical_port        : rtoe-GR_worker-08           \n",
    "mac                 : \"ee:8d:82:db:f9:c4\"\n",
    "=====\n",
    "_uuid               : b80d352c-023b-4ad7-8e23-4fee8591f928 \n",
    "datapath            : 483669d5-4952-4330-bd3f-f3933341b68f    \n",
    "ip                  : \"198.19.3.16\" \n",
    "logical_port        : rtoe-GR_worker-08           \n",
    "mac                 : \"76:9c:19:34:50:26\"\n",
    "=====\n",
    "_uuid               : 1ffb3b76-86d5-4e82-8eb4-704a2b71b8a2 \n",
    "datapath            : 483669d5-4952-4330-bd3f-f3933341b68f \n",
    "ip                  : \"fe80::cc73:29ff:fe6b:39a4\" \n",
    "logical_port        : rtoe-GR_worker-08   \n",
    "mac                 : \"ce:73:29:66:39:a4\" \n",
);

/// Two entries of `ovs-dpctl dump-conntrack`. The parenthesis after `orig=` and `reply=` is missing in the report.
const CONNTRACK: &str = concat!(
    "udp,orig=src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=42788),",
    "reply=src=192.168.16.230,dst=172.27.0.13,sport=42788,dport=5005),zone=35,labels=0x2ce73296639a400000000\n",
    "udp,orig=src=172.27.0.13,dst=192.168.16.230,sport=5005,dport=59943),",
    "reply=src=192.168.16.230,dst=172.27.0.13,sport=59943,dport=5005),zone=35,labels=0x2ce73296639a400000000\n",
);
