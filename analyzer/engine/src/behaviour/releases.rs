//! What chassis, entries and northd's release say of an entry, where the router's logical flows are not told.

use super::{Applies, Asked, Behaviour};
use crate::label::PortForm;
use crate::types::Release;

/// Ports in the mark where all chassis can do without masked labels (ovn a075230e4).
const MARKS_WHERE_ALL_CAN: &[Release] = &[Release::new(21, 12, 2), Release::new(22, 3, 1), Release::new(22, 6, 0)];
/// Ports in the mark in any case (ovn f1f5c34f1).
const MARKS: &[Release] = &[Release::new(24, 9, 0)];
/// Symmetric reply also where one route is left (ovn b93e9a5e6).
const ALONE: &[Release] =
    &[Release::new(23, 9, 6), Release::new(24, 3, 4), Release::new(24, 9, 1), Release::new(25, 3, 0)];
/// Labels apply without a learned flow (again): ovn 23fdc5fe4. Before 22.06.1 they did, too.
const WITHOUT_LEARNING: &[Release] = &[
    Release::new(22, 9, 3),
    Release::new(22, 12, 2),
    Release::new(23, 3, 2),
    Release::new(23, 6, 2),
    Release::new(23, 9, 0),
];
/// Labels apply to packets of either direction (ovn 9c3ae6f27).
const EITHER_DIRECTION: &[Release] = &[Release::new(24, 9, 0)];

const UNREAD_BESIDE_MARKS: &str =
    "its port stands in the label, where OVN no longer reads it: other entries have theirs in the mark";

/// Why an entry is out of use that has its port in a form in which OVN does not read it.
pub(super) fn unread(form: PortForm) -> &'static str {
    match form {
        PortForm::Label => "its port stands in the label, where OVN does not read it",
        PortForm::Mark => "its port stands in the mark, where OVN does not read it",
    }
}

/// Why a label that OVN with learned flows reads may be out of use.
pub(super) const FORGETS: &str = "this OVN may apply a label for 30 s at most after the last packet from outside, and nothing tells whether it does still";

const ALONE_MAY: &str =
    "one route with symmetric reply is left, and not every release of OVN applies labels where there are not several";
const OPENER_MAY: &str =
    "the pod opened the flow, and not every release of OVN applies labels to other packets than answers";

/// Whether OVN applies the entry.
pub(super) fn applies(behaviour: &Behaviour<'_>, asked: &Asked<'_>) -> Applies {
    let of_release = |firsts, may| match surely_has(behaviour, firsts) {
        Some(true) => Applies::Yes,
        Some(false) => Applies::May(may),
        None => Applies::Untold,
    };
    let alone = asked.is_alone.then(|| of_release(ALONE, ALONE_MAY));
    let opener = asked.leaves_as_opener().then(|| of_release(EITHER_DIRECTION, OPENER_MAY));
    let forgets = of_release(WITHOUT_LEARNING, FORGETS);
    // The worst counts.
    [Some(forgets), alone, opener].into_iter().flatten().fold(port_is_read(behaviour, asked), Applies::max)
}

/// Whether northd's release surely applies labels without flows that it learned.
pub(super) fn never_learns(behaviour: &Behaviour<'_>) -> bool {
    surely_has(behaviour, WITHOUT_LEARNING) == Some(true)
}

/// Whether northd's release has a change for certain; `None` where nothing tells the release.
fn surely_has(behaviour: &Behaviour<'_>, firsts: &[Release]) -> Option<bool> {
    let releases = behaviour.northd.iter().map(|release| release.surely_has(firsts));
    releases.reduce(|all, one| all && one)
}

/// Whether OVN applies the entry as far as that is a matter of where it has its port.
fn port_is_read(behaviour: &Behaviour<'_>, asked: &Asked<'_>) -> Applies {
    let form = asked.entry.reply.form;
    match (form, reads_marks(behaviour)) {
        (PortForm::Mark, Marks::Read) | (PortForm::Label, Marks::NotRead) => Applies::Yes,
        (PortForm::Label, Marks::Read) if behaviour.has_marks => Applies::No(UNREAD_BESIDE_MARKS),
        // Entries that were written anew have both.
        (PortForm::Mark, Marks::NotRead) if asked.port(PortForm::Label).is_some() => Applies::Yes,
        (PortForm::Label, Marks::Read) | (PortForm::Mark, Marks::NotRead) => Applies::No(unread(form)),
        (PortForm::Mark, Marks::MayBeRead) => {
            Applies::May("its port stands in the mark, and not every release of OVN reads it there")
        }
        (PortForm::Label, Marks::MayBeRead) => {
            Applies::May("its port stands in the label, and not every release of OVN reads it there")
        }
        (_, Marks::Untold) => Applies::Untold,
    }
}

/// Whether OVN reads ports in the mark, and not in the label.
enum Marks {
    Read,
    NotRead,
    MayBeRead,
    Untold,
}

fn reads_marks(behaviour: &Behaviour<'_>) -> Marks {
    let is_any = surely_has(behaviour, MARKS);
    match (is_any, behaviour.all_do_without_masked_labels) {
        // northd goes by what all chassis can do. Where entries have marks, one that cannot may be gone.
        (Some(false), Some(false)) if !behaviour.has_marks => Marks::NotRead,
        (Some(false), Some(false)) => Marks::MayBeRead,
        _ if is_any == Some(true) || behaviour.has_marks => Marks::Read,
        (_, Some(true)) if surely_has(behaviour, MARKS_WHERE_ALL_CAN) == Some(true) => Marks::Read,
        (None, None) => Marks::Untold,
        _ => Marks::MayBeRead,
    }
}
