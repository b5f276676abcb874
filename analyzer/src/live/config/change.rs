//! What is different after settings were read again.

use super::Config;

/// Settings that differ, by the names of their options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Those that take effect at once.
    pub at_once: Vec<&'static str>,
    /// Those that take effect with the next start: programs are attached, maps made and sockets opened by them.
    pub with_restart: Vec<&'static str>,
}

impl Changes {
    /// Whether all is as before.
    pub fn is_empty(&self) -> bool {
        self.at_once.is_empty() && self.with_restart.is_empty()
    }
}

impl Config {
    /// What differs in `new`.
    pub fn changes(&self, new: &Self) -> Changes {
        // Taken apart in full, so that no setting that is added can be forgotten here.
        let Self {
            interfaces,
            ingress,
            mirror,
            consumes,
            force,
            ring,
            tcx_position,
            tc,
            sample,
            sources,
            nexthops,
            mac_owners,
            conntrack,
            conntrack_interval,
            max_age,
            history,
            history_age,
            max_suspects,
            max_samples,
            max_routes,
            judging,
            alerts,
            alert_state,
            syslog,
            metrics,
            repair,
            trace,
            trace_rate,
            record,
            duration,
            end_within,
            output,
            quiet,
            file: _,
            typed: _,
        } = self;
        let changed = |all: &[(&'static str, bool)]| {
            all.iter().filter(|(_, is_same)| !is_same).map(|(option, _)| *option).collect::<Vec<_>>()
        };
        Changes {
            at_once: changed(&[
                ("sample", *sample == new.sample),
                ("conntrack-interval", *conntrack_interval == new.conntrack_interval),
                ("max-age", *max_age == new.max_age),
                ("history-age", *history_age == new.history_age),
                ("quiet", *quiet == new.quiet),
            ]),
            with_restart: changed(&[
                ("nexthops", *nexthops == new.nexthops),
                ("mac-owners", *mac_owners == new.mac_owners),
                ("node", output.node == new.output.node),
                ("interface", *interfaces == new.interfaces),
                ("ingress", *ingress == new.ingress),
                ("mirror", *mirror == new.mirror),
                ("mirror-consume", *consumes == new.consumes),
                ("force", *force == new.force),
                ("ring", *ring == new.ring),
                ("tcx-position", *tcx_position == new.tcx_position),
                ("tc", *tc == new.tc),
                ("nb", sources.nb == new.sources.nb),
                ("sb", sources.sb == new.sources.sb),
                ("ovs", sources.ovs == new.sources.ovs),
                ("private-key or certificate", sources.tls.identity == new.sources.tls.identity),
                ("ca-cert", sources.tls.ca_cert == new.sources.tls.ca_cert),
                ("leader-only", sources.leader_only == new.sources.leader_only),
                ("kernel-routes", sources.kernel_routes == new.sources.kernel_routes),
                ("vswitchd", sources.vswitchd == new.sources.vswitchd),
                ("conntrack", *conntrack == new.conntrack),
                ("history", *history == new.history),
                ("max-suspects", *max_suspects == new.max_suspects),
                ("max-samples", *max_samples == new.max_samples),
                ("max-routes", *max_routes == new.max_routes),
                ("grace", judging.grace == new.judging.grace),
                ("heard-window", judging.heard_window == new.judging.heard_window),
                ("allow-mac", judging.allowed == new.judging.allowed),
                ("max-findings", judging.max_findings == new.judging.max_findings),
                ("alert-gather", alerts.gather == new.alerts.gather),
                ("alert-remind", alerts.remind == new.alerts.remind),
                ("alert-hold", alerts.hold == new.alerts.hold),
                ("alert-rate", alerts.per_minute == new.alerts.per_minute),
                ("alert-state", *alert_state == new.alert_state),
                ("the options of syslog", *syslog == new.syslog),
                ("metrics", *metrics == new.metrics),
                ("repair or an option of its", *repair == new.repair),
                ("trace", *trace == new.trace),
                ("trace-rate", *trace_rate == new.trace_rate),
                ("write or an option of its", *record == new.record),
                ("duration", *duration == new.duration),
                ("end-within", *end_within == new.end_within),
                ("format", output.format == new.output.format),
                ("color", output.color == new.output.color),
                ("limit", output.limit == new.output.limit),
                ("reproducible", output.reproducible == new.output.reproducible),
            ]),
        }
    }
}
