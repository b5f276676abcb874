//! The running system, and how to reach what tells of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{PathOrNone, RemoteOrNone};

/// Where the running system is asked.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
#[command(next_help_heading = "Asking the running system")]
pub struct SourceArgs {
    /// OVN's Northbound database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several of a cluster with commas; none not
    /// to ask it. Well-known sockets unless given
    #[arg(long, value_name = "REMOTE", value_delimiter = ',')]
    pub nb: Vec<RemoteOrNone>,
    /// OVN's Southbound database, likewise
    #[arg(long, value_name = "REMOTE", value_delimiter = ',')]
    pub sb: Vec<RemoteOrNone>,
    /// The node's own Open_vSwitch database, likewise
    #[arg(long, value_name = "REMOTE", value_delimiter = ',')]
    pub ovs: Vec<RemoteOrNone>,
    /// PEM file of our private key, for ssl: remotes
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// PEM file of our certificate, for ssl: remotes
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificates that servers' certificates are checked against
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Of a clustered database, ask only the server that leads
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "true|false"
    )]
    pub leader_only: Option<bool>,
    /// Whether the kernel's own routes and neighbours tell next hops
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub kernel_routes: KernelRoutes,
    /// Control socket of ovs-vswitchd, which knows the conntrack entries of a userspace datapath; none not to ask it. The
    /// one that ovs-vswitchd's pid file names unless given
    #[arg(long, value_name = "SOCKET", value_parser = str::parse::<PathOrNone>)]
    pub vswitchd: Option<PathOrNone>,
}

/// Whether the kernel's routes count.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KernelRoutes {
    /// Where no Northbound database is found
    #[default]
    Auto,
    /// Always
    Yes,
    /// Never
    No,
}

impl SourceArgs {
    /// Whether anything was said about the running system.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
