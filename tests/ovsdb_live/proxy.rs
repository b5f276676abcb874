//! Older servers, played by a proxy before the real one that does not know some methods.

use std::path::Path;

use analyzer::jsonrpc::{Framer, Message, error_reply};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config, request};
use crate::ovsdb::{Random, SCHEMA, Server};

/// Forwards all but the requests of `unknown` methods, and hides the database `_Server` where it is asked to.
pub(crate) async fn serve(
    listener: UnixListener,
    server: std::path::PathBuf,
    unknown: &'static [&'static str],
    hide: bool,
) {
    while let Ok((client, _)) = listener.accept().await {
        // While the real one is away, whoever comes is sent away.
        let Ok(server) = UnixStream::connect(&server).await else { continue };
        tokio::spawn(forward(client, server, unknown, hide));
    }
}

async fn forward(client: UnixStream, server: UnixStream, unknown: &'static [&'static str], hide: bool) {
    let (mut client, mut to_client) = client.into_split();
    let (mut server, mut to_server) = server.into_split();
    let (mut requests, mut replies) = (Framer::new(1 << 30), Framer::new(1 << 30));
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                requests.push(&from_client[..length]);
                while let Some(frame) = requests.take().unwrap() {
                    let refused = match Message::parse(frame.json).unwrap() {
                        Message::Request { method, id, .. } if unknown.contains(&&*method) => {
                            Some(error_reply(id, "unknown method"))
                        }
                        _ => None,
                    };
                    let sent = match refused {
                        Some(reply) => to_client.write_all(reply.as_bytes()).await,
                        None => to_server.write_all(frame.json).await,
                    };
                    if sent.is_err() {
                        return;
                    }
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                replies.push(&from_server[..length]);
                while let Some(frame) = replies.take().unwrap() {
                    let text = std::str::from_utf8(frame.json).unwrap();
                    let text = if hide { text.replace(",\"_Server\"", "").replace("\"_Server\",", "") } else { text.to_owned() };
                    if to_client.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

pub(crate) fn listen(directory: &Path) -> (UnixListener, String) {
    let socket = directory.join("old.sock");
    let _ = std::fs::remove_file(&socket);
    (UnixListener::bind(&socket).unwrap(), format!("unix:{}", socket.display()))
}

#[test]
fn older_methods() {
    if !require(&PROGRAMS) {
        return;
    }
    for (unknown, hide) in
        [(&["monitor_cond_since"] as &[&str], false), (&["monitor_cond_since", "monitor_cond"], true)]
    {
        let directory = TempDir::new();
        run(command("ovsdb-tool").args(["create", "nb.db", SCHEMA]).current_dir(directory.path()));
        let mut server = Server::start(&directory, "nb");
        let mut random = Random(31);
        (0..60).for_each(|_| server.transact(&random.transaction()));
        block_on(async {
            let (listener, remote) = listen(directory.path());
            tokio::spawn(serve(listener, server.path("sock"), unknown, hide));
            let mut observer = Observer::start(config(&remote));
            observer.until_synchronised().await;
            observer.compare(&server, "first").await;
            (0..80).for_each(|_| server.transact(&random.transaction()));
            observer.compare(&server, "storm").await;
            let changes = observer.changes;
            server.kill();
            observer.until("lost", |it| !it.lost.is_empty()).await;
            server.restart();
            observer.until("back", |it| it.synchronised > 1).await;
            assert_eq!(observer.changes, changes);
            (0..20).for_each(|_| server.transact(&random.transaction()));
            observer.compare(&server, "again").await;
            assert_eq!(observer.warnings, [""; 0]);
        });
    }
}

#[test]
fn conditions_need_monitor_cond() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    run(command("ovsdb-tool").args(["create", "nb.db", SCHEMA]).current_dir(directory.path()));
    let server = Server::start(&directory, "nb");
    for name in ["a", "b"] {
        server.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": name}})]);
    }
    for (unknown, rows) in [(&["monitor_cond_since"] as &[&str], 1), (&["monitor_cond_since", "monitor_cond"], 2)] {
        block_on(async {
            let (listener, remote) = listen(directory.path());
            tokio::spawn(serve(listener, server.path("sock"), unknown, false));
            let mut config = config(&remote);
            config.tables = vec![request("Address_Set", &["name"], &[json!(["name", "==", "a"])])];
            let mut observer = Observer::start(config);
            observer.until_synchronised().await;
            assert_eq!(observer.tables["Address_Set"].len(), rows);
            assert_eq!(observer.warnings.len(), rows - 1, "{:?}", observer.warnings);
            observer.handle.set_conditions("Address_Set", Vec::new());
            observer.until("all", |it| it.tables["Address_Set"].len() == 2).await;
        });
    }
}
