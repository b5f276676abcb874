//! `analyzer live` as a process: what it says while it runs, and at its end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use analyzer::types::MacAddr;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::netns::Netns;
use crate::patience::patience;
use crate::wire::{Count, Flow};

/// How long nothing may be said by a daemon that is to say something. Other tests may have the processors.
const PATIENCE: Duration = Duration::from_secs(120);

/// A line of the daemon's.
#[derive(Debug)]
enum Line {
    /// On standard output.
    Object(Value),
    /// On standard error.
    Message(String),
}

/// A daemon that runs. It is killed when it is dropped.
pub(crate) struct Live {
    child: Child,
    lines: Receiver<Line>,
    objects: Vec<Value>,
    messages: Vec<String>,
    /// Objects and messages that were waited for are before these.
    looked_at: (usize, usize),
    /// Of findings only the keys that tell and count them are kept.
    counts_only: bool,
}

/// What a daemon said in all, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) messages: Vec<String>,
    /// Each finding as it was told last.
    pub(crate) findings: Vec<Value>,
    /// Each latent entry likewise.
    pub(crate) latent: Vec<Value>,
    pub(crate) status: Value,
    pub(crate) summary: Value,
}

impl Live {
    /// Starts it in the namespace, with no files of its own unless they are given.
    pub(crate) fn start<'a>(netns: &Netns, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let mut command = netns.command(env!("CARGO_BIN_EXE_analyzer"));
        command.args(["live", "--format", "jsonl"]);
        for own in ["--history", "--alert-state", "--syslog"] {
            if !arguments.contains(&own) {
                command.args([own, "none"]);
            }
        }
        if !arguments.contains(&"--end-within") {
            // Others may have the processors.
            command.args(["--end-within", "600"]);
        }
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(&mut command)
    }

    /// Starts a command that runs it.
    pub(crate) fn spawn(command: &mut std::process::Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let object = |line: String| {
            Line::Object(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in the output: {line}")))
        };
        forward(child.stdout.take().expect("it is piped"), sender.clone(), object);
        forward(child.stderr.take().expect("it is piped"), sender, Line::Message);
        Self { child, lines, objects: Vec::new(), messages: Vec::new(), looked_at: (0, 0), counts_only: false }
    }

    /// Keeps of findings only what tells them apart and their counts: for runs with many.
    pub(crate) fn keep_counts_only(&mut self) {
        self.counts_only = true;
    }

    /// Waits until next hops are known and all NICs are watched.
    pub(crate) fn ready(&mut self) {
        self.wait("readiness", |object| {
            let nics = object["nics"].as_array();
            let is_watched =
                nics.is_some_and(|nics| !nics.is_empty() && nics.iter().all(|nic| !nic["egress"].is_null()));
            is_watched && object["nexthops_known"] == true
        });
    }

    /// Waits for a line of standard output, later than the last that was waited for.
    pub(crate) fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            while let Some(object) = self.objects.get(self.looked_at.0) {
                self.looked_at.0 += 1;
                if is_it(object) {
                    return object.clone();
                }
            }
            self.next(what);
        }
    }

    /// Waits for a finding of this verdict on the flow, by its reason.
    pub(crate) fn wait_finding(&mut self, flow: &Flow, reason: &str) -> Value {
        let (json, eth_dst) = (flow.json(), flow.eth_dst.to_string());
        self.wait(&format!("{reason} of {flow:?}"), |object| {
            object["type"] == "finding"
                && object["flow"] == json
                && object["eth_dst"] == *eth_dst
                && object["vlan"] == Value::from(flow.vlan.clone())
                && object["reason"] == reason
        })
    }

    /// Whether such a line is there already, later than the last that was waited for.
    pub(crate) fn has(&mut self, is_it: impl Fn(&Value) -> bool) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.take(line);
        }
        self.objects[self.looked_at.0..].iter().any(is_it)
    }

    /// Waits for a message on standard error that holds `text`, later than the last that was waited for.
    pub(crate) fn wait_message(&mut self, text: &str) -> String {
        loop {
            while let Some(message) = self.messages.get(self.looked_at.1) {
                self.looked_at.1 += 1;
                if message.contains(text) {
                    return message.clone();
                }
            }
            self.next(text);
        }
    }

    fn next(&mut self, what: &str) {
        match self.lines.recv_timeout(patience(PATIENCE)) {
            Ok(line) => self.take(line),
            Err(error) => panic!(
                "waiting for {what}: {error}; it said\n{}\nand last\n{}",
                self.messages.join("\n"),
                self.objects.iter().rev().take(5).map(Value::to_string).collect::<Vec<_>>().join("\n")
            ),
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Object(mut object) => {
                if let Some(finding) = object.as_object_mut().filter(|_| self.counts_only) {
                    for key in ["expected", "route", "routes", "evidence", "conntrack", "remedy", "known_as"] {
                        finding.remove(key);
                    }
                }
                self.objects.push(object);
            }
            Line::Message(message) => self.messages.push(message),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends it by SIGTERM.
    pub(crate) fn stop(self) -> Ended {
        self.stop_by(Signal::TERM)
    }

    pub(crate) fn stop_by(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        loop {
            match self.lines.recv_timeout(patience(PATIENCE)) {
                Ok(line) => self.take(line),
                // Both of its outputs are closed.
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("waiting for the end: {error}; it said\n{}", self.messages.join("\n")),
            }
        }
        let code = self.child.wait().expect("it was started").code();
        let mut ended = Ended {
            code,
            messages: std::mem::take(&mut self.messages),
            findings: Vec::new(),
            latent: Vec::new(),
            status: Value::Null,
            summary: Value::Null,
        };
        let (mut findings, mut latent) = (BTreeMap::new(), BTreeMap::new());
        for object in std::mem::take(&mut self.objects) {
            let key = |names: &[&str]| names.iter().map(|name| object[name].to_string()).collect::<Vec<_>>();
            match object["type"].as_str() {
                Some("finding") => {
                    let key = key(&["nic", "vlan", "flow", "eth_dst", "verdict", "reason"]);
                    findings.insert(key, object);
                }
                Some("latent") => drop(latent.insert(key(&["flow", "eth_dst", "conntrack"]), object)),
                Some("status") => ended.status = object,
                Some("summary") => ended.summary = object,
                _ => panic!("unexpected on standard output: {object}"),
            }
        }
        ended.findings = findings.into_values().collect();
        ended.latent = latent.into_values().collect();
        ended
    }
}

fn forward(from: impl Read + Send + 'static, to: Sender<Line>, line: impl Fn(String) -> Line + Send + 'static) {
    thread::spawn(move || {
        for text in BufReader::new(from).lines() {
            let Ok(text) = text else { return };
            // Nobody listens any more where this fails.
            if to.send(line(text)).is_err() {
                return;
            }
        }
    });
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn said(&self) -> String {
        self.messages.join("\n")
    }

    /// A number of the summary.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.summary[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {}\n{}", self.summary, self.said()))
    }

    /// Packets that conformed by going to this MAC.
    pub(crate) fn conforming(&self, lladdr: MacAddr) -> Count {
        let nexthops = self.summary["nexthops"].as_array().expect("a list");
        let own = nexthops.iter().filter(|nexthop| nexthop["lladdr"] == *lladdr.to_string());
        own.map(Count::of).sum()
    }

    /// The one finding with this reason on the flow.
    pub(crate) fn finding(&self, flow: &Flow, reason: &str) -> &Value {
        let of_flow: Vec<&Value> = self.findings_on(flow).collect();
        let found: Vec<&&Value> = of_flow.iter().filter(|finding| finding["reason"] == reason).collect();
        match *found {
            [finding] => finding,
            _ => panic!("not one finding {reason} on {flow:?}: {of_flow:#?}\n{}", self.said()),
        }
    }

    /// The findings on a flow.
    pub(crate) fn findings_on(&self, flow: &Flow) -> impl Iterator<Item = &Value> {
        let (json, eth_dst) = (flow.json(), flow.eth_dst.to_string());
        let vlan = Value::from(flow.vlan.clone());
        self.findings
            .iter()
            .filter(move |finding| finding["flow"] == json && finding["eth_dst"] == *eth_dst && finding["vlan"] == vlan)
    }

    /// What was counted under this reason, of all flows; 0 without findings.
    pub(crate) fn counted(&self, reason: &str) -> Count {
        self.findings.iter().filter(|finding| finding["reason"] == reason).map(Count::of).sum()
    }

    /// A loss of the daemon's last status.
    pub(crate) fn loss(&self, name: &str) -> u64 {
        self.status["losses"][name].as_u64().unwrap_or_else(|| panic!("no loss {name} in {}", self.status))
    }

    /// Checks that each packet that was sent is counted once, by some verdict or as not judged, and that the findings
    /// hold those that the summary says.
    pub(crate) fn assert_complete(&self, sent: Count) {
        assert_eq!(Count::of(&self.summary), sent, "{}\n{}", self.summary, self.said());
        let conforming: Count = self.summary["nexthops"].as_array().expect("a list").iter().map(Count::of).sum();
        let by_verdict = |verdict: &str| -> u64 {
            // Those that conform by another next hop than their requests came by are counted by next hop.
            let found = self.findings.iter().filter(|finding| finding["reason"] != "asymmetric-reply");
            let found = found.filter(|finding| finding["verdict"] == verdict);
            found.map(|finding| Count::of(finding).packets).sum()
        };
        assert_eq!(by_verdict("violating"), self.number("violating_packets"), "{}", self.summary);
        let judged = conforming.packets + by_verdict("info") + by_verdict("undetermined");
        let counted = ["violating_packets", "grace_packets", "uncovered_packets", "untracked_packets"];
        let counted: u64 = counted.iter().map(|key| self.number(key)).sum();
        assert_eq!(judged + counted, sent.packets, "{}\n{:#?}\n{}", self.summary, self.findings, self.said());
    }
}

/// Waits a moment between two looks at something that tells of no change by itself.
pub(crate) fn pause(milliseconds: u64) {
    sit_out(patience(Duration::from_millis(milliseconds)));
}

/// Waits for so long and no longer, however slow the machine is.
pub(crate) fn sit_out(time: Duration) {
    // Nothing comes: unlike a parked thread, this is woken by nobody.
    let (_sender, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}
