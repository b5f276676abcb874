//! What the kernel knows of uses of a link (rtnetlink(7)).

use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::Use;
use crate::bpf::rtnl::{self, Answer, attributes, text, u32_at};
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

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_STATS64: u16 = 23;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
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
    links: Vec<Link>,
    addresses: Vec<Answer>,
    forwarding: Vec<Answer>,
    /// Only where it was asked for.
    routes: Vec<Answer>,
    nexthops: Vec<Answer>,
}

/// What matters of a link.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Link {
    ifindex: u32,
    names: Vec<Arc<str>>,
    mac: Option<MacAddr>,
    kind: Option<String>,
    master: Option<u32>,
    /// The link that it lies on, if that is in this namespace; of a veth, its peer.
    link: Option<u32>,
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
            links: links.iter().filter_map(Link::of).collect(),
            addresses: rtnl::dump(RTM_GETADDR, &[0; IFADDRMSG_LEN])?,
            // A kernel without bridges has no such table, and no link that would be in it.
            forwarding: rtnl::dump(RTM_GETNEIGH, &bridged).unwrap_or_default(),
            routes,
            nexthops,
        })
    }

    /// A use of a link other than by routes.
    pub(super) fn used(&self, ifindex: u32) -> Option<Use> {
        let own = self.links.iter().find(|link| link.ifindex == ifindex)?;
        let address = self.addresses.iter().filter_map(|answer| address_of(answer, ifindex));
        by_links(&self.links, own)
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
        let known = self.links.iter().find(|link| link.ifindex == ifindex).map(|link| link.names.clone());
        known.into_iter().flatten().chain([Arc::clone(name)]).collect()
    }

    /// Frames that a link has sent.
    pub(super) fn sent(&self, ifindex: u32) -> Option<u64> {
        self.links.iter().find(|link| link.ifindex == ifindex)?.sent
    }
}

impl Link {
    fn of(answer: &Answer) -> Option<Self> {
        let mut link = Self { ifindex: u32_at(&answer.payload, 4)?, ..Self::default() };
        let mut is_elsewhere = false;
        for (kind, value) in answer.attributes(IFINFOMSG_LEN) {
            match kind {
                IFLA_IFNAME => link.names.push(text(value).into()),
                IFLA_PROP_LIST => {
                    let names = attributes(value).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
                    link.names.extend(names.map(|(_, name)| Arc::from(text(name))));
                }
                IFLA_ADDRESS => link.mac = value.try_into().ok().map(MacAddr),
                IFLA_LINK => link.link = u32_at(value, 0),
                IFLA_MASTER => link.master = u32_at(value, 0),
                IFLA_LINKINFO => {
                    let kind = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                    link.kind = kind.map(|(_, kind)| text(kind));
                }
                // `tx_packets`, the second of `struct rtnl_link_stats64`.
                IFLA_STATS64 => {
                    link.sent = value.get(8..16).and_then(|sent| Some(u64::from_ne_bytes(sent.try_into().ok()?)))
                }
                IFLA_LINK_NETNSID => is_elsewhere = true,
                _ => {}
            }
        }
        if is_elsewhere {
            link.link = None;
        }
        Some(link)
    }

    fn name(&self) -> Arc<str> {
        self.names.first().cloned().unwrap_or_else(|| format!("the interface {}", self.ifindex).into())
    }
}

fn by_links(links: &[Link], own: &Link) -> Option<Use> {
    if let Some(master) = own.master {
        let known = links.iter().find(|link| link.ifindex == master).map(Link::name);
        return Some(Use::Port { master: known.unwrap_or_else(|| format!("the interface {master}").into()) });
    }
    // A veth names its peer.
    let lies_on_it = |link: &&Link| link.link == Some(own.ifindex) && link.kind.as_deref() != Some("veth");
    let is_port_of_it = |link: &&Link| link.master == Some(own.ifindex);
    let upper =
        links.iter().filter(|link| link.ifindex != own.ifindex).find(|link| lies_on_it(link) || is_port_of_it(link));
    upper.map(|upper| Use::Lower { upper: upper.name() })
}

/// A link of a kind that names none below, as sysfs tells it.
fn upper_in_sysfs(own: &Link) -> Option<Use> {
    let folder = format!("/sys/class/net/{}", own.name());
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

    fn link(ifindex: u32, name: &str, kind: &str) -> Link {
        Link { ifindex, names: vec![name.into()], kind: Some(kind.to_owned()), ..Link::default() }
    }

    /// What tests in namespaces cannot make: kinds that the kernel of the test machine may lack.
    #[test]
    fn links_that_use_another() {
        let own = link(2, "ens2", "");
        let peer = Link { link: Some(2), ..link(3, "veth0", "veth") };
        assert_eq!(by_links(&[own.clone(), peer], &own), None);
        for kind in ["vlan", "macvlan", "macsec", "ipvlan"] {
            let upper = Link { link: Some(2), ..link(4, "upper0", kind) };
            let used = by_links(&[own.clone(), upper], &own);
            assert_eq!(used, Some(Use::Lower { upper: "upper0".into() }), "{kind}");
        }
        for kind in ["bond", "team", "vrf", "bridge", "openvswitch"] {
            let member = Link { master: Some(5), ..own.clone() };
            let links = [member.clone(), link(5, "master0", kind)];
            assert_eq!(by_links(&links, &member), Some(Use::Port { master: "master0".into() }), "{kind}");
            // The bond itself is used by its members.
            assert_eq!(by_links(&links, &links[1]), Some(Use::Lower { upper: "ens2".into() }), "{kind}");
        }
    }
}
