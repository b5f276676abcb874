//! The text that is sent: OpenMetrics 1.0.0, or the format before it.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::encode::View;

/// Content type of [`open_metrics`].
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Content type of [`older`].
pub(super) const OLDER: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of OpenMetrics 1.0.0.
pub(super) fn open_metrics(view: View) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(view));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes whatever is written to it");
    text
}

/// The same in the format 0.0.4 of Prometheus: samples are as they were; the names that it gives to counters and to
/// information are those of their samples; it has neither units nor an end.
pub(super) fn older(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            let help = help.strip_prefix(name).unwrap_or_default();
            text.push_str(&format!("# HELP {name}{suffix}{help}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stay_and_what_describes_them_changes() {
        let new = "# HELP a What it is\n# TYPE a counter\na_total{x=\"# HELP \"} 1\n# HELP b_bytes B\n# TYPE b_bytes \
                   gauge\n# UNIT b_bytes bytes\nb_bytes 2\n# HELP c C\n# TYPE c info\nc_info{v=\"1\"} 1\n# EOF\n";
        let old = "# HELP a_total What it is\n# TYPE a_total counter\na_total{x=\"# HELP \"} 1\n# HELP b_bytes B\n\
                   # TYPE b_bytes gauge\nb_bytes 2\n# HELP c_info C\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n";
        assert_eq!(older(new), old);
    }
}
