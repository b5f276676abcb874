//! Echo requests and replies, of ICMP and ICMPv6.

use std::net::IpAddr;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;
use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type};
use rustix::net::ipproto;

use super::raw::RawSocket;
use super::{Conversation, PAYLOAD};
use crate::node::Node;

/// The pod's kernel is told not to answer, so that the pod sends what the test has it send and nothing else.
pub(super) fn conversation(node: &Node, id: u16) -> Conversation {
    let addresses = node.addresses();
    let (pod, client) = (addresses.pod_ip(), addresses.client_ip());
    let (protocol, nw_proto, ignore) = match pod {
        IpAddr::V4(_) => (ipproto::ICMP, proto::ICMP, "net.ipv4.icmp_echo_ignore_all"),
        IpAddr::V6(_) => (ipproto::ICMPV6, proto::ICMPV6, "net.ipv6.icmp.echo_ignore_all"),
    };
    node.pod().sh(&format!("sysctl -qw {ignore}=1"));
    let [request, reply] = [true, false].map(|is_request| message(pod.is_ipv4(), is_request, id));
    let tuple = Tuple {
        src: pod,
        dst: client,
        nw_proto,
        tp_src: id,
        tp_dst: u16::from_be_bytes(*reply.first_chunk().expect("a message has a type and a code")),
    };
    // Of ICMPv6 the kernel fills in the checksum.
    let is = |message: &[u8]| {
        let message = message.to_vec();
        move |got: &[u8]| got.len() == message.len() && got[..2] == message[..2] && got[4..] == message[4..]
    };
    let (is_request, is_reply) = (is(&request), is(&reply));
    Conversation::between(
        RawSocket::new(node.pod(), (pod, client), protocol, vec![reply], is_request),
        RawSocket::new(node.client(), (client, pod), protocol, vec![request], is_reply),
        tuple,
    )
}

fn message(is_ipv4: bool, is_request: bool, id: u16) -> Vec<u8> {
    let echo = IcmpEchoHeader { id, seq: 1 };
    let header = match (is_ipv4, is_request) {
        (true, true) => Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), PAYLOAD).to_bytes().to_vec(),
        (true, false) => Icmpv4Header::with_checksum(Icmpv4Type::EchoReply(echo), PAYLOAD).to_bytes().to_vec(),
        (false, true) => Icmpv6Header::new(Icmpv6Type::EchoRequest(echo)).to_bytes().to_vec(),
        (false, false) => Icmpv6Header::new(Icmpv6Type::EchoReply(echo)).to_bytes().to_vec(),
    };
    [header, PAYLOAD.to_vec()].concat()
}
