//! The configuration, read again.

use super::daemon::Daemon;
use super::voice::Trouble;

impl Daemon {
    /// Reads the configuration again and takes up what can change while the daemon runs. What cannot is named; a
    /// configuration that cannot be read changes nothing.
    pub(super) fn reload(&mut self) {
        let new = match self.config.reread() {
            Ok(new) => new,
            Err(error) => {
                self.voice.complain(&format!("the configuration stays as it was: {error}"));
                return;
            }
        };
        let changes = self.config.changes(&new);
        if changes.is_empty() {
            self.voice.say("the configuration is read again: nothing has changed");
            return;
        }
        if new.sample != self.config.sample
            && let Err(error) = self.kernel.set_sample(new.sample)
        {
            self.voice.failed(Trouble::KernelProgram, &error);
        }
        self.config.sample = new.sample;
        self.config.conntrack_interval = new.conntrack_interval;
        self.config.max_age = new.max_age;
        self.config.history_age = new.history_age;
        self.config.quiet = new.quiet;
        self.voice.set_quiet(new.quiet);
        if !changes.at_once.is_empty() {
            self.voice.say(&format!("the configuration is read again: {} changed", changes.at_once.join(", ")));
        }
        if !changes.with_restart.is_empty() {
            self.voice.complain(&format!(
                "{} changed in the configuration, which takes effect with the next start",
                changes.with_restart.join(", ")
            ));
        }
    }
}
