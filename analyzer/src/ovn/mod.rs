//! OVN's rows and texts, and our own nexthops.toml, as [`Fact`]s.
//!
//! Rows come as [`Tables`](crate::ovsdb::row::Tables), whatever they were read from; texts come as bytes. Nothing here
//! does I/O. A row or line that cannot be read becomes a [`Warning`] and the rest is read on; only a file whose syntax
//! as a whole is broken (TOML, JSON) is an [`Unreadable`].
//!
//! | module | source |
//! |---|---|
//! | [`northbound`] | `Logical_Router` and what hangs on it, `BFD`, `Static_MAC_Binding` |
//! | [`southbound`] | `Datapath_Binding`, `Port_Binding`, `MAC_Binding`, `Learned_Route` and others |
//! | [`lr_route_list`] | text of `ovn-nbctl lr-route-list` |
//! | [`nexthops_toml`] | our own file of next hops |
//! | [`lflows`] | logical flows of symmetric replies: rows, text of `ovn-sbctl lflow-list` |
//! | [`zones`] | names of conntrack zones: conf.db, `ovs-vsctl`, `ct-zone-list` |
//! | [`mac_owners`] | `ip link` with VF tables, pods with their annotations, `ip neigh` and `arp` |
//! | [`moments`] | listings of the same rows that contradict each other |
//! | [`follow`] | changes of live rows of any of these databases |
//!
//! [`local`] tells from the Open_vSwitch database what is to be known of this node before it is watched.

use std::sync::Arc;

pub use self::gaps::of_table as lost_row;
use self::moments::Contradiction;
use crate::engine::fact::{EvidenceKind, EvidenceKinds, Fact, Gap, Scope};
use crate::types::{Place, Position, Timestamp, Validity, Warning};

mod columns;
pub mod follow;
mod gaps;
mod history;
pub mod lflows;
mod lines;
pub mod local;
pub mod lr_route_list;
pub mod mac_owners;
pub mod moments;
pub mod nexthops_toml;
pub mod northbound;
mod rows;
pub mod southbound;
pub mod zones;

/// What one source tells.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facts {
    /// The facts, in the order of the source.
    pub facts: Vec<Fact>,
    /// Start of the source's history; `None` where it has none, so that its facts hold at any time.
    pub since: Option<Timestamp>,
    /// What was passed over.
    pub warnings: Vec<Warning>,
    /// What of it may decide something.
    pub gaps: Vec<Gap>,
    /// Row versions of tables that could not be read: the table, and the place of the version among those of that table.
    pub unreadable: Vec<(String, usize)>,
    /// What was taken for granted because the source does not tell it. Nothing was passed over for it.
    pub assumptions: Vec<Warning>,
}

impl Facts {
    /// Notes what is taken for granted.
    fn assume(&mut self, file: &Arc<str>, position: Position, message: String) {
        self.assumptions.push(Warning { place: Place { file: Arc::clone(file), position }, message });
    }

    /// Notes something that is passed over and is no row.
    fn warn(&mut self, file: &Arc<str>, position: Position, message: String) {
        self.warnings.push(Warning { place: Place { file: Arc::clone(file), position }, message });
    }

    /// Notes what contradicts another listing: no row of it is passed over, and what it says is lost.
    pub(crate) fn contradict(&mut self, found: Option<Contradiction>) {
        if let Some(Contradiction { warning, gaps }) = found {
            self.assumptions.push(warning);
            self.gaps.extend(gaps);
        }
    }

    /// Notes what may be a row of a text and cannot be read: what it told is missing.
    fn lose(&mut self, file: &Arc<str>, position: Position, scope: Scope, message: String) {
        self.warn(file, position, message);
        self.lose_during(file, position.whole_line(), scope, Validity::ALWAYS);
    }

    /// Notes a row that is lost for some time.
    fn lose_during(&mut self, file: &Arc<str>, position: Position, scope: Scope, validity: Validity) {
        self.gaps.push(Gap { scope, place: Place { file: Arc::clone(file), position }, validity });
    }
}

/// Kinds of evidence of which the databases that are there tell all.
pub fn kinds_of_databases(has_nb: bool, has_sb: bool) -> EvidenceKinds {
    let kinds = [
        (EvidenceKind::WholeRoutes, has_nb && has_sb),
        (EvidenceKind::Policies, has_nb),
        (EvidenceKind::Bfd, has_nb || has_sb),
        (EvidenceKind::Bindings, has_sb),
        (EvidenceKind::StaticBindings, has_nb || has_sb),
    ];
    kinds.into_iter().filter(|&(_, is_told)| is_told).map(|(kind, _)| kind).collect()
}

/// A file that cannot be read as a whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Unreadable {
    /// Where reading ended.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}
