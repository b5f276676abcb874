//! What the kernel knows of uses of a link (rtnetlink(7)).

use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::Use;
use crate::bpf::rtnl::{self, Answer, u32_at, u64_at};
use crate::netlink::link::Link;
use crate::types::{IpPrefix, MacAddr};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETNEXTHOP: u16 = 106;

const AF_BRIDGE: u8 = 7;

/// `struct ifinfomsg`, `struct ifaddrmsg`, `struct rtmsg`, `struct ndmsg`, `struct nhmsg`.
const IFINFOMSG_LEN: usize = 16;
const IFADDRMSG_LEN: usize = 8;
const RTMSG_LEN: usize = 12;
const NDMSG_LEN: usize = 12;
const NHMSG_LEN: usize = 8;
/// `struct rtnexthop`.
const RTNEXTHOP_LEN: usize = 8;

const IFLA_LINK: u16 = 5;
const IFLA_STATS64: u16 = 23;
const IFLA_LINK_NETNSID: u16 = 37;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTPROT_KERNEL: u8 = 2;
const NDA_LLADDR: u16 = 2;
const NTF_SELF: u8 = 2;
const NHA_ID: u16 = 1;
const NHA_OIF: u16 = 5;

/// What the kernel told at one moment.
pub(super) struct Facts {
    devices: Vec<Device>,
    addresses: Vec<Answer>,
    forwarding: Vec<Answer>,
    /// Only where it was asked for.
    routes: Vec<Answer>,
    nexthops: Vec<Answer>,
}

/// A link, and what matters of it here alone.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Device {
    link: Link,
    /// The link that it names, whatever its kind, if that is in this namespace: what it lies on, or of a veth its peer.
    names: Option<u32>,
    sent: Option<u64>,
}

impl Facts {
    /// Asks the kernel; for routes and nexthop objects, which may be many, only `with_routes`.
    pub(super) fn read(with_routes: bool) -> io::Result<Self> {
        let links = rtnl::dump(RTM_GETLINK, &[0; IFINFOMSG_LEN])?;
        let mut bridged = [0; NDMSG_LEN];
        bridged[0] = AF_BRIDGE;
        let (routes, nexthops) = match with_routes {
            false => (Vec::new(), Vec::new()),
            // Before Linux 5.3 there are no such objects.
            true => {
                let nexthops = rtnl::dump(RTM_GETNEXTHOP, &[0; NHMSG_LEN]).unwrap_or_default();
                (rtnl::dump(RTM_GETROUTE, &[0; RTMSG_LEN])?, nexthops)
            }
        };
        Ok(Self {
            devices: links.iter().filter_map(|answer| Device::of(answer).transpose()).collect::<io::Result<_>>()?,
            addresses: rtnl::dump(RTM_GETADDR, &[0; IFADDRMSG_LEN])?,
            // A kernel without bridges has no such table, and no link that would be in it.
            forwarding: rtnl::dump(RTM_GETNEIGH, &bridged).unwrap_or_default(),
            routes,
            nexthops,
        })
    }

    /// A use of a link other than by routes.
    pub(super) fn used(&self, ifindex: u32) -> Option<Use> {
        let own = &self.device(ifindex)?.link;
        let address = self.addresses.iter().filter_map(|answer| address_of(answer, ifindex));
        by_links(&self.devices, own)
            .or_else(|| upper_in_sysfs(own))
            .or_else(|| self.forwarding.iter().find_map(|answer| received_for(answer, own)))
            .or_else(|| address.filter(|addr| !is_link_local(*addr)).map(Use::Address).next())
    }

    /// A route or nexthop object that leads out by a link.
    pub(super) fn route_by(&self, ifindex: u32) -> Option<Use> {
        let nexthop = || self.nexthops.iter().find_map(|answer| nexthop_by(answer, ifindex));
        self.routes.iter().find_map(|answer| route_by(answer, ifindex)).map(Use::Route).or_else(nexthop)
    }

    /// All names of a link, `name` among them.
    pub(super) fn names(&self, ifindex: u32, name: &Arc<str>) -> Vec<Arc<str>> {
        let link = self.device(ifindex).map(|device| &device.link);
        let known = link.into_iter().flat_map(|link| std::iter::once(&link.name).chain(&link.alt_names));
        known.chain([name]).cloned().collect()
    }

    /// Frames that a link has sent.
    pub(super) fn sent(&self, ifindex: u32) -> Option<u64> {
        self.device(ifindex)?.sent
    }

    fn device(&self, ifindex: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.link.ifindex == ifindex)
    }
}

impl Device {
    fn of(answer: &Answer) -> io::Result<Option<Self>> {
        let Some(link) = Link::parse(&answer.payload).map_err(io::Error::other)? else { return Ok(None) };
        let value = |wanted| answer.attributes(IFINFOMSG_LEN).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        let is_elsewhere = value(IFLA_LINK_NETNSID).is_some();
        let names = value(IFLA_LINK).and_then(|value| u32_at(value, 0)).filter(|_| !is_elsewhere);
        // `tx_packets`, the second of `struct rtnl_link_stats64`.
        let sent = value(IFLA_STATS64).and_then(|stats| u64_at(stats, 8));
        Ok(Some(Self { link, names, sent }))
    }
}

fn by_links(devices: &[Device], own: &Link) -> Option<Use> {
    if let Some(master) = own.master {
        let known = devices.iter().find(|device| device.link.ifindex == master);
        let unnamed = || format!("the interface {master}").into();
        return Some(Use::Port { master: known.map_or_else(unnamed, |device| Arc::clone(&device.link.name)) });
    }
    let uses_it = |device: &&Device| {
        // A veth names its peer.
        let lies_on_it = device.names == Some(own.ifindex) && device.link.kind.as_deref() != Some("veth");
        device.link.ifindex != own.ifindex && (lies_on_it || device.link.master == Some(own.ifindex))
    };
    devices.iter().find(uses_it).map(|upper| Use::Lower { upper: Arc::clone(&upper.link.name) })
}

/// A link of a kind that names none below, as sysfs tells it.
fn upper_in_sysfs(own: &Link) -> Option<Use> {
    let folder = format!("/sys/class/net/{}", own.name);
    // It may be that of another namespace.
    let index = fs::read_to_string(format!("{folder}/ifindex")).ok()?;
    if index.trim().parse() != Ok(own.ifindex) {
        return None;
    }
    let entries = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut uppers = entries.filter_map(|entry| entry.strip_prefix("upper_").map(Arc::from));
    uppers.next().map(|upper| Use::Lower { upper })
}

/// A unicast MAC beside its own that a link receives for.
fn received_for(answer: &Answer, own: &Link) -> Option<Use> {
    let flags = *answer.payload.get(10)?;
    if u32_at(&answer.payload, 4)? != own.ifindex || flags & NTF_SELF == 0 {
        return None;
    }
    let (_, value) = answer.attributes(NDMSG_LEN).find(|(kind, _)| *kind == NDA_LLADDR)?;
    let mac = MacAddr(value.try_into().ok()?);
    (mac.0[0] & 1 == 0 && own.mac != Some(mac)).then_some(Use::Receives { mac })
}

/// The address that a message tells of, if it is the link's.
fn address_of(answer: &Answer, ifindex: u32) -> Option<IpAddr> {
    if u32_at(&answer.payload, 4)? != ifindex {
        return None;
    }
    let find = |wanted| answer.attributes(IFADDRMSG_LEN).find(|(kind, _)| *kind == wanted);
    let (_, value) = find(IFA_LOCAL).or_else(|| find(IFA_ADDRESS))?;
    addr(value)
}

/// The prefix of a route that leads out by the link, but for those that the kernel makes for link-local addresses and for
/// multicast.
fn route_by(answer: &Answer, ifindex: u32) -> Option<IpPrefix> {
    let &[family, prefix_len, _, _, _, protocol, ..] = answer.payload.as_slice() else { return None };
    let value = |wanted| answer.attributes(RTMSG_LEN).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let by = value(RTA_OIF).and_then(|value| u32_at(value, 0));
    let hops = value(RTA_MULTIPATH).into_iter().flat_map(|hops| {
        std::iter::successors(Some(hops), |rest| {
            let len = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
            rest.get(len.max(RTNEXTHOP_LEN).next_multiple_of(4)..)
        })
    });
    if !(by == Some(ifindex) || hops.filter_map(|hop| u32_at(hop, 4)).any(|by| by == ifindex)) {
        return None;
    }
    let any = if i32::from(family) == libc::AF_INET6 { IpAddr::from([0u8; 16]) } else { IpAddr::from([0u8; 4]) };
    let dst = value(RTA_DST).and_then(addr).unwrap_or(any);
    let is_kernels = protocol == RTPROT_KERNEL && prefix_len > 0 && (is_link_local(dst) || dst.is_multicast());
    IpPrefix::new(dst, prefix_len).filter(|_| !is_kernels)
}

/// A nexthop object that leads out by the link. Routes by it need not name the link.
fn nexthop_by(answer: &Answer, ifindex: u32) -> Option<Use> {
    let value = |wanted| answer.attributes(NHMSG_LEN).find(|(kind, _)| *kind == wanted);
    let by = value(NHA_OIF).and_then(|(_, value)| u32_at(value, 0))?;
    let id = value(NHA_ID).and_then(|(_, value)| u32_at(value, 0)).unwrap_or_default();
    (by == ifindex).then_some(Use::Nexthop { id })
}

fn addr(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
}

fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(ifindex: u32, name: &str, kind: &str) -> Device {
        let link = Link {
            ifindex,
            name: name.into(),
            alt_names: Vec::new(),
            mac: None,
            kind: Some(kind.into()),
            master: None,
            lower: None,
            is_up: true,
            has_carrier: true,
            is_loopback: false,
        };
        Device { link, names: None, sent: None }
    }

    /// What tests in namespaces cannot make: kinds that the kernel of the test machine may lack.
    #[test]
    fn links_that_use_another() {
        let own = device(2, "ens2", "");
        let peer = Device { names: Some(2), ..device(3, "veth0", "veth") };
        assert_eq!(by_links(&[own.clone(), peer], &own.link), None);
        for kind in ["vlan", "macvlan", "macsec", "ipvlan"] {
            let upper = Device { names: Some(2), ..device(4, "upper0", kind) };
            let used = by_links(&[own.clone(), upper], &own.link);
            assert_eq!(used, Some(Use::Lower { upper: "upper0".into() }), "{kind}");
        }
        for kind in ["bond", "team", "vrf", "bridge", "openvswitch"] {
            let mut member = own.clone();
            member.link.master = Some(5);
            let devices = [member, device(5, "master0", kind)];
            let used = by_links(&devices, &devices[0].link);
            assert_eq!(used, Some(Use::Port { master: "master0".into() }), "{kind}");
            // The bond itself is used by its members.
            let used = by_links(&devices, &devices[1].link);
            assert_eq!(used, Some(Use::Lower { upper: "ens2".into() }), "{kind}");
        }
    }
}
