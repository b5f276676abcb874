//! The configuration, read again.

use super::config::Config;
use super::console::Console;
use super::packets::Maps;
use crate::daemon::Daemon;

/// Reads the configuration again and takes up what can change while the daemon runs. What cannot is named; a configuration
/// that cannot be read changes nothing.
pub(super) fn reload(config: &mut Config, daemon: &mut Daemon, maps: &Maps, console: &mut Console) {
    let new = match config.reread() {
        Ok(new) => new,
        Err(error) => {
            console.complain(&format!("the configuration stays as it was: {error}"));
            return;
        }
    };
    let changes = config.changes(&new);
    if changes.is_empty() {
        console.say("the configuration is read again: nothing has changed");
        return;
    }
    if new.sample != config.sample
        && let Err(error) = maps.set_sample(new.sample)
    {
        daemon.note_failure(&error);
    }
    config.sample = new.sample;
    config.conntrack_interval = new.conntrack_interval;
    config.max_age = new.max_age;
    config.history_age = new.history_age;
    config.quiet = new.quiet;
    daemon.change(config.changing());
    console.set_quiet(new.quiet);
    if !changes.at_once.is_empty() {
        console.say(&format!("the configuration is read again: {} changed", changes.at_once.join(", ")));
    }
    if !changes.with_restart.is_empty() {
        console.complain(&format!(
            "{} changed in the configuration, which takes effect with the next start",
            changes.with_restart.join(", ")
        ));
    }
}
