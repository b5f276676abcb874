//! What the kernel's clock costs.

use std::fs;

use super::check::Check;

pub(super) fn check() -> Check {
    let file = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    judge(fs::read_to_string(file).ok().as_deref().map(str::trim))
}

/// Sources that are read over a bus take a microsecond, as much as a packet takes in all.
fn judge(source: Option<&str>) -> Check {
    const NAME: &str = "clock";
    match source {
        Some(slow @ ("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies")) => Check::limited(
            NAME,
            format!("the kernel takes its time from {slow}"),
            "Each packet asks the time, which takes about a microsecond here.",
            "Find out in the kernel's log why tsc was given up; tsc=reliable on the kernel's command line keeps it.",
        ),
        Some(source) => Check::ok(NAME, format!("the kernel takes its time from {source}"), "asking the time is cheap"),
        None => Check::ok(NAME, "the kernel does not say where it takes its time from", "what it costs is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn slow_clocks_are_told() {
        assert_eq!(judge(Some("tsc")).state, State::Ok);
        assert_eq!(judge(Some("kvm-clock")).state, State::Ok);
        assert_eq!(judge(Some("hpet")).state, State::Limited);
        assert_eq!(judge(None).state, State::Ok);
    }
}
