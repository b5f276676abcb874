//! Lines that may be rows and cannot be read.

use std::sync::Arc;

use super::policy;
use crate::engine::fact::{Policy, Scope};
use crate::ovn::lines::words;
use crate::types::IpPrefix;
use crate::types::command::is_command;

/// What the row may decide that a line may be; `None` for a line that is none. A row has a prefix, mostly a next hop, and a
/// policy: two of them make a line one, or an address alone.
pub(super) fn row(line: &str, router: Option<Arc<str>>) -> Option<Scope> {
    if is_command(line) {
        return None;
    }
    let words: Vec<&str> = words(line).map(|(_, word)| word).collect();
    let addresses: Vec<usize> = (0..words.len()).filter(|&at| words[at].parse::<IpPrefix>().is_ok()).collect();
    let told = words.iter().position(|word| policy(word).is_some());
    let is_alone = words.len() == 1 && addresses.len() == 1;
    if !is_alone && addresses.len() + usize::from(told.is_some()) < 2 {
        return None;
    }
    // Of two addresses in front of the policy the first is the prefix, and so is what begins a row with three words up to it. One
    // behind something else may be either.
    let prefix = match (&addresses[..], told) {
        (&[first, second], Some(told)) if second == first + 1 && told == second + 1 => words[first].parse().ok(),
        (&[0, ..], Some(2)) => words[0].parse().ok(),
        _ => None,
    };
    let policy: Option<Policy> = told.and_then(|at| policy(words[at]));
    Some(Scope::Routes { router, policy, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_row() {
        let routes = |policy, prefix: Option<&str>| {
            Some(Scope::Routes { router: None, policy, prefix: prefix.map(|prefix| prefix.parse().unwrap()) })
        };
        for (line, expected) in [
            ("\u{1b}[?2004l 192.0.2.230 198.51.100.15 src-ip ecmp", routes(Some(Policy::SrcIp), Some("192.0.2.230"))),
            ("   10.0.x.5    198.51.100.15 dst-ip", routes(Some(Policy::DstIp), None)),
            ("   192.0.2.230    198.51.x.15 src-ip ecmp", routes(Some(Policy::SrcIp), Some("192.0.2.230"))),
            ("   192.0.2.230    198.51.100.15", routes(None, None)),
            ("192.0.2.0/24", routes(None, None)),
            ("IPv4 Routes of worker 3", None),
            ("seen on 192.0.2.230", None),
            ("it is a src-ip route", None),
            ("[root@w ~]# ip route get 10.0.0.1 from 10.0.0.2", None),
        ] {
            assert_eq!(row(line, None), expected, "{line}");
        }
    }
}
