//! Match expressions of policies, as far as they are understood.

use core::net::IpAddr;

use crate::types::IpPrefix;

/// Whether a `Logical_Router_Policy` may match a packet. Conjunctions of address tests are understood; of anything else
/// it is only known that it may.
pub(super) fn may_match(expression: &str, src: IpAddr, dst: IpAddr) -> bool {
    tests(expression).all(|(end, prefix)| prefix.contains(if end == End::Source { src } else { dst }))
}

/// Sources that a policy is for, where it tests them.
pub(super) fn source_of(expression: &str) -> Option<IpPrefix> {
    tests(expression).find(|(end, _)| *end == End::Source).map(|(_, prefix)| prefix)
}

/// An end of a packet's way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Tests of addresses that all have to hold for the expression to match.
fn tests(expression: &str) -> impl Iterator<Item = (End, IpPrefix)> {
    let is_conjunction = !expression.contains("||") && !expression.contains('!') && !expression.contains('{');
    let terms = is_conjunction.then(|| expression.split("&&")).into_iter().flatten();
    terms.filter_map(|term| {
        let (field, value) = term.trim().trim_matches(['(', ')']).split_once("==")?;
        let end = match field.trim() {
            "ip4.src" | "ip6.src" => End::Source,
            "ip4.dst" | "ip6.dst" => End::Destination,
            _ => return None,
        };
        Some((end, value.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_may_match() {
        let src = "10.0.0.5".parse().unwrap();
        let dst = "8.8.8.8".parse().unwrap();
        for (expression, may) in [
            ("ip4.src == 10.0.0.5", true),
            ("ip4.src == 10.0.0.6", false),
            ("ip4.src == 10.0.0.0/24 && ip4.dst == 8.8.0.0/16", true),
            ("ip4.src == 10.0.0.5 && ip4.dst == 9.0.0.0/8", false),
            ("ip4.src == $a123", true),
            ("ip4.src == 10.0.0.6 || ip4.dst == 8.8.8.8", true),
            ("(ip4.src == 10.0.0.6)", false),
            ("inport == \"rtoj-GR\"", true),
            ("ip6.src == fd00::/8", false),
            ("1", true),
        ] {
            assert_eq!(may_match(expression, src, dst), may, "{expression}");
        }
    }
}
