//! What is sent, and by whom.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use analyzer::alerts::{Alert, Field, Kind};
use analyzer::net::Backoff;
use analyzer::sinks::config::{Config, Delivery, Format};
use analyzer::sinks::format::Origin;
use analyzer::sinks::severity::{Facility, Severities};
use analyzer::sinks::status::{SinkStatus, State};
use analyzer::sinks::{Hooks, Sinks};
use analyzer::types::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};

/// How long a condition may take to come true. None of the tests waits that long where all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings with short times, so that tests need not wait for long.
pub(crate) fn config(targets: &[&str]) -> Config {
    Config {
        targets: targets.iter().map(|target| target.parse().unwrap()).collect(),
        format: Format::Auto,
        origin: Origin {
            hostname: "worker-08.example".into(),
            app_name: "analyzer".into(),
            process_id: 4711,
            sd_id: "analyzer@32473".into(),
            facility: "local3".parse::<Facility>().unwrap(),
            severities: Severities::new(["unknown-mac=crit".parse().unwrap()]),
            zone: TimeZone::UTC,
        },
        max_bytes: None,
        delivery: Delivery {
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(2),
            backoff: Backoff { min: Duration::from_millis(50), max: Duration::from_millis(400) },
            ..Delivery::default()
        },
    }
}

/// Runs a test's code with a runtime as the daemon has it.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Sinks, and how long each of their messages took.
pub(crate) fn start(config: &Config) -> (Sinks, Arc<Mutex<Vec<Duration>>>) {
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&latencies);
    let hooks = Hooks {
        now: Arc::new(|| "2022-06-10T00:00:00Z".parse().unwrap()),
        written: Arc::new(move |written| noted.lock().unwrap().push(written.took)),
    };
    (Sinks::start(config, &hooks).unwrap(), latencies)
}

/// The `number`-th of many alerts, which differ in all that a receiver may get wrong.
pub(crate) fn alert(number: usize) -> Arc<Alert> {
    let kind = Kind::ALL[number % Kind::ALL.len()];
    let at = Timestamp::from_nanos(1_654_814_908_000_000_000 + number as u64 * 1_000_001_000);
    let hostile =
        ["]", "\"", "\\", "\\\"]", "a b", "[x@1 y=\"z\"]", "Zürich-東京", "\u{1b}[31m", "a\nb", "=", "#%$", "\\]"];
    let field = |name, value: &str| Field { name, value: value.to_owned() };
    Arc::new(Alert {
        kind,
        reason: (kind == Kind::Violation).then_some(["stale-conntrack", "unknown-mac", "nexthop-down"][number % 3]),
        at,
        seen: None,
        text: format!(
            "message {number}: {} leaves to ce:73:29:66:39:a4",
            if number.is_multiple_of(2) { "a flow" } else { "Zürich" }
        ),
        fields: vec![
            field("number", &number.to_string()),
            field("flow", "udp 192.168.16.230:59943 -> 172.27.0.13:5005"),
            field("flow", "tcp [fd00::1]:80 -> [fd00::2]:443"),
            field("hostile", hostile[number % hostile.len()]),
        ],
    })
}

/// Waits until something is true of a sink.
pub(crate) async fn until(sinks: &Sinks, number: usize, what: &str, is: impl Fn(&SinkStatus) -> bool) -> SinkStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = sinks.status().swap_remove(number);
        if is(&status) {
            return status;
        }
        assert!(Instant::now() < end, "not {what}: {status:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn is_connected(status: &SinkStatus) -> bool {
    status.state.is_connected()
}

/// Why there is no connection.
pub(crate) fn failure(status: &SinkStatus) -> &str {
    match &status.state {
        State::Failed { error, .. } => error,
        State::Connecting { .. } | State::Connected { .. } => "",
    }
}
