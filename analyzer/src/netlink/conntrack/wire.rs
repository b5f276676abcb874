//! Numbers of ctnetlink. Names are the kernel's, without `IPCTNL_MSG_`, `IPCTNL_` and the like.
//!
//! Sources: include/uapi/linux/netlink.h, netfilter/nfnetlink.h, netfilter/nfnetlink_conntrack.h and
//! netfilter/nf_conntrack_common.h.

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW`: an entry, new or changed; as a request without `NLM_F_CREATE`, a
/// change of one that exists.
pub(super) const CT_NEW: u16 = 1 << 8;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`.
pub(super) const CT_GET: u16 = 1 << 8 | 1;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`: as an event, an entry that is gone; as a request, one that
/// is to go, or without a tuple ALL of them.
pub(super) const CT_DELETE: u16 = 1 << 8 | 2;

pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;

pub(super) const NLM_F_REQUEST: u16 = 0x01;
pub(super) const NLM_F_ACK: u16 = 0x04;
pub(super) const NLM_F_DUMP_INTR: u16 = 0x10;
/// `NLM_F_ROOT | NLM_F_MATCH`.
pub(super) const NLM_F_DUMP: u16 = 0x300;

pub(super) const NLA_F_NESTED: u16 = 1 << 15;
/// What is left of an attribute's type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
pub(super) const NLA_TYPE_MASK: u16 = 0x3fff;

/// Groups `NFNLGRP_CONNTRACK_NEW`, `_UPDATE` and `_DESTROY` (1 to 3) as the bits of a bound address.
pub(super) const GROUPS: u32 = 0b111;

pub(super) const AF_UNSPEC: u8 = 0;
pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;

pub(super) const ENOENT: i32 = 2;

pub(super) const CTA_TUPLE_ORIG: u16 = 1;
pub(super) const CTA_TUPLE_REPLY: u16 = 2;
pub(super) const CTA_STATUS: u16 = 3;
pub(super) const CTA_PROTOINFO: u16 = 4;
pub(super) const CTA_TIMEOUT: u16 = 7;
pub(super) const CTA_MARK: u16 = 8;
pub(super) const CTA_COUNTERS_ORIG: u16 = 9;
pub(super) const CTA_COUNTERS_REPLY: u16 = 10;
pub(super) const CTA_ID: u16 = 12;
pub(super) const CTA_ZONE: u16 = 18;
pub(super) const CTA_TIMESTAMP: u16 = 20;
pub(super) const CTA_MARK_MASK: u16 = 21;
pub(super) const CTA_LABELS: u16 = 22;
pub(super) const CTA_LABELS_MASK: u16 = 23;

pub(super) const CTA_TUPLE_IP: u16 = 1;
pub(super) const CTA_TUPLE_PROTO: u16 = 2;
pub(super) const CTA_TUPLE_ZONE: u16 = 3;

pub(super) const CTA_IP_V4_SRC: u16 = 1;
pub(super) const CTA_IP_V4_DST: u16 = 2;
pub(super) const CTA_IP_V6_SRC: u16 = 3;
pub(super) const CTA_IP_V6_DST: u16 = 4;

pub(super) const CTA_PROTO_NUM: u16 = 1;
pub(super) const CTA_PROTO_SRC_PORT: u16 = 2;
pub(super) const CTA_PROTO_DST_PORT: u16 = 3;
pub(super) const CTA_PROTO_ICMP_ID: u16 = 4;
pub(super) const CTA_PROTO_ICMP_TYPE: u16 = 5;
pub(super) const CTA_PROTO_ICMP_CODE: u16 = 6;
pub(super) const CTA_PROTO_ICMPV6_ID: u16 = 7;
pub(super) const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
pub(super) const CTA_PROTO_ICMPV6_CODE: u16 = 9;

pub(super) const CTA_COUNTERS_PACKETS: u16 = 1;
pub(super) const CTA_COUNTERS_BYTES: u16 = 2;

pub(super) const CTA_PROTOINFO_TCP: u16 = 1;
pub(super) const CTA_PROTOINFO_DCCP: u16 = 2;
pub(super) const CTA_PROTOINFO_SCTP: u16 = 3;

pub(super) const CTA_PROTOINFO_TCP_STATE: u16 = 1;
pub(super) const CTA_PROTOINFO_TCP_WSCALE_ORIGINAL: u16 = 2;
pub(super) const CTA_PROTOINFO_TCP_WSCALE_REPLY: u16 = 3;
pub(super) const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
pub(super) const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;

pub(super) const CTA_PROTOINFO_DCCP_STATE: u16 = 1;
pub(super) const CTA_PROTOINFO_DCCP_ROLE: u16 = 2;
pub(super) const CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ: u16 = 3;

pub(super) const CTA_PROTOINFO_SCTP_STATE: u16 = 1;
pub(super) const CTA_PROTOINFO_SCTP_VTAG_ORIGINAL: u16 = 2;
pub(super) const CTA_PROTOINFO_SCTP_VTAG_REPLY: u16 = 3;

pub(super) const CTA_TIMESTAMP_START: u16 = 1;

/// `IPS_DYING`.
pub(super) const IPS_DYING: u32 = 1 << 9;
/// `IPS_OFFLOAD` and `IPS_HW_OFFLOAD`.
pub(super) const IPS_OFFLOADED: u32 = 1 << 14 | 1 << 15;
