//! Scenarios of the lab on each OVN that Debian has, besides all of them on the one that is installed.

use std::process::Command;

use anyhow::{Result, bail};

use super::summary::Summary;
use crate::lab;
use crate::ovn::{self, Found, Ovn};

/// The tests of the scenarios on which versions of OVN differ most.
const SCENARIOS: [&str; 7] = [
    "scenarios::incident::incident",
    "scenarios::next_hops::next_hop_removed",
    "scenarios::pod_opens::pod_opens_and_the_gateway_dies",
    "scenarios::translated::translated_and_pinned",
    "scenarios::protocols::icmp_ipv6_on_ovn_as_it_is",
    "scenarios::monitor::monitor_flushes_when_the_controller_goes_on",
    "scenarios::learned::learned_routes",
];

/// Those of them whose names contain one of the filters.
fn asked_for(filters: &[String]) -> Vec<&'static str> {
    let is_it = |test: &&str| filters.is_empty() || filters.iter().any(|filter| test.contains(filter.as_str()));
    SCENARIOS.into_iter().filter(is_it).collect()
}

/// What is to be done about a version.
pub(super) enum Plan {
    Play(Ovn),
    /// It has to be told, and nothing follows.
    Tell(String),
    /// It is not there, and need not be.
    Skip(String),
    Fail(String),
}

/// Looks for every version, and downloads what is not there where all has to be.
pub(super) fn plans(filters: &[String], strict: bool) -> Vec<Plan> {
    if asked_for(filters).is_empty() {
        return Vec::new();
    }
    ovn::versions().into_iter().map(|version| plan(version, strict)).collect()
}

fn plan(version: &'static str, strict: bool) -> Plan {
    let found =
        if strict { ovn::fetch(version).map(Some) } else { ovn::find(version).map(|ovn| ovn.map(Found::Ready)) };
    match found {
        Ok(Some(Found::Ready(ovn))) if ovn.is_installed => Plan::Tell(format!("{ovn}: the lab's scenarios")),
        Ok(Some(Found::Ready(ovn))) => Plan::Play(ovn),
        Ok(Some(Found::Gone(why))) => Plan::Tell(why),
        Ok(None) => {
            Plan::Skip(format!("not in target/ovn; `cargo xtask lab --ovn {version}` or --install downloads it"))
        }
        Err(error) => Plan::Fail(format!("OVN {version}: {error:#}")),
    }
}

impl Plan {
    /// Plays what is planned. `run` runs `cargo test`, and adds what came of it to the sum.
    pub(super) fn carry_out(
        self,
        filters: &[String],
        summary: &mut Summary,
        run: impl FnOnce(&mut Command, &mut Summary) -> Result<()>,
    ) -> Result<()> {
        let ovn = match self {
            Self::Play(ovn) => ovn,
            Self::Tell(what) => {
                summary.tell(what);
                return Ok(());
            }
            Self::Skip(why) => {
                summary.left_out("the lab on another OVN", &why);
                return Ok(());
            }
            Self::Fail(why) => {
                summary.fail(&why);
                return Ok(());
            }
        };
        let (known, tests) = (lab::scenarios()?, asked_for(filters));
        if let Some(gone) = tests.iter().find(|test| known.values().all(|known| known != *test)) {
            bail!("there is no scenario {gone}");
        }
        let mut command = lab::test_program();
        command.env(ovn::VARIABLE, ovn.version).arg("--exact").args(&tests);
        let names: Vec<_> = tests.iter().filter_map(|test| test.rsplit("::").next()).collect();
        summary.tell(format!("{ovn}: {}", names.join(", ")));
        run(&mut command, summary)
    }
}
