//! SCTP (RFC 9260), of which the kernel need not know: both ends write the chunks themselves.

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;
use rustix::net::ipproto;

use super::raw::RawSocket;
use super::{Conversation, PAYLOAD};
use crate::node::Node;

/// Verification tags: what packets to the client carry, and what packets to the pod carry.
const CLIENT_TAG: u32 = 0x1f2e_3d4c;
const POD_TAG: u32 = 0x5a6b_7c8d;

/// Types of chunks (RFC 9260 section 3.2).
mod chunk_type {
    pub(super) const DATA: u8 = 0;
    pub(super) const INIT: u8 = 1;
    pub(super) const INIT_ACK: u8 = 2;
    pub(super) const COOKIE_ECHO: u8 = 10;
    pub(super) const COOKIE_ACK: u8 = 11;
}

/// The client's first two packets and the pod's answers open the association; each packet behind carries data.
pub(super) fn conversation(node: &Node, pod_port: u16, client_port: u16) -> Conversation {
    let (pod, client) = (node.addresses().pod_ip(), node.addresses().client_ip());
    let cookie: &[u8] = b"cookie, 16 bytes";
    // Parameter 7 of INIT ACK, the state cookie.
    let cookie_parameter = [&[0, 7, 0, 20], cookie].concat();
    let to_pod = |tag, chunk: Vec<u8>| packet((client_port, pod_port), tag, &chunk);
    let to_client = |chunk: Vec<u8>| packet((pod_port, client_port), CLIENT_TAG, &chunk);
    let requests = vec![
        to_pod(0, chunk(chunk_type::INIT, 0, &opening(CLIENT_TAG))),
        to_pod(POD_TAG, chunk(chunk_type::COOKIE_ECHO, 0, cookie)),
        to_pod(POD_TAG, data()),
    ];
    let answers = vec![
        to_client(chunk(chunk_type::INIT_ACK, 0, &[opening(POD_TAG), cookie_parameter].concat())),
        to_client(chunk(chunk_type::COOKIE_ACK, 0, &[])),
        to_client(data()),
    ];
    let ports = |src: u16, dst: u16| {
        let ports = [src.to_be_bytes(), dst.to_be_bytes()].concat();
        move |got: &[u8]| got.starts_with(&ports)
    };
    let (from_client, from_pod) = (ports(client_port, pod_port), ports(pod_port, client_port));
    let tuple = Tuple { src: pod, dst: client, nw_proto: proto::SCTP, tp_src: pod_port, tp_dst: client_port };
    Conversation::between(
        RawSocket::new(node.pod(), (pod, client), ipproto::SCTP, answers, from_client),
        RawSocket::new(node.client(), (client, pod), ipproto::SCTP, requests, from_pod),
        tuple,
    )
}

/// A packet with one chunk.
fn packet((src, dst): (u16, u16), tag: u32, chunk: &[u8]) -> Vec<u8> {
    let header = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    let mut packet = [&header, &tag.to_be_bytes()[..], &[0; 4], chunk].concat();
    let checksum = crc32c(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

/// A chunk, padded to a multiple of four bytes.
fn chunk(chunk_type: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).expect("chunks are small");
    let mut chunk = [&[chunk_type, flags], &len.to_be_bytes()[..], value].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// What INIT and INIT ACK have in common: tag, window, numbers of streams, first sequence number.
fn opening(tag: u32) -> Vec<u8> {
    [tag, 65535, 1 << 16 | 1, 1].map(u32::to_be_bytes).concat()
}

/// A message in one DATA chunk: sequence number, stream, protocol, bytes.
fn data() -> Vec<u8> {
    const WHOLE: u8 = 3;
    chunk(chunk_type::DATA, WHOLE, &[&[1_u32, 0, 0].map(u32::to_be_bytes).concat()[..], PAYLOAD].concat())
}

/// The checksum of RFC 9260 appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
