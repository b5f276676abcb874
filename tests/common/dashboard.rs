//! The expressions of the Grafana dashboard.

use std::fs;

use serde_json::Value;

/// Each expression, behind the title of its panel. Variables of Grafana have values that fit a fresh Prometheus.
pub(crate) fn expressions() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/grafana/analyzer.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        targets.iter().map(|target| (panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap()))
    });
    let with_values = |text: &str| {
        [("$node", ".*"), ("$__rate_interval", "1m"), ("$__range", "1h")]
            .iter()
            .fold(text.to_owned(), |text, (variable, value)| text.replace(variable, value))
    };
    expressions.map(|(title, expression)| (title.to_owned(), with_values(expression))).collect()
}
