//! Which entry `dpctl/flush-conntrack` is to delete, in the words of ovs-vswitchd(8).
//!
//! Without arguments the command flushes everything; a tuple without zone means zone 0, or since OVS 3.1, where a tuple may
//! be partial and a zero means any, all zones. So a [`Flush`] always holds the zone and a full tuple without a zero in it,
//! and what would name more than one entry cannot be one.

use std::fmt::Write as _;

use crate::types::Tuple;
use crate::types::tuple::proto;

/// The arguments of `dpctl/flush-conntrack` that name one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flush {
    zone: String,
    tuple: String,
}

impl Flush {
    /// Names the entry of this original tuple and zone.
    ///
    /// # Errors
    /// Why ovs-vswitchd cannot be told to delete exactly this one. No full stop at the end.
    pub fn new(orig: Tuple, zone: u16) -> Result<Self, &'static str> {
        let Tuple { src, dst, nw_proto, tp_src, tp_dst } = orig;
        if src.is_unspecified() || dst.is_unspecified() {
            return Err("OVS takes an address of zero for any address");
        }
        let family = if src.is_ipv6() { "ipv6" } else { "nw" };
        let mut tuple = format!("ct_{family}_src={src},ct_{family}_dst={dst},ct_nw_proto={nw_proto}");
        match nw_proto {
            // lib/conntrack.c, tuple_to_conn_key(): the answer's type is looked up in a table of ICMP for IPv4, and a type
            // that is not in it ends the process. Seen on 3.1.0.
            proto::ICMPV6 => return Err("ovs-vswitchd aborts when told to flush an ICMPv6 tuple (seen with OVS 3.1)"),
            proto::ICMP => match orig.icmp_type_code() {
                Some((icmp_type @ (0 | 8 | 13..=16), code)) => {
                    append(&mut tuple, format_args!(",icmp_type={icmp_type},icmp_code={code},icmp_id={tp_src}"));
                }
                _ => {
                    return Err(
                        "ovs-vswitchd aborts when told to flush an ICMP tuple of this type (seen with OVS 3.1)",
                    );
                }
            },
            _ if orig.has_ports() => {
                if tp_src == 0 || tp_dst == 0 {
                    return Err("OVS takes port 0 for any port");
                }
                append(&mut tuple, format_args!(",ct_tp_src={tp_src},ct_tp_dst={tp_dst}"));
            }
            // The userspace datapath knows no ports or keys of other protocols: one entry per pair of addresses.
            _ if (tp_src, tp_dst) == (0, 0) => {}
            _ => return Err("the userspace datapath tracks no keys of this protocol"),
        }
        Ok(Self { zone: format!("zone={zone}"), tuple })
    }

    /// The zone: `zone=35`.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The tuple: `ct_nw_src=192.0.2.1,...`. Numbers and addresses only.
    pub fn tuple(&self) -> &str {
        &self.tuple
    }
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a String does not fail");
}
