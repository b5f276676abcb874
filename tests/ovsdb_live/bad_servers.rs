//! Servers that send garbage, half a message, nothing, too much, or another protocol.

use std::time::Duration;

use analyzer::ovsdb::client::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config};
use crate::ovsdb::{SCHEMA, Server};

/// What a server does after it has accepted: says this, and then closes or stays.
struct Bad {
    says: Vec<u8>,
    closes: bool,
    /// How the loss is told.
    error: &'static str,
}

async fn serve(listener: TcpListener, says: Vec<u8>, closes: bool) {
    while let Ok((mut client, _)) = listener.accept().await {
        let says = says.clone();
        tokio::spawn(async move {
            let _ = client.write_all(&says).await;
            let mut ignored = [0; 1024];
            while !closes && client.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
        });
    }
}

fn impatient(remote: &str) -> Config {
    Config {
        probe_interval: Duration::from_millis(100),
        reply_timeout: Duration::from_millis(700),
        max_message: 1 << 20,
        ..config(remote)
    }
}

#[test]
fn bad_servers_are_named_and_left() {
    let reply = |result: &str| format!("{{\"id\":1,\"error\":null,\"result\":{result}}}").into_bytes();
    let bad = [
        Bad { says: b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), closes: false, error: "at byte 0: expected the `{`" },
        Bad { says: b"  \x00\x01".to_vec(), closes: false, error: "at byte 2: expected the `{`" },
        Bad { says: b"{\"id\":1,\"result\":[\"OVN_".to_vec(), closes: true, error: "after 23 bytes, in mid-message" },
        Bad {
            says: b"{\"id\":1,\"result\":[\"OVN_".to_vec(),
            closes: false,
            error: "silence for 0.2 s after 23 bytes",
        },
        Bad { says: Vec::new(), closes: false, error: "silence for 0.2 s after 0 bytes" },
        Bad { says: Vec::new(), closes: true, error: "the server closed the connection after 0 bytes" },
        Bad {
            says: [b"{\"a\":\"".as_slice(), &[b'x'; 2 << 20]].concat(),
            closes: false,
            error: "of more than 1048576",
        },
        Bad { says: b"{\"id\":1,\"id\":1}".to_vec(), closes: false, error: "at byte 0: no JSON-RPC message" },
        Bad { says: b"{\"result\":{}}".to_vec(), closes: false, error: "neither `method` nor `id`" },
        Bad { says: reply("3"), closes: false, error: "`list_dbs` is not understood" },
        Bad { says: reply("[]"), closes: false, error: "does not have the database OVN_Northbound" },
        Bad {
            says: b"{\"id\":9,\"result\":[]}".to_vec(),
            closes: false,
            error: "a request that was not made, with id 9",
        },
        Bad {
            says: [reply("[\"OVN_Northbound\"]"), b"{\"id\":2,\"result\":[1]}".to_vec()].concat(),
            closes: false,
            error: "at byte 49: the content of `get_schema` is not understood",
        },
    ];
    block_on(async {
        for Bad { says, closes, error } in bad {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let remote = format!("tcp:{}", listener.local_addr().unwrap());
            let server = tokio::spawn(serve(listener, says.clone(), closes));
            let mut observer = Observer::start(impatient(&remote));
            // It comes back, and does not tire of it.
            observer.until(error, |it| it.lost.len() >= 3).await;
            for lost in &observer.lost {
                // What was written to one that closes may come back as a reset.
                let is_reset = closes && lost.contains("Connection reset");
                assert!(lost.starts_with(&remote) && (lost.contains(error) || is_reset), "{error}: {lost}");
            }
            assert_eq!(observer.synchronised + observer.connected.len(), 0);
            server.abort();
        }
    });
}

/// Answers `echo` and nothing else.
#[test]
fn a_server_that_lives_and_does_not_answer() {
    block_on(async {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let remote = format!("tcp:{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut received = [0; 1024];
                    while client.read(&mut received).await.is_ok_and(|length| length > 0) {
                        client.write_all(b"{\"id\":\"echo\",\"result\":[],\"error\":null}\n").await.unwrap();
                    }
                });
            }
        });
        let mut observer = Observer::start(impatient(&remote));
        observer.until("no reply", |it| it.lost.len() >= 2).await;
        assert!(observer.lost[0].contains("no reply to `list_dbs` within 0.7 s"), "{:?}", observer.lost);
    });
}

#[test]
fn sockets_that_are_no_database() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    run(command("ovsdb-tool").args(["create", "nb.db", SCHEMA]).current_dir(directory.path()));
    let server = Server::start(&directory, "nb");
    let control = format!("unix:{}", server.path("ctl").display());
    let nobody = format!("unix:{}", server.path("none").display());
    block_on(async {
        // The first remotes are bad and the last is good.
        let mut observer = Observer::start(config(&format!("{control},{nobody},tcp:127.0.0.1:1,{}", server.remote())));
        observer.until_synchronised().await;
        observer.compare(&server, "found").await;
        let mut observer = Observer::start(config(&control));
        observer.until("refused", |it| it.lost.len() == 1).await;
        assert!(
            observer.lost[0].contains("refuses `list_dbs`: \"\\\"list_dbs\\\" is not a valid command"),
            "{:?}",
            observer.lost
        );
        let mut observer = Observer::start(config("ssl:127.0.0.1:1"));
        observer.until("no keys", |it| it.lost.len() == 1).await;
        assert!(observer.lost[0].contains("needs a private key"), "{:?}", observer.lost);
    });
}
