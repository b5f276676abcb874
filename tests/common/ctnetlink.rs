//! Makes, changes and deletes entries of the kernel's conntrack table, by ctnetlink. Only tests and benchmarks do.

// Not `expect`, which would fail in a test that uses everything.
#![allow(dead_code, reason = "each test uses its part")]

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use analyzer::engine::fact::Connection;
use analyzer::types::Tuple;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const CT_NEW: u16 = 0x100;
const CT_DELETE: u16 = 0x102;
const NLMSG_ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const EXCL: u16 = 0x200;
const CREATE: u16 = 0x400;
/// `NLA_F_NESTED`.
pub(crate) const NESTED: u16 = 0x8000;

/// `IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED`: as a connection that is under way.
const STATUS: u32 = 1 << 3 | 1 << 1 | 1 << 2;
/// Seconds until an entry goes by itself, longer than any test.
const TIMEOUT: u32 = 3600;
/// Messages in a datagram.
const BATCH: usize = 128;

/// A socket that writes to the table of the network namespace of the thread that opened it.
pub(crate) struct Writer {
    fd: OwnedFd,
    sequence: u32,
}

impl Writer {
    pub(crate) fn open() -> Self {
        let fd =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(NETFILTER))
                .expect("the kernel has netfilter");
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0)).expect("an address is free");
        rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0)).expect("the kernel is there");
        Self { fd, sequence: 0 }
    }

    /// Makes entries. Panics where one exists or is refused.
    pub(crate) fn create<'a>(&mut self, entries: impl IntoIterator<Item = &'a Connection>) {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let batch = entries.by_ref().take(BATCH).map(|entry| (CT_NEW, CREATE | EXCL, entry.orig, filled(entry)));
            let batch: Vec<_> = batch.collect();
            self.send(batch);
        }
    }

    /// Makes one entry with this status, timeout and, where not empty, this content of `CTA_PROTOINFO`.
    pub(crate) fn create_as(&mut self, entry: &Connection, status: u32, timeout: u32, protoinfo: &[u8]) {
        let mut body = filled_as(entry, status, timeout);
        if !protoinfo.is_empty() {
            body.extend(attribute(4 | NESTED, protoinfo.to_vec()));
        }
        self.send(vec![(CT_NEW, CREATE | EXCL, entry.orig, body)]);
    }

    /// Sets mark and label of an entry that exists.
    pub(crate) fn change(&mut self, entry: &Connection) {
        self.send(vec![(CT_NEW, 0, entry.orig, filled(entry))]);
    }

    /// Deletes an entry that exists, by tuple and zone.
    pub(crate) fn delete(&mut self, entry: &Connection) {
        let mut body = attribute(1 | NESTED, tuple(entry.orig));
        body.extend(attribute(18, entry.zone.to_be_bytes().to_vec()));
        self.send(vec![(CT_DELETE, 0, entry.orig, body)]);
    }

    /// Sends messages in one datagram and takes the answer to each.
    fn send(&mut self, messages: Vec<(u16, u16, Tuple, Vec<u8>)>) {
        let mut datagram = Vec::new();
        let first = self.sequence + 1;
        for (kind, flags, tuple, body) in &messages {
            self.sequence += 1;
            let family = if tuple.src.is_ipv4() { 2 } else { 10 };
            datagram.extend((20 + body.len() as u32).to_ne_bytes());
            datagram.extend(kind.to_ne_bytes());
            datagram.extend((REQUEST | ACK | flags).to_ne_bytes());
            datagram.extend(self.sequence.to_ne_bytes());
            datagram.extend([0, 0, 0, 0, family, 0, 0, 0]);
            datagram.extend(body);
        }
        rustix::net::send(&self.fd, &datagram, SendFlags::empty()).expect("the kernel takes it");
        let mut answered = 0;
        while answered < messages.len() {
            let mut buffer = [0; 16384];
            let (_, len) = rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::empty()).expect("it answers");
            let mut rest = &buffer[..len];
            while let Some(header) = rest.first_chunk::<20>() {
                let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("4 bytes"));
                assert_eq!(u16::from_ne_bytes([header[4], header[5]]), NLMSG_ERROR, "nothing else was asked for");
                let tuple = messages[(word(8) - first) as usize].2;
                assert_eq!(word(16), 0, "{tuple}: {}", std::io::Error::from_raw_os_error(-(word(16) as i32)));
                answered += 1;
                rest = &rest[(word(0) as usize).next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

/// All attributes of an entry.
fn filled(entry: &Connection) -> Vec<u8> {
    filled_as(entry, STATUS, TIMEOUT)
}

fn filled_as(entry: &Connection, status: u32, timeout: u32) -> Vec<u8> {
    let mut body = attribute(1 | NESTED, tuple(entry.orig));
    body.extend(attribute(2 | NESTED, tuple(entry.reply)));
    body.extend(attribute(3, status.to_be_bytes().to_vec()));
    body.extend(attribute(7, timeout.to_be_bytes().to_vec()));
    body.extend(attribute(8, entry.mark.to_be_bytes().to_vec()));
    body.extend(attribute(18, entry.zone.to_be_bytes().to_vec()));
    body.extend(attribute(22, entry.label.to_ne_bytes().to_vec()));
    body
}

/// An attribute in bytes.
pub(crate) fn attribute(kind: u16, value: Vec<u8>) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn tuple(tuple: Tuple) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let first_address = if tuple.src.is_ipv4() { 1 } else { 3 };
    let mut addresses = attribute(first_address, octets(tuple.src));
    addresses.extend(attribute(first_address + 1, octets(tuple.dst)));
    let mut proto = attribute(1, vec![tuple.nw_proto]);
    match tuple.icmp_type_code() {
        Some((icmp_type, code)) => {
            let id = if tuple.src.is_ipv4() { 4 } else { 7 };
            proto.extend(attribute(id, tuple.tp_src.to_be_bytes().to_vec()));
            proto.extend(attribute(id + 1, vec![icmp_type]));
            proto.extend(attribute(id + 2, vec![code]));
        }
        None => {
            proto.extend(attribute(2, tuple.tp_src.to_be_bytes().to_vec()));
            proto.extend(attribute(3, tuple.tp_dst.to_be_bytes().to_vec()));
        }
    }
    [attribute(1 | NESTED, addresses), attribute(2 | NESTED, proto)].concat()
}

/// Makes the kernel give labels to the entries of this namespace: it spares the memory where no rule sets any.
pub(crate) const ENABLE_LABELS: &str = "nft 'add table inet t; add chain inet t c; add rule inet t c ct label set 1'";
