//! Rows that are asked for once, of a real server and of servers that are none.

use std::time::Duration;

use analyzer::ovsdb::client::Remote;
use analyzer::ovsdb::client::select::{Limits, Select, SelectError, Session};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::PROGRAMS;
use crate::common::{TempDir, require};
use crate::observer::block_on;
use crate::ovsdb::{SOUTHBOUND, Server};

const LIMITS: Limits = Limits { bytes: 64 << 10, wait: Duration::from_secs(120) };

fn flows(priority: i64) -> Select {
    let stage = json!(["external_ids", "includes", ["map", [["stage-name", "lr_in_arp_resolve"]]]]);
    let conditions = vec![json!(["priority", "==", priority]), stage];
    Select { table: "Logical_Flow", columns: &["logical_datapath", "match"], conditions }
}

fn flow(priority: i64, expression: &str, stage: &str, datapath: &Value) -> Value {
    json!({"op": "insert", "table": "Logical_Flow", "row": {
        "logical_datapath": datapath, "pipeline": "ingress", "table_id": 21, "priority": priority, "match": expression,
        "actions": "next;", "external_ids": ["map", [["stage-name", stage]]]}})
}

async fn open(remote: &Remote, limits: Limits) -> Result<Session, SelectError> {
    Session::open(SOUTHBOUND, remote, None, limits).await
}

#[test]
fn rows_that_meet_all_conditions() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let server = Server::southbound(&directory);
    let datapath = json!(["named-uuid", "dp"]);
    server.transact(&[
        json!({"op": "insert", "table": "Datapath_Binding", "uuid-name": "dp", "row": {"tunnel_key": 1}}),
        flow(200, "first", "lr_in_arp_resolve", &datapath),
        flow(200, "another stage", "lr_in_policy", &datapath),
        flow(0, "shared", "lr_in_arp_resolve", &json!(["set", []])),
    ]);
    let remote: Remote = server.remote().parse().unwrap();
    block_on(async {
        let mut session = open(&remote, LIMITS).await.unwrap();
        let told = session.select(&[flows(200), flows(0), flows(7)]).await.unwrap();
        let matches: Vec<Vec<_>> = told.iter().map(|rows| rows.iter().map(|row| row.text("match")).collect()).collect();
        assert_eq!(matches, [vec![Some("first")], vec![Some("shared")], vec![]]);
        assert!(told[0][0].text("logical_datapath").is_some() && told[1][0].text("logical_datapath").is_none());

        let unknown = Select { columns: &["logical_dp_grup"], ..flows(0) };
        match session.select(&[flows(0), unknown]).await {
            Err(SelectError::Refused(why)) => assert!(why.contains("logical_dp_grup"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(session.select(&[flows(0)]).await.unwrap()[0].len(), 1, "it goes on after a refusal");

        server.transact(&[flow(7, &"x".repeat(LIMITS.bytes), "lr_in_arp_resolve", &json!(["set", []]))]);
        assert_eq!(session.select(&[flows(0)]).await.unwrap()[0].len(), 1);
        let large = session.select(&[flows(7)]).await;
        assert!(matches!(large, Err(SelectError::TooLarge(bytes)) if bytes == LIMITS.bytes), "{large:?}");
        let roomy = Limits { bytes: 2 * LIMITS.bytes, ..LIMITS };
        assert_eq!(open(&remote, roomy).await.unwrap().select(&[flows(7)]).await.unwrap()[0].len(), 1);
    });
}

/// Servers that say nothing, close, or ask first whether we live.
#[test]
fn servers_that_do_not_answer() {
    let directory = TempDir::new();
    let path = directory.path().join("none.sock");
    let remote = Remote::Unix(path.clone());
    block_on(async {
        assert!(matches!(open(&remote, LIMITS).await.map(drop), Err(SelectError::Connection(_))));
        let listener = UnixListener::bind(&path).unwrap();

        let short = Limits { wait: Duration::from_millis(50), ..LIMITS };
        let mut silent = open(&remote, short).await.unwrap();
        assert!(matches!(silent.select(&[flows(0)]).await, Err(SelectError::Silent(wait)) if wait == short.wait));

        let mut closed = open(&remote, LIMITS).await.unwrap();
        drop((listener.accept().await.unwrap(), listener.accept().await.unwrap()));
        let error = closed.select(&[flows(0)]).await;
        assert!(matches!(error, Err(SelectError::Closed | SelectError::Broken(_))), "{error:?}");

        let mut lively = open(&remote, LIMITS).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let serve = async {
            let mut request = vec![0; 4096];
            let length = server.read(&mut request).await.unwrap();
            assert!(String::from_utf8_lossy(&request[..length]).contains("\"transact\""));
            server.write_all(br#"{"method":"echo","params":["a"],"id":"e"}"#).await.unwrap();
            let length = server.read(&mut request).await.unwrap();
            let echo: Value = serde_json::from_slice(&request[..length]).unwrap();
            assert_eq!((&echo["result"], &echo["id"]), (&json!(["a"]), &json!("e")));
            server.write_all(br#"{"result":[{"rows":[]}],"error":null,"id":1}"#).await.unwrap();
        };
        let asked = [flows(0)];
        let (told, ()) = tokio::join!(lively.select(&asked), serve);
        assert_eq!(told.unwrap(), [vec![]]);
    });
}
