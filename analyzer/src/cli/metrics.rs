//! Arguments of what is exported for Prometheus.

use clap::Args;

use crate::metrics::address::ListenAddress;

/// What is exported for Prometheus.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Serve metrics for Prometheus, /healthz and /readyz (docs/metrics.md): a port on loopback, or an IP address and a
    /// port; may be given several times
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = str::parse::<ListenAddress>)]
    pub metrics: Vec<ListenAddress>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: MetricsArgs,
    }

    #[test]
    fn addresses_as_typed() {
        let read = |line: &[&str]| Line::try_parse_from(line).map(|line| line.args.metrics);
        let addresses = read(&["analyzer", "--metrics", "9479", "--metrics=[::1]:9479"]).unwrap();
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.1:9479", "[::1]:9479"]);
        assert_eq!(read(&["analyzer"]).unwrap(), []);
        let error = read(&["analyzer", "--metrics", "localhost:9479"]).unwrap_err().to_string();
        assert!(error.contains("expected a port (9479, which listens on loopback)"), "{error}");
    }
}
