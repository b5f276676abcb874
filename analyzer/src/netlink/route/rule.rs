//! Policy rules (ip-rule(8)). Those of the kernel's own three send packets to the tables that are followed; others are
//! told to the user, as which packets they match is not followed.

use crate::netlink::attribute::{Malformed, attributes, split};
use crate::netlink::rtnetlink::{AF_INET, AF_INET6};

/// `FRA_*` (include/uapi/linux/fib_rules.h).
const FRA_TABLE: u16 = 15;
const FRA_PRIORITY: u16 = 6;
const FR_ACT_TO_TBL: u8 = 1;

const TABLE_DEFAULT: u32 = 253;
const TABLE_MAIN: u32 = 254;
const TABLE_LOCAL: u32 = 255;

/// A policy rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Rule {
    pub(super) is_ipv4: bool,
    priority: u32,
    table: u32,
    action: u8,
    /// Lengths of the destinations and sources that it matches.
    lens: (u8, u8),
}

impl Rule {
    /// Reads the payload of `RTM_NEWRULE` or `RTM_DELRULE`; `None` for other families than IP.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        // struct fib_rule_hdr: family, lengths of destination and source, TOS, table, reserved (2), action, flags (4).
        let (&[family, dst_len, src_len, _, table, _, _, action, ..], rest) = split::<12>(payload)?;
        if ![AF_INET, AF_INET6].contains(&family) {
            return Ok(None);
        }
        let is_ipv4 = family == AF_INET;
        let mut rule = Self { is_ipv4, priority: 0, table: table.into(), action, lens: (dst_len, src_len) };
        for attribute in attributes(rest) {
            let attribute = attribute?;
            match attribute.kind {
                FRA_PRIORITY => rule.priority = attribute.u32()?,
                FRA_TABLE => rule.table = attribute.u32()?,
                _ => {}
            }
        }
        Ok(Some(rule))
    }

    /// Whether it is one of those that the kernel makes (`fib_default_rules_init`), or leads to a followed table.
    pub(super) fn is_followed(&self, is_table: impl Fn(u32) -> bool) -> bool {
        let kernels = [(0, TABLE_LOCAL), (32766, TABLE_MAIN), (32767, TABLE_DEFAULT)];
        let leads_there = self.action == FR_ACT_TO_TBL && is_table(self.table);
        leads_there || self.lens == (0, 0) && kernels.contains(&(self.priority, self.table))
    }

    /// A word to the user.
    pub(super) fn warning(&self) -> String {
        let family = if self.is_ipv4 { "IPv4" } else { "IPv6" };
        let Self { priority, table, action, .. } = self;
        match *action {
            FR_ACT_TO_TBL => format!(
                "the {family} policy rule of priority {priority} leads to table {table}, which is not followed: packets \
                 that it matches are judged as if it were not there; follow that table too if they leave by a NIC that \
                 is watched"
            ),
            _ => format!(
                "the {family} policy rule of priority {priority} is not followed: packets that it matches are judged as \
                 if it were not there"
            ),
        }
    }
}
