//! A snapshot as samples.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet};

use super::families::{self as family, Family};
use super::process::Usage;
use super::snapshot::{Conformed, SourceState};
use super::{Latency, Snapshot};
use crate::alerts::Kind;

/// Next hops that have samples of their own at most. The packets of the rest are summed.
const MAX_NEXTHOPS: usize = 1024;
/// Next hops of one MAC that its label names at most.
const MAX_NAMED: usize = 4;

/// What a scrape sees.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct View {
    /// What the daemon published last.
    pub(super) snapshot: Arc<Snapshot>,
    /// How long ago.
    pub(super) age: Duration,
    /// Connections that were closed in favour of newer ones.
    pub(super) displaced: u64,
    /// What the process takes, where it can be told.
    pub(super) usage: Option<Usage>,
}

impl Collector for View {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        let version = env!("CARGO_PKG_VERSION");
        info(out, &family::BUILD, [version, &self.snapshot.kernel_program])?;
        self.packets(out)?;
        self.nexthops(out)?;
        self.entries(out)?;
        self.alerts(out)?;
        let losses = self.snapshot.losses.iter().map(|loss| ([loss.name], loss.count));
        counters(out, &family::LOSSES, losses)?;
        let repairs = self.snapshot.repairs.iter().map(|repair| ([repair.name], repair.count));
        counters(out, &family::REPAIRS, repairs)?;
        self.sources(out)?;
        self.kernel(out)?;
        self.ourselves(out)
    }
}

impl View {
    fn packets(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let judged = &self.snapshot.judged;
        let of = |value: fn(&super::Judged) -> u64| {
            judged.iter().map(move |judged| ([judged.verdict, judged.reason.unwrap_or_default()], value(judged)))
        };
        counters(out, &family::JUDGED_PACKETS, of(|judged| judged.packets))?;
        counters(out, &family::JUDGED_BYTES, of(|judged| judged.bytes))?;
        gauges(out, &family::JUDGED_FLOWS, of(|judged| judged.flows))
    }

    fn nexthops(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (named, rest) = self.snapshot.conformed.split_at(self.snapshot.conformed.len().min(MAX_NEXTHOPS));
        let labels: Vec<[String; 2]> = named.iter().map(nexthop_labels).collect();
        let of = |value: fn(&Conformed) -> u64| {
            let other = (!rest.is_empty()).then(|| (["other", ""], rest.iter().map(value).sum()));
            let named = labels.iter().zip(named);
            named.map(move |(labels, nexthop)| (labels.each_ref().map(String::as_str), value(nexthop))).chain(other)
        };
        counters(out, &family::NEXTHOP_PACKETS, of(|nexthop| nexthop.packets))?;
        counters(out, &family::NEXTHOP_BYTES, of(|nexthop| nexthop.bytes))?;
        gauges(out, &family::NEXTHOP_FLOWS, of(|nexthop| nexthop.flows))?;
        gauges(out, &family::NEXTHOPS_KNOWN, [([], u64::from(self.snapshot.nexthops_known))])?;
        counters(out, &family::SWITCHES, [([], self.snapshot.switches)])
    }

    fn entries(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Snapshot { latent_armed, latent_unused, labelled_entries, open_causes, .. } = *self.snapshot;
        gauges(out, &family::LATENT, [(["armed"], latent_armed), (["unused"], latent_unused)])?;
        gauges(out, &family::LABELLED, [([], labelled_entries)])?;
        gauges(out, &family::CAUSES, [([], open_causes)])
    }

    fn alerts(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let made = |kind: Kind| self.snapshot.alerts.get(&kind).copied().unwrap_or(0);
        counters(out, &family::ALERTS, Kind::ALL.map(|kind| ([kind.name()], made(kind))))?;
        let sinks = &self.snapshot.sinks;
        let outcomes = sinks.iter().flat_map(|counts| {
            let outcomes = [
                ("sent", counts.sent),
                ("resent", counts.resent),
                ("dropped", counts.dropped),
                ("failed", counts.failed),
            ];
            outcomes.map(|(outcome, count)| ([&*counts.sink, outcome], count))
        });
        counters(out, &family::DELIVERIES, outcomes)?;
        gauges(out, &family::QUEUE, sinks.iter().map(|counts| ([&*counts.sink], counts.queued)))?;
        histogram(out, &family::LATENCY, &self.snapshot.latency)
    }

    fn sources(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sources = &self.snapshot.sources;
        let states = sources.iter().flat_map(|source| {
            SourceState::ALL.map(|state| ([source.name, &source.place, state.name()], u64::from(source.state == state)))
        });
        gauges(out, &family::SOURCE_STATE, states)?;
        let ages = sources.iter().filter_map(|source| Some(([source.name, &*source.place], source.age?.as_secs_f64())));
        gauges(out, &family::SOURCE_AGE, ages)
    }

    fn kernel(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let attached = self.snapshot.nics.iter().flat_map(|nic| {
            let hooks = [("egress", nic.egress), ("ingress", nic.ingress)];
            hooks.map(|(hook, mode)| ([&*nic.name, hook, mode.unwrap_or("none")], u64::from(mode.is_some())))
        });
        gauges(out, &family::NIC_ATTACHED, attached)?;
        let maps = &self.snapshot.maps;
        gauges(out, &family::MAP_ENTRIES, maps.iter().map(|map| ([&*map.name], map.capacity)))?;
        gauges(out, &family::MAP_BYTES, maps.iter().map(|map| ([&*map.name], map.bytes)))
    }

    fn ourselves(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        gauges(out, &family::SNAPSHOT_AGE, [([], self.age.as_secs_f64())])?;
        counters(out, &family::DISPLACED, [([], self.displaced)])?;
        let Some(usage) = self.usage else { return Ok(()) };
        counters(out, &family::PROCESS_CPU, [([], usage.cpu)])?;
        gauges(out, &family::PROCESS_MEMORY, [([], usage.memory)])?;
        gauges(out, &family::PROCESS_START, [([], usage.started)])
    }
}

/// Names of the next hops that share a MAC, and the MAC.
fn nexthop_labels(nexthop: &Conformed) -> [String; 2] {
    let named: Vec<String> = nexthop.nexthops.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let mut names = named.join(",");
    if let Some(more) = nexthop.nexthops.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        names.push_str(&format!(",+{more}"));
    }
    [names, nexthop.lladdr.to_string()]
}

fn counters<'v, const N: usize, V: EncodeCounterValue>(
    out: &mut DescriptorEncoder<'_>,
    family: &Family<N>,
    samples: impl IntoIterator<Item = ([&'v str; N], V)>,
) -> fmt::Result {
    let kind = family.kind.metric_type();
    let mut metric = out.encode_descriptor(family.name, family.help, family.unit.as_ref(), kind)?;
    for (values, count) in samples {
        let labels = labels(family, values);
        match labels.is_empty() {
            true => metric.encode_counter::<NoLabelSet, V, f64>(&count, None)?,
            false => metric.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&count, None)?,
        }
    }
    Ok(())
}

fn gauges<'v, const N: usize, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    family: &Family<N>,
    samples: impl IntoIterator<Item = ([&'v str; N], V)>,
) -> fmt::Result {
    let kind = family.kind.metric_type();
    let mut metric = out.encode_descriptor(family.name, family.help, family.unit.as_ref(), kind)?;
    for (values, level) in samples {
        let labels = labels(family, values);
        match labels.is_empty() {
            true => metric.encode_gauge(&level)?,
            false => metric.encode_family(&labels)?.encode_gauge(&level)?,
        }
    }
    Ok(())
}

fn info<const N: usize>(out: &mut DescriptorEncoder<'_>, family: &Family<N>, values: [&str; N]) -> fmt::Result {
    let kind = family.kind.metric_type();
    out.encode_descriptor(family.name, family.help, family.unit.as_ref(), kind)?.encode_info(&labels(family, values))
}

fn histogram(out: &mut DescriptorEncoder<'_>, family: &Family<0>, latency: &Latency) -> fmt::Result {
    let kind = family.kind.metric_type();
    let mut metric = out.encode_descriptor(family.name, family.help, family.unit.as_ref(), kind)?;
    metric.encode_histogram::<NoLabelSet>(latency.sum(), latency.count(), &latency.buckets(), None)
}

/// Label names and values. Values that come from outside may hold anything but line breaks and other control
/// characters, which a reader of the text would stumble over.
fn labels<'v, const N: usize>(family: &Family<N>, values: [&'v str; N]) -> [(&'static str, Cow<'v, str>); N] {
    let mut names = family.labels.into_iter();
    values.map(|value| {
        let clean = match value.contains(char::is_control) {
            true => Cow::Owned(value.replace(char::is_control, "\u{fffd}")),
            false => Cow::Borrowed(value),
        };
        (names.next().unwrap_or_default(), clean)
    })
}

#[cfg(test)]
pub(super) mod tests;
