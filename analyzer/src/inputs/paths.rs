//! The files that a run was given.

use std::path::PathBuf;

use super::ticket::{Kind, Ticket};
use crate::engine::fact::{EvidenceKind, EvidenceKinds};
use crate::ovn;

/// Paths of dumps, by what they hold. Each may be packed with gzip or zstd.
#[derive(clap::Args, Clone, PartialEq, Eq, Debug, Default)]
#[command(next_help_heading = "Dumps (each may be given several times, and packed with gzip or zstd)")]
pub struct Paths {
    /// Next hops as you write them down yourself (docs/nexthops.md)
    #[arg(long, value_name = "FILE")]
    pub nexthops: Vec<PathBuf>,
    /// Text of `ovn-nbctl lr-route-list ROUTER`
    #[arg(long, value_name = "[ROUTER=]FILE", value_parser = parse_router_file)]
    pub lr_routes: Vec<RouterFile>,
    /// Text of `ovn-sbctl list MAC_Binding`
    #[arg(long, value_name = "FILE")]
    pub mac_bindings: Vec<PathBuf>,
    /// Text of `ovn-nbctl list Static_MAC_Binding`, or of ovn-sbctl
    #[arg(long, value_name = "FILE")]
    pub static_mac_bindings: Vec<PathBuf>,
    /// Text of `ovn-nbctl list BFD`
    #[arg(long, value_name = "FILE")]
    pub bfd: Vec<PathBuf>,
    /// Text of `ovn-nbctl list Logical_Router_Static_Route`
    #[arg(long, value_name = "FILE")]
    pub static_routes: Vec<PathBuf>,
    /// Text of `ovn-sbctl list Port_Binding`
    #[arg(long, value_name = "FILE")]
    pub port_bindings: Vec<PathBuf>,
    /// Text of `ovn-sbctl list Datapath_Binding`
    #[arg(long, value_name = "FILE")]
    pub datapaths: Vec<PathBuf>,
    /// Text of `ovn-sbctl list Learned_Route`, where OVN learns routes (25.03 and later)
    #[arg(long, value_name = "FILE")]
    pub learned_routes: Vec<PathBuf>,
    /// Text of `ovn-sbctl list ECMP_Nexthop` (25.03 and later): read, and of no weight
    #[arg(long, value_name = "FILE")]
    pub ecmp_nexthops: Vec<PathBuf>,
    /// Text of `ovn-sbctl lflow-list`: what OVN does with labels
    #[arg(long, value_name = "FILE")]
    pub logical_flows: Vec<PathBuf>,
    /// Northbound database file: next hops with their history
    #[arg(long, value_name = "FILE")]
    pub nb_db: Vec<PathBuf>,
    /// Southbound database file: MAC bindings with their history
    #[arg(long, value_name = "FILE")]
    pub sb_db: Vec<PathBuf>,
    /// The node's own conf.db: names of conntrack zones
    #[arg(long, value_name = "FILE")]
    pub ovs_db: Vec<PathBuf>,
    /// Text of `ovs-appctl dpctl/dump-conntrack` or `ovs-dpctl dump-conntrack`
    #[arg(long, value_name = "FILE")]
    pub conntrack: Vec<PathBuf>,
    /// Names of conntrack zones: text of `ovs-vsctl get bridge br-int external_ids` or of `ovn-appctl ct-zone-list`
    #[arg(long, value_name = "FILE")]
    pub ct_zones: Vec<PathBuf>,
    /// Whose MAC it was: text or JSON of `ip -d link` or `ip neigh`, `arp -n`, `oc get pods -A -o yaml` or `-o json`, or `oc
    /// describe pods`
    #[arg(long, value_name = "FILE")]
    pub mac_owners: Vec<PathBuf>,
    /// Texts that hold several of these, and captures
    #[arg(skip)]
    pub tickets: Vec<Ticket>,
}

/// A file that tells of one router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouterFile {
    /// Name of the router, where told.
    pub router: Option<String>,
    /// The file.
    pub file: PathBuf,
}

/// Reads `ROUTER=FILE` or `FILE`. A path that holds `=` behind a slash is a path.
fn parse_router_file(text: &str) -> Result<RouterFile, String> {
    match text.split_once('=') {
        Some(("", _) | (_, "")) => Err("expected FILE or ROUTER=FILE".to_owned()),
        Some((router, file)) if !router.contains('/') => {
            Ok(RouterFile { router: Some(router.to_owned()), file: file.into() })
        }
        _ => Ok(RouterFile { router: None, file: text.into() }),
    }
}

impl Paths {
    /// Whether no dump at all was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether no dump was given but what tells whose MAC it was: that goes with the running system too.
    pub fn are_owners_only(&self) -> bool {
        Self { mac_owners: Vec::new(), ..self.clone() }.is_empty()
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let Self {
            nexthops,
            lr_routes,
            mac_bindings,
            static_mac_bindings,
            bfd,
            static_routes,
            port_bindings,
            datapaths,
            learned_routes,
            ecmp_nexthops,
            logical_flows,
            nb_db,
            sb_db,
            ovs_db,
            conntrack,
            ct_zones,
            mac_owners,
            tickets,
        } = self;
        [
            nexthops,
            mac_bindings,
            static_mac_bindings,
            bfd,
            static_routes,
            port_bindings,
            datapaths,
            learned_routes,
            ecmp_nexthops,
            logical_flows,
            nb_db,
            sb_db,
            ovs_db,
            conntrack,
            ct_zones,
            mac_owners,
        ]
        .into_iter()
        .flatten()
        .chain(lr_routes.iter().map(|list| &list.file))
        .chain(tickets.iter().map(|ticket| &ticket.path))
    }

    /// Kinds of evidence that these files tell all of. Whether next hops are dated is for the files themselves to say.
    pub fn kinds(&self) -> EvidenceKinds {
        let mut kinds = ovn::kinds_of_databases(!self.nb_db.is_empty(), !self.sb_db.is_empty());
        for (kind, texts, block) in [
            (EvidenceKind::Bfd, &self.bfd, Kind::Rows("BFD")),
            (EvidenceKind::Bindings, &self.mac_bindings, Kind::Rows("MAC_Binding")),
            (EvidenceKind::StaticBindings, &self.static_mac_bindings, Kind::Rows("Static_MAC_Binding")),
            (EvidenceKind::Connections, &self.conntrack, Kind::Connections),
        ] {
            if !texts.is_empty() || self.tickets_hold(|kind| *kind == block) {
                kinds.insert(kind);
            }
        }
        kinds
    }

    /// Whether a source of next hops was given.
    pub fn tells_nexthops(&self) -> bool {
        !(self.nexthops.is_empty()
            && self.lr_routes.is_empty()
            && self.static_routes.is_empty()
            && self.learned_routes.is_empty()
            && self.nb_db.is_empty())
            || self.tickets_hold(|kind| {
                matches!(
                    kind,
                    Kind::Nexthops | Kind::Routes { .. } | Kind::Rows("Logical_Router_Static_Route" | "Learned_Route")
                )
            })
    }

    /// Whether conntrack entries were given.
    pub fn tells_connections(&self) -> bool {
        !self.conntrack.is_empty() || self.tickets_hold(|kind| *kind == Kind::Connections)
    }

    fn tickets_hold(&self, is_kind: impl Fn(&Kind) -> bool) -> bool {
        self.tickets.iter().any(|ticket| ticket.of(&is_kind).next().is_some())
    }
}
