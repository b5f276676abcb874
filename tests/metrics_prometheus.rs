//! The server of metrics, as Debian's Prometheus scrapes it and as clients with bad manners use it. Everything happens
//! in a network namespace of the test.

#[path = "common/mod.rs"]
mod common;
#[path = "common/dashboard.rs"]
mod dashboard;
#[path = "common/netns.rs"]
mod netns;

#[path = "metrics_prometheus/clients.rs"]
mod clients;
#[path = "metrics_prometheus/lab.rs"]
mod lab;
#[path = "metrics_prometheus/prometheus.rs"]
mod prometheus;
