//! Whether the daemon is alive, and whether it does what it is there for.

use std::time::Duration;

use super::Snapshot;

/// A daemon that has published nothing for so long hangs: it does so with every tick, each second.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(10);

/// Why the daemon is not alive, if it is not.
pub(super) fn illness(age: Duration) -> Option<String> {
    (age > MAX_SILENCE).then(|| format!("the daemon has published nothing for {} s", age.as_secs()))
}

/// What is missing before the daemon can judge packets; nothing where it is ready.
pub(super) fn missing(snapshot: &Snapshot) -> Vec<String> {
    let mut missing = Vec::new();
    if !snapshot.nexthops_known {
        let not_there: Vec<String> = snapshot
            .sources
            .iter()
            .filter(|source| source.state != super::SourceState::Synchronised)
            .map(|source| format!("{} at {} is {}", source.name, source.place, source.state.name()))
            .collect();
        missing.push(match not_there.is_empty() {
            true => "the next hops are not known".to_owned(),
            false => format!("the next hops are not known: {}", not_there.join(", ")),
        });
    }
    if snapshot.nics.is_empty() {
        missing.push("no NIC is watched".to_owned());
    }
    let bare = snapshot.nics.iter().filter(|nic| nic.egress.is_none());
    missing.extend(bare.map(|nic| format!("no program is attached to {}", nic.name)));
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Nic, Source, SourceState};

    #[test]
    fn silence_is_illness() {
        assert_eq!(illness(MAX_SILENCE), None);
        let illness = illness(Duration::from_millis(12_900)).unwrap();
        assert_eq!(illness, "the daemon has published nothing for 12 s");
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut snapshot = Snapshot::default();
        assert_eq!(missing(&snapshot), ["the next hops are not known", "no NIC is watched"]);
        snapshot.sources = vec![Source {
            name: "nb",
            place: "unix:/run/ovn/ovnnb_db.sock".into(),
            state: SourceState::Lost,
            age: None,
        }];
        let nic = |name: &str, egress| Nic { name: name.into(), egress, ingress: None };
        snapshot.nics = vec![nic("ens1", Some("tcx")), nic("ens2", None)];
        let expected = [
            "the next hops are not known: nb at unix:/run/ovn/ovnnb_db.sock is lost",
            "no program is attached to ens2",
        ];
        assert_eq!(missing(&snapshot), expected);
        snapshot.nexthops_known = true;
        snapshot.nics.truncate(1);
        assert_eq!(missing(&snapshot), [""; 0], "a lost source whose facts are not too old yet is no reason");
    }
}
