//! The client that follows a database, against the real ovsdb-server and against servers that are none.

#[path = "common/authority.rs"]
mod authority;
mod common;
#[path = "common/ovsdb.rs"]
mod ovsdb;

#[path = "ovsdb_live/bad_servers.rs"]
mod bad_servers;
#[path = "ovsdb_live/certificates.rs"]
mod certificates;
#[path = "ovsdb_live/cluster.rs"]
mod cluster;
#[path = "ovsdb_live/conditions.rs"]
mod conditions;
#[path = "ovsdb_live/observer.rs"]
mod observer;
#[path = "ovsdb_live/proxy.rs"]
mod proxy;
#[path = "ovsdb_live/selects.rs"]
mod selects;
#[path = "ovsdb_live/size.rs"]
mod size;
#[path = "ovsdb_live/standalone.rs"]
mod standalone;
#[path = "ovsdb_live/storm.rs"]
mod storm;
#[path = "ovsdb_live/transactions.rs"]
mod transactions;
#[path = "ovsdb_live/writer.rs"]
mod writer;

const PROGRAMS: [&str; 4] = ["ovsdb-server", "ovsdb-tool", "ovsdb-client", "ovs-appctl"];
