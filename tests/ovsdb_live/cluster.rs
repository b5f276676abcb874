//! Three members of a cluster: the leader goes, the leader changes, a member stands alone.

use analyzer::ovsdb::client::Remote;

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config};
use crate::ovsdb::{DATABASE, Random, SCHEMA, Server};

fn cluster(directory: &TempDir) -> [Server; 3] {
    let tool = |arguments: &[&str]| run(command("ovsdb-tool").args(arguments).current_dir(directory.path()));
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("unix:{}/{name}.raft", directory.path().display()));
    tool(&["create-cluster", "a.db", SCHEMA, &a]);
    tool(&["join-cluster", "b.db", DATABASE, &b, &a]);
    tool(&["join-cluster", "c.db", DATABASE, &c, &a]);
    ["a", "b", "c"].map(|name| Server::start(directory, name))
}

fn remotes(servers: &[Server]) -> String {
    servers.iter().map(Server::remote).collect::<Vec<_>>().join(",")
}

/// The member that says of itself that it leads; asked until one does.
fn leader<'a>(servers: &'a [&'a mut Server]) -> usize {
    let leads = |server: &Server| server.control(&["cluster/status", DATABASE]).contains("\nRole: leader");
    (0..3000).find_map(|_| servers.iter().position(|server| leads(server))).expect("a leader")
}

fn is(remote: &Remote, server: &Server) -> bool {
    remote.to_string() == server.remote()
}

#[test]
fn the_leader_is_found_and_followed() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let mut servers = cluster(&directory);
    let all = remotes(&servers);
    let mut random = Random(21);
    let storm = |random: &mut Random, server: &Server| (0..40).for_each(|_| server.transact(&random.transaction()));
    storm(&mut random, &servers[0]);
    block_on(async {
        let mut config = config(&all);
        config.leader_only = true;
        let mut observer = Observer::start(config);
        observer.until_synchronised().await;
        let [a, b, c] = &mut servers;
        let members = [a, b, c];
        let first = leader(&members);
        assert!(is(observer.connected.last().unwrap(), members[first]));
        observer.compare(members[first], "first").await;

        // It hands over while it lives: the client goes after it, and is told what it missed and nothing else.
        let (connected, initial, lost) = (observer.connected.len(), observer.initial_changes, observer.lost.len());
        members[first].control(&["cluster/failure-test", "transfer-leadership"]);
        observer.until("another leader", |it| it.connected.len() > connected).await;
        observer.until("in step", |it| it.synchronised > 1).await;
        let second = leader(&members);
        assert_ne!(first, second);
        assert!(observer.lost[lost].contains("not the leader"), "{:?}", observer.lost);
        assert!(is(observer.connected.last().unwrap(), members[second]));
        assert_eq!(observer.initial_changes, initial);
        storm(&mut random, members[first]);
        observer.compare(members[second], "second").await;

        // It dies; while no one leads, the others are refused.
        let synchronised = observer.synchronised;
        members[second].kill();
        let mut alive: Vec<&mut Server> =
            members.into_iter().enumerate().filter(|(at, _)| *at != second).map(|(_, server)| server).collect();
        let third = leader(&alive);
        storm(&mut random, alive[third]);
        observer.until("the third leader", |it| it.synchronised > synchronised).await;
        assert!(is(observer.connected.last().unwrap(), alive[third]));
        observer.compare(alive[third], "third").await;

        // The other one dies too: the rest is no cluster, and says so.
        let lost = observer.lost.len();
        alive[1 - third].kill();
        let refused =
            |error: &String| error.contains("not connected to its cluster") || error.contains("not the leader");
        observer.until("no cluster", |it| it.lost[lost..].iter().any(refused)).await;
        let synchronised = observer.synchronised;
        alive[1 - third].restart();
        observer.until("the cluster again", |it| it.synchronised > synchronised).await;
        let last = leader(&alive);
        observer.compare(alive[last], "last").await;
    });
}

#[test]
fn any_member_will_do_and_only_what_was_missed_is_told() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let mut servers = cluster(&directory);
    let all = remotes(&servers);
    let mut random = Random(22);
    (0..40).for_each(|_| servers[0].transact(&random.transaction()));
    block_on(async {
        let mut observer = Observer::start(config(&all));
        observer.until_synchronised().await;
        for round in 0..4 {
            let remote = observer.connected.last().unwrap().clone();
            let followed = servers.iter().position(|server| is(&remote, server)).unwrap();
            observer.compare(&servers[(followed + 1) % 3], &format!("before{round}")).await;
            let initial = observer.initial_changes;
            servers[followed].kill();
            // May be refused while there is no leader, so by the one that has it.
            let [a, b, c] = &mut servers;
            let mut alive = vec![a, b, c];
            alive.remove(followed);
            let leads = leader(&alive);
            let mark = format!("missed{round}");
            observer.compare(alive[leads], &mark).await;
            assert!(observer.initial_changes - initial <= 1, "more than what was missed is told");
            servers[followed].restart();
        }
    });
}
