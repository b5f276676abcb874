//! The answer to the question of a run: does a flow leave to a MAC that is no current next hop?

use super::report::{Report, Skipped};
use crate::engine::finding::Summary;

/// The answer of a run. Its name is the first word of the text, and the exit status follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// At least one does.
    Violating,
    /// None does, but for what left within the grace period after a change.
    Grace,
    /// None does, as far as can be told: something could not be judged.
    Undetermined,
    /// None does.
    Ok,
}

impl Answer {
    /// The word for it in text; that of JSON is the same in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Violating => "VIOLATING",
            Self::Grace => "GRACE",
            Self::Undetermined => "UNDETERMINED",
            Self::Ok => "OK",
        }
    }
}

impl Report {
    /// What the run answers. Absence of data is never conformity.
    pub fn answer(&self) -> Answer {
        let Summary { violating_packets, grace_packets, .. } = self.summary;
        match (violating_packets, grace_packets) {
            (1.., _) => Answer::Violating,
            (0, 1..) => Answer::Grace,
            (0, 0) if self.is_whole() => Answer::Ok,
            (0, 0) => Answer::Undetermined,
        }
    }

    /// Whether next hops were told, something was judged, and nothing was left out. What was not read may violate.
    fn is_whole(&self) -> bool {
        let Summary { covered_flows, undetermined_flows, untracked_packets, ref gaps, .. } = self.summary;
        let Skipped { truncated, unparsed, ends, .. } = self.skipped;
        self.tells_nexthops
            && !self.interrupted
            && gaps.is_empty()
            && covered_flows > 0
            && undetermined_flows + untracked_packets + truncated + unparsed + ends == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fact::{Gap, Scope};
    use crate::types::{Place, Position, Validity};

    fn gap() -> Gap {
        let place = Place { file: "lost.txt".into(), position: Position::Line(7) };
        Gap { scope: Scope::Ports, place, validity: Validity::ALWAYS }
    }

    #[test]
    fn absence_of_data_is_no_conformity() {
        type Change = fn(&mut Report);
        let mut fine = Report { tells_nexthops: true, ..Report::default() };
        (fine.summary.covered_flows, fine.summary.conforming_flows) = (1, 1);
        (fine.skipped.not_ip, fine.skipped.lines) = (1, 1);
        assert_eq!(fine.answer(), Answer::Ok);
        let lacks: [Change; 9] = [
            |report| report.summary.gaps = vec![gap()],
            |report| report.interrupted = true,
            |report| report.summary.covered_flows = 0,
            |report| report.summary.undetermined_flows = 1,
            |report| report.summary.untracked_packets = 1,
            |report| report.skipped.truncated = 1,
            |report| report.skipped.unparsed = 1,
            |report| report.skipped.ends = 1,
            |report| report.tells_nexthops = false,
        ];
        for lack in lacks {
            let mut report = fine.clone();
            lack(&mut report);
            assert_eq!(report.answer(), Answer::Undetermined, "{report:?}");
            report.summary.grace_packets = 1;
            assert_eq!(report.answer(), Answer::Grace, "{report:?}");
            report.summary.violating_packets = 1;
            assert_eq!(report.answer(), Answer::Violating, "{report:?}");
        }
    }
}
