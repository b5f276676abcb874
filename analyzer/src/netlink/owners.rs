//! Who has which MAC on this machine: its interfaces, and the virtual functions of its NICs, which may be in the hands
//! of pods whose namespaces are not ours to look into.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::attribute::{Attribute, Malformed, attributes, split};
use super::rtnetlink::{AF_UNSPEC, Control, kind, messages, virtual_functions_request};
use super::socket::{Read, RouteSocket};
use crate::engine::fact::MacOwner;
use crate::types::MacAddr;

/// Where these owners come from, in output.
pub const ORIGIN: &str = "rtnetlink";

/// Room for the answer in the kernel, in bytes.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Number of our one request.
const SEQUENCE: u32 = 1;

/// `IFLA_*` (include/uapi/linux/if_link.h). `VF_MAC` holds `struct ifla_vf_mac`: the number of the VF (32 bits, host byte
/// order) and 32 octets that begin with its MAC.
mod ifla {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const IFNAME: u16 = 3;
    pub(super) const VFINFO_LIST: u16 = 22;
    pub(super) const PERM_ADDRESS: u16 = 54;
    pub(super) const VF_INFO: u16 = 1;
    pub(super) const VF_MAC: u16 = 1;
}

/// Asks the kernel for the interfaces of this network namespace and their virtual functions.
///
/// # Errors
/// The kernel refuses, or its answer breaks off.
pub async fn owners() -> io::Result<Vec<MacOwner>> {
    let socket = RouteSocket::open(&[], RECEIVE_BUFFER)?;
    socket.send(&virtual_functions_request(SEQUENCE))?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's list of links breaks off");
    let (mut owners, mut known) = (Vec::new(), HashSet::new());
    let mut datagram = Vec::new();
    loop {
        match socket.receive(&mut datagram).await? {
            Read::Datagram => {}
            Read::Foreign => continue,
            Read::Overrun | Read::Nothing => return Err(broken()),
        }
        for message in messages(&datagram) {
            let message = message.map_err(|_| broken())?;
            if (message.sequence, message.port) != (SEQUENCE, socket.port) {
                continue;
            }
            match message.control() {
                Control::End(0) => return Ok(owners),
                Control::End(error) => return Err(io::Error::from_raw_os_error(error)),
                Control::Overrun => return Err(broken()),
                Control::Object if message.kind == kind::NEW_LINK => {
                    // One link that cannot be read is no reason to know nothing of the others.
                    let own = parse(message.payload).unwrap_or_default();
                    owners.extend(own.into_iter().filter(|owner| known.insert(owner.clone())));
                }
                Control::Object | Control::Noop => {}
            }
        }
    }
}

/// Owners that a payload of `RTM_NEWLINK` names: the interface, by its present and its permanent address, and its VFs.
///
/// # Errors
/// The message is malformed.
pub fn parse(payload: &[u8]) -> Result<Vec<MacOwner>, Malformed> {
    let (fixed, rest) = split::<16>(payload)?;
    if fixed[0] != AF_UNSPEC {
        return Ok(Vec::new());
    }
    let (mut name, mut address, mut permanent, mut functions) = (String::new(), None, None, Vec::new());
    for attribute in attributes(rest) {
        let attribute = attribute?;
        match attribute.kind {
            ifla::IFNAME => name = attribute.name(),
            ifla::ADDRESS => address = attribute.mac(),
            ifla::PERM_ADDRESS => permanent = attribute.mac(),
            ifla::VFINFO_LIST => functions = virtual_functions(attribute.value)?,
            _ => {}
        }
    }
    if name.is_empty() {
        return Err(Malformed);
    }
    let interface = address.map(|mac| (mac, format!("interface {name}")));
    let permanent = permanent.filter(|mac| Some(*mac) != address);
    let permanent = permanent.map(|mac| (mac, format!("interface {name} (permanent address)")));
    let functions = functions.into_iter().map(|(number, mac)| (mac, format!("VF {number} of {name}")));
    let owners = interface.into_iter().chain(permanent).chain(functions);
    let owner = |(mac, owner): (MacAddr, String)| MacOwner {
        mac,
        origin: Arc::from(ORIGIN),
        owner: owner.into(),
        ips: Vec::new(),
    };
    Ok(owners.map(owner).collect())
}

/// Numbers and MACs of VFs. One to which nobody gave a MAC has a MAC of zeros, and is left out.
fn virtual_functions(list: &[u8]) -> Result<Vec<(u32, MacAddr)>, Malformed> {
    let mut functions = Vec::new();
    for function in attributes(list) {
        let function = function?;
        if function.kind != ifla::VF_INFO {
            continue;
        }
        for attribute in attributes(function.value) {
            let Attribute { kind, value } = attribute?;
            if kind != ifla::VF_MAC {
                continue;
            }
            let (number, octets) = split::<4>(value)?;
            let mac = MacAddr(*octets.first_chunk().ok_or(Malformed)?);
            if !mac.is_zero() {
                functions.push((u32::from_ne_bytes(*number), mac));
            }
        }
    }
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;
    use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkVfInfo, VfInfo, VfInfoMac};

    use super::*;

    /// A message as another implementation writes it.
    fn payload(attributes: Vec<LinkAttribute>) -> Vec<u8> {
        let mut message = LinkMessage::default();
        message.attributes = attributes;
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    fn function(number: u32, mac: [u8; 6]) -> LinkVfInfo {
        let mut address = [0; 32];
        address[..6].copy_from_slice(&mac);
        LinkVfInfo(vec![VfInfo::Mac(VfInfoMac::new(number, &address))])
    }

    fn read(payload: &[u8]) -> Vec<String> {
        parse(payload).unwrap().iter().map(|owner| format!("{} {}", owner.mac, owner.owner)).collect()
    }

    #[test]
    fn an_interface_and_its_virtual_functions() {
        let functions = vec![
            function(0, [2, 0, 0, 0, 1, 0]),
            function(1, [0; 6]),
            function(48, [0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]),
        ];
        let payload = payload(vec![
            LinkAttribute::IfName("ens5f1".into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::PermAddress(vec![2, 0, 0, 0, 0, 2]),
            LinkAttribute::VfInfoList(functions),
        ]);
        let expected = [
            "02:00:00:00:00:01 interface ens5f1",
            "02:00:00:00:00:02 interface ens5f1 (permanent address)",
            "02:00:00:00:01:00 VF 0 of ens5f1",
            "ce:73:29:66:39:a4 VF 48 of ens5f1",
        ];
        assert_eq!(read(&payload), expected);
        // Whatever is cut off, nothing is made up.
        for length in 0..payload.len() {
            if let Ok(owners) = parse(&payload[..length]) {
                assert!(owners.len() <= expected.len());
            }
        }
    }

    #[test]
    fn a_permanent_address_is_told_where_it_differs() {
        let name = || LinkAttribute::IfName("lo".into());
        let same = vec![2, 0, 0, 0, 0, 1];
        let both = vec![name(), LinkAttribute::Address(same.clone()), LinkAttribute::PermAddress(same)];
        assert_eq!(read(&payload(both)), ["02:00:00:00:00:01 interface lo"]);
        assert_eq!(read(&payload(vec![name(), LinkAttribute::Address(vec![0; 6])])), [""; 0]);
        assert_eq!(read(&payload(vec![name(), LinkAttribute::Address(vec![1; 20])])), [""; 0], "InfiniBand");
        assert_eq!(parse(&payload(Vec::new())), Err(Malformed));
    }
}
