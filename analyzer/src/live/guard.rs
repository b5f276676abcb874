//! Which NICs frames may be taken away from: those that nobody else uses.
//!
//! Frames that AF_XDP sockets take, or that are consumed at XDP, go no further. On the uplink of a node that would be the
//! end of its traffic. So a NIC is refused where anything says that it is more than a mirror port.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use serde_json::{Value, json};

use super::config::{Config, Database, well_known};
use super::watching::NotWatched;
use crate::bpf::rtnl::{self, Answer, u32_at};
use crate::cli::Interface;
use crate::doctor::ask_database;
use crate::mirror::MirrorError;
use crate::netlink::link::{Link, Links};
use crate::ovn::follow;
use crate::ovsdb::client::Remote;
use crate::types::IpPrefix;
use crate::unixctl;

/// How long it is looked whether a NIC sends frames.
const WATCHED: Duration = Duration::from_secs(2);
/// Frames that a mirror port may send in this time: those that tell of itself.
const MAX_SENT: u64 = 10;

/// `struct ifinfomsg`, `struct ifaddrmsg`, `struct rtmsg`.
const IFINFOMSG_LEN: usize = 16;
const IFADDRMSG_LEN: usize = 8;
const RTMSG_LEN: usize = 12;
const IFLA_STATS64: u16 = 23;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
/// `struct rtnexthop`.
const RTNEXTHOP_LEN: usize = 8;
const RTPROT_KERNEL: u8 = 2;

/// Why frames may not be taken away from a NIC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Open vSwitch has it as a port.
    OvsPort,
    /// Open vSwitch is there, and cannot be asked.
    OvsUnknown { socket: String, why: String },
    /// It is a port of a bridge, bond, team, VRF or virtual switch.
    Port { master: Arc<str> },
    /// A VLAN or another link lies on it.
    Lower { upper: Arc<str> },
    /// It has an address.
    Address(IpAddr),
    /// A route leads out by it.
    Route(IpPrefix),
    /// It sends frames.
    Sends { frames: u64 },
}

/// Frames may not be taken away from a NIC.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "NIC {nic} is no mirror port: {used}. Its frames would go no further than to us, so none are taken; {}",
    way_out(used)
)]
pub(super) struct Refused {
    /// Name of the NIC.
    pub(super) nic: Arc<str>,
    /// Why.
    pub(super) used: Use,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OvsPort => f.write_str("Open vSwitch has it as a port"),
            Self::OvsUnknown { socket, why } => {
                write!(f, "Open vSwitch may have it as a port, and cannot be asked by {socket}: {why}")
            }
            Self::Port { master } => write!(f, "it is a port of {master}"),
            Self::Lower { upper } => write!(f, "{upper} lies on it"),
            Self::Address(addr) => write!(f, "it has the address {addr}"),
            Self::Route(prefix) => write!(f, "the route to {prefix} leads out by it"),
            Self::Sends { frames } => write!(f, "it has sent {frames} frames within {} s", WATCHED.as_secs()),
        }
    }
}

fn way_out(used: &Use) -> &'static str {
    match used {
        Use::Sends { .. } => "--force takes them all the same, and --ingress tc reads a mirror without taking anything",
        Use::OvsUnknown { .. } => {
            "start it or remove its socket, or read the mirror by --ingress tc, which takes nothing"
        }
        _ => "--ingress tc reads a mirror without taking anything",
    }
}

/// Checks all NICs that the user named, before anything is done to them. One that is not there is left to whoever
/// attaches.
///
/// # Errors
/// [`Refused`], or the kernel does not answer.
pub(super) async fn check(config: &Config) -> anyhow::Result<()> {
    let links = links()?;
    let mut devices: Vec<&Link> = Vec::new();
    for interface in &config.interfaces {
        let Interface::Named(name) = interface else { continue };
        let Some(link) = links.named(name) else { continue };
        devices.push(link);
        devices.extend(links.lowest(link.ifindex));
    }
    for link in &devices {
        let refused = |used| Refused { nic: Arc::clone(&link.name), used };
        by_kernel(link.ifindex)?.map_err(refused)?;
        by_open_vswitch(config, link).await.map_err(refused)?;
    }
    if config.force || devices.is_empty() {
        return Ok(());
    }
    let before = devices.iter().map(|link| sent(link.ifindex)).collect::<io::Result<Vec<u64>>>()?;
    tokio::time::sleep(WATCHED).await;
    for (link, before) in devices.iter().zip(before) {
        let frames = sent(link.ifindex)?.saturating_sub(before);
        if frames > MAX_SENT {
            return Err(Refused { nic: Arc::clone(&link.name), used: Use::Sends { frames } }.into());
        }
    }
    Ok(())
}

/// Checks a NIC by what the kernel knows, just before its frames are taken and while they are.
///
/// # Errors
/// It is used, or the kernel does not answer.
pub(super) fn nobody_uses(nic: &Arc<str>, ifindex: u32) -> Result<(), NotWatched> {
    let unknown = |error| MirrorError::Unknown { nic: nic.to_string(), error };
    by_kernel(ifindex).map_err(unknown)?.map_err(|used| Refused { nic: Arc::clone(nic), used }.into())
}

/// Whether the kernel knows a use of a link.
///
/// # Errors
/// It does not answer.
fn by_kernel(ifindex: u32) -> io::Result<Result<(), Use>> {
    let links = links()?;
    let addresses = rtnl::request(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_DUMP)?;
    let routes = rtnl::request(RouteNetlinkMessage::GetRoute(RouteMessage::default()), NLM_F_DUMP)?;
    let address =
        || addresses.iter().filter_map(|answer| address_of(answer, ifindex)).find(|addr| !is_link_local(*addr));
    let route = || routes.iter().filter_map(|answer| route_by(answer, ifindex)).next();
    let used = by_links(&links, ifindex).or_else(|| address().map(Use::Address)).or_else(|| route().map(Use::Route));
    Ok(used.map_or(Ok(()), Err))
}

fn by_links(links: &Links, ifindex: u32) -> Option<Use> {
    let name = |ifindex: u32| match links.get(ifindex) {
        Some(link) => Arc::clone(&link.name),
        None => format!("the interface {ifindex}").into(),
    };
    if let Some(master) = links.get(ifindex).and_then(|link| link.master) {
        return Some(Use::Port { master: name(master) });
    }
    let over = |link: &&Link| link.lower == Some(ifindex) || link.master == Some(ifindex);
    links.iter().find(over).map(|link| Use::Lower { upper: Arc::clone(&link.name) })
}

/// Whether Open vSwitch has a link as a port, in either datapath: its database names the ports of all bridges, its daemon
/// those of all datapaths.
async fn by_open_vswitch(config: &Config, link: &Link) -> Result<(), Use> {
    let given = match &config.sources.ovs {
        Database::Remotes(remotes) => remotes.as_slice(),
        Database::Off | Database::WellKnown => &[],
    };
    let given = given.iter().filter_map(|remote| match remote {
        Remote::Unix(path) => Some(path.clone()),
        Remote::Tcp(_) | Remote::Ssl(_) => None,
    });
    let sockets = well_known(follow::Database::OpenVswitch).into_iter().chain(given);
    for socket in sockets.filter(|socket| socket.exists()) {
        let unknown = |why: String| Use::OvsUnknown { socket: socket.display().to_string(), why };
        let query = json!(["Open_vSwitch", {"op": "select", "table": "Interface", "where": [], "columns": ["name"]}]);
        let answer = ask_database(&socket, "transact", &query).map_err(|error| unknown(error.to_string()))?;
        let rows = answer.get(0).and_then(|result| result.get("rows")).and_then(Value::as_array);
        let rows = rows.ok_or_else(|| unknown("it tells of no interfaces".to_owned()))?;
        let mut names = rows.iter().filter_map(|row| row.get("name")?.as_str());
        if names.any(|name| link.is_called(name)) {
            return Err(Use::OvsPort);
        }
    }
    let Ok(socket) = unixctl::control_socket(&unixctl::run_dir(), "ovs-vswitchd") else { return Ok(()) };
    if !socket.exists() {
        return Ok(());
    }
    let shown = unixctl::call(&socket, "dpif/show", &[], Duration::from_secs(2)).await;
    let shown =
        shown.map_err(|error| Use::OvsUnknown { socket: socket.display().to_string(), why: error.to_string() })?;
    // "    eth0 1/2: (system)", ofproto-dpif.c.
    let mut names = shown.lines().filter_map(|line| line.trim_start().split(' ').next());
    if names.any(|name| link.is_called(name)) { Err(Use::OvsPort) } else { Ok(()) }
}

fn links() -> io::Result<Links> {
    let mut links = Links::default();
    for answer in rtnl::request(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)? {
        if let Some(link) = Link::parse(&answer.payload).map_err(io::Error::other)? {
            links.insert(link);
        }
    }
    Ok(links)
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
    let any = if family == libc::AF_INET6 as u8 { IpAddr::from([0u8; 16]) } else { IpAddr::from([0u8; 4]) };
    let dst = value(RTA_DST).and_then(addr).unwrap_or(any);
    let is_kernels = protocol == RTPROT_KERNEL && prefix_len > 0 && (is_link_local(dst) || dst.is_multicast());
    IpPrefix::new(dst, prefix_len).filter(|_| !is_kernels)
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

/// Frames that a link has sent.
fn sent(ifindex: u32) -> io::Result<u64> {
    let mut request = LinkMessage::default();
    request.header.index = ifindex;
    let answers = rtnl::request(RouteNetlinkMessage::GetLink(request), 0)?;
    let mut attributes = answers.iter().flat_map(|answer| answer.attributes(IFINFOMSG_LEN));
    let stats = attributes.find(|(kind, _)| *kind == IFLA_STATS64).map(|(_, value)| value);
    // `tx_packets`, the second of `struct rtnl_link_stats64`.
    let sent = stats.and_then(|stats| stats.get(8..16)?.try_into().ok()).map(u64::from_ne_bytes);
    sent.ok_or_else(|| io::Error::other("the kernel does not tell how much a NIC has sent"))
}
