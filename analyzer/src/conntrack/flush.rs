//! Which entry `dpctl/flush-conntrack` is to delete, in the words of ovs-vswitchd(8).
//!
//! Without arguments the command flushes everything; a tuple without zone means zone 0, or since OVS 3.1, where a tuple may
//! be partial and a zero means any, all zones. So a [`Flush`] always holds the zone and a full tuple without a zero in it,
//! and what would name more than one entry cannot be one.

use std::fmt::Write as _;

use crate::types::tuple::proto;
use crate::types::{Release, Tuple};

/// Releases of Open vSwitch that flush an ICMPv6 tuple (ovs b5e682925); earlier ones abort.
const FLUSHES_ICMPV6: &[Release] = &[
    Release::new(2, 17, 10),
    Release::new(3, 1, 5),
    Release::new(3, 2, 3),
    Release::new(3, 3, 1),
    Release::new(3, 4, 0),
];

/// The arguments of `dpctl/flush-conntrack` that name one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flush {
    zone: String,
    tuple: String,
}

impl Flush {
    /// Names the entry of this original tuple and zone. `release` is that of ovs-vswitchd, where it is known.
    ///
    /// # Errors
    /// Why ovs-vswitchd cannot be told to delete exactly this one. No full stop at the end.
    pub fn new(orig: Tuple, zone: u16, release: Option<Release>) -> Result<Self, &'static str> {
        let Tuple { src, dst, nw_proto, tp_src, tp_dst } = orig;
        if src.is_unspecified() || dst.is_unspecified() {
            return Err("OVS takes an address of zero for any address");
        }
        let family = if src.is_ipv6() { "ipv6" } else { "nw" };
        let mut tuple = format!("ct_{family}_src={src},ct_{family}_dst={dst},ct_nw_proto={nw_proto}");
        match nw_proto {
            // lib/conntrack.c, tuple_to_conn_key(): the answer's type was looked up in a table of ICMP for IPv4, and a type
            // that is not in it ends the process. Seen on 3.1.0 and 3.1.4; 3.4.0, 3.5.0 and 4.0.0 flush the entry.
            proto::ICMPV6 if !release.is_some_and(|release| release.surely_has(FLUSHES_ICMPV6)) => {
                return Err(
                    "ovs-vswitchd before 2.17.10, 3.1.5, 3.2.3, 3.3.1 and 3.4 aborts when told to flush an ICMPv6 \
                            tuple, and its release is older or not known",
                );
            }
            proto::ICMPV6 => match orig.icmp_type_code() {
                Some((icmp_type @ (128 | 129), code)) => {
                    append(&mut tuple, format_args!(",icmp_type={icmp_type},icmp_code={code},icmp_id={tp_src}"));
                }
                _ => return Err("only an echo of ICMPv6 is known to be flushed"),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icmpv6_is_flushed_where_the_release_does_not_abort() {
        let orig: Tuple = "icmpv6 fd00::1:13 -> fd00::2:230 type 128 code 0 id 77".parse().unwrap();
        for (release, is_flushed) in [
            (None, false),
            (Some("2.17.9"), false),
            (Some("2.17.10"), true),
            (Some("3.0.9"), false),
            (Some("3.1.4"), false),
            (Some("3.1.5"), true),
            (Some("3.3.0"), false),
            (Some("3.4.0"), true),
            (Some("4.0.0"), true),
        ] {
            let flush = Flush::new(orig, 5, release.and_then(Release::parse));
            let tuple =
                "ct_ipv6_src=fd00::1:13,ct_ipv6_dst=fd00::2:230,ct_nw_proto=58,icmp_type=128,icmp_code=0,icmp_id=77";
            assert_eq!(
                flush.ok().map(|flush| flush.tuple().to_owned()),
                is_flushed.then(|| tuple.to_owned()),
                "{release:?}"
            );
        }
        let release = Release::parse("4.0.0");
        let unreachable = "icmpv6 fd00::1:13 -> fd00::2:230 type 1 code 0 id 0".parse().unwrap();
        assert!(Flush::new(unreachable, 5, release).is_err());
    }
}
