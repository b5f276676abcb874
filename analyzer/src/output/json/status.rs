//! The shape of a daemon's status.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::SCHEMA;
use crate::output::report::Report;
use crate::output::status::{Loss, MapStatus, NicStatus, SourceStatus, Status};

#[derive(Serialize)]
pub(super) struct StatusView<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    at: String,
    nexthops_known: bool,
    sources: Vec<SourceView<'a>>,
    nics: Vec<NicView<'a>>,
    losses: Losses<'a>,
    maps: Vec<MapView<'a>>,
}

impl<'a> StatusView<'a> {
    pub(super) fn new(report: &'a Report, status: &'a Status) -> Self {
        Self {
            schema: SCHEMA,
            r#type: "status",
            node: report.node.as_deref(),
            at: status.at.to_rfc3339(report.time_digits),
            nexthops_known: status.nexthops_known,
            sources: status.sources.iter().map(|source| SourceView::new(report, source)).collect(),
            nics: status.nics.iter().map(NicView::new).collect(),
            losses: Losses(&status.losses),
            maps: status.maps.iter().map(MapView::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct SourceView<'a> {
    name: &'a str,
    place: &'a str,
    state: &'a str,
    since: String,
    age_seconds: Option<f64>,
    error: Option<&'a str>,
}

impl<'a> SourceView<'a> {
    fn new(report: &Report, source: &'a SourceStatus) -> Self {
        Self {
            name: source.name,
            place: &source.place,
            state: source.state,
            since: source.since.to_rfc3339(report.time_digits),
            // Milliseconds do.
            age_seconds: source.age.map(|age| age.as_millis() as f64 / 1000.0),
            error: source.error.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct NicView<'a> {
    name: &'a str,
    egress: Option<&'a str>,
    ingress: Option<&'a str>,
}

impl<'a> NicView<'a> {
    fn new(nic: &'a NicStatus) -> Self {
        Self { name: &nic.name, egress: nic.egress, ingress: nic.ingress }
    }
}

/// Losses as a map from cause to count.
struct Losses<'a>(&'a [Loss]);

impl Serialize for Losses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for loss in self.0 {
            map.serialize_entry(loss.name, &loss.count)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct MapView<'a> {
    name: &'a str,
    capacity: u64,
    bytes: u64,
}

impl<'a> MapView<'a> {
    fn new(map: &'a MapStatus) -> Self {
        Self { name: &map.name, capacity: map.capacity, bytes: map.bytes }
    }
}
