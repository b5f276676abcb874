//! Conversations, word by word.

use super::*;
use crate::ovsdb::row::Row;

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";
const CLUSTER: &str = "00000000-0000-0000-0000-0000000000cc";
const T1: &str = "00000000-0000-0000-0000-000000000001";
const T2: &str = "00000000-0000-0000-0000-000000000002";

/// A replica, and the requests that it has sent.
struct Conversation {
    replica: Replica,
    sent: Vec<Value>,
    told: Vec<String>,
}

impl Conversation {
    fn new(leader_only: bool) -> Self {
        Self::within(leader_only, 1 << 20)
    }

    /// With so much memory for rows.
    fn within(leader_only: bool, memory: usize) -> Self {
        let budget = Arc::new(super::super::Budget::new(memory));
        let table = TableRequest { table: "T".into(), columns: Vec::new(), conditions: Vec::new() };
        let config = Config { leader_only, budget, ..Config::new("D", Vec::new(), vec![table]) };
        Self { replica: Replica::new(&config), sent: Vec::new(), told: Vec::new() }
    }

    fn drain(&mut self) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Send(json) => self.sent.push(serde_json::from_str(&json).unwrap()),
                Output::Accepted => self.told.push("accepted".to_owned()),
                Output::Synchronised => self.told.push("synchronised".to_owned()),
                Output::Warning(warning) => self.told.push(warning),
                Output::Changes { changes, .. } => self.told.extend(changes.iter().map(shown_change)),
            }
        }
    }

    fn handle(&mut self, message: &Value) -> Result<(), SessionError> {
        let handled = self.replica.handle(message.to_string().as_bytes());
        self.drain();
        handled
    }

    fn notify(&mut self, method: &str, params: &Value) -> Result<(), SessionError> {
        self.handle(&json!({"method": method, "params": params, "id": null}))
    }

    /// Expects that the last request is of a method, and answers it.
    fn answer(&mut self, method: &str, result: &Value) -> Result<(), SessionError> {
        let request = self.sent.last().unwrap();
        assert_eq!(request["method"], method);
        let id = request["id"].clone();
        self.handle(&json!({"id": id, "result": result, "error": null}))
    }

    fn refuse(&mut self, method: &str, error: &str) -> Result<(), SessionError> {
        let request = self.sent.last().unwrap();
        assert_eq!(request["method"], method);
        let id = request["id"].clone();
        self.handle(&json!({"id": id, "result": null, "error": error}))
    }

    /// Up to the request that monitors, of a server without a description of itself.
    fn connect(&mut self) {
        self.replica.connected();
        self.drain();
        self.answer("list_dbs", &json!(["D"])).unwrap();
        self.answer("get_schema", &schema()).unwrap();
    }

    /// Up to the request for the schema, of a server that describes itself.
    fn connect_to(&mut self, description: &Value) -> Result<(), SessionError> {
        self.replica.connected();
        self.drain();
        self.answer("list_dbs", &json!(["_Server", "D"])).unwrap();
        self.answer("monitor", &json!({"Database": {A: {"new": description}}}))
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn last_transaction_asked_for(&self) -> &str {
        self.sent.last().unwrap()["params"][3].as_str().unwrap()
    }
}

fn schema() -> Value {
    json!({"name": "D", "version": "1.0.0", "tables": {"T": {"columns": {
        "name": {"type": "string"},
        "refs": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
    }}}})
}

fn shown_row(row: Option<&Arc<Row>>) -> String {
    row.map_or("-".to_owned(), |row| format!("{:?}", row.columns.values().collect::<Vec<_>>()))
        .replace("Integer", "")
        .replace("String", "")
}

fn shown_change(change: &Change) -> String {
    let uuid = &change.old.as_ref().or(change.new.as_ref()).unwrap().uuid;
    format!("{}: {} to {}", &uuid[35..], shown_row(change.old.as_ref()), shown_row(change.new.as_ref()))
}

fn described(leader: bool, connected: bool, index: i64) -> Value {
    json!({"name": "D", "model": "clustered", "leader": leader, "connected": connected, "index": index,
        "cid": ["uuid", CLUSTER], "schema": "s"})
}

#[test]
fn rows_come_change_and_go() {
    let mut talk = Conversation::new(false);
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), NO_TRANSACTION);
    assert_eq!(talk.sent.last().unwrap()["params"][2], json!({"T": [{"columns": ["name", "refs"]}]}));
    // What is at its default is left out.
    talk.answer("monitor_cond_since", &json!([false, T1, {"T": {A: {"initial": {"name": "a"}}}}])).unwrap();
    assert_eq!(talk.told(), ["accepted", r#"a: - to [Set([("a")]), Set([])]"#, "synchronised"]);
    let change = |update: Value| json!(["rows", T2, {"T": update}]);
    talk.notify("update3", &change(json!({A: {"modify": {"refs": ["set", [1, 2]]}}, B: {"insert": {}}}))).unwrap();
    let told =
        [r#"a: [Set([("a")]), Set([])] to [Set([("a")]), Set([(1), (2)])]"#, r#"b: - to [Set([("")]), Set([])]"#];
    assert_eq!(talk.told(), told);
    talk.notify("update3", &change(json!({A: {"modify": {"name": "c", "refs": 2}}, B: {"delete": null}}))).unwrap();
    let told =
        [r#"a: [Set([("a")]), Set([(1), (2)])] to [Set([("c")]), Set([(1)])]"#, r#"b: [Set([("")]), Set([])] to -"#];
    assert_eq!(talk.told(), told);
    // Of another monitor, of another method, and of none of ours.
    talk.notify("update3", &json!(["other", T2, {"T": 3}])).unwrap();
    talk.notify("update2", &json!(["rows", {"T": {A: {"delete": null}}}])).unwrap();
    talk.notify("locked", &json!(["x"])).unwrap();
    assert_eq!(talk.told(), [""; 0]);
}

#[test]
fn after_a_reconnection_only_differences_are_told() {
    let mut talk = Conversation::new(false);
    talk.connect();
    let content = json!({"T": {A: {"initial": {"name": "a"}}, B: {"initial": {"name": "b"}}}});
    talk.answer("monitor_cond_since", &json!([false, T1, content])).unwrap();
    talk.notify("update3", &json!(["rows", T2, {}])).unwrap();
    talk.told();

    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), T2);
    let missed = json!([true, T1, {"T": {A: {"modify": {"name": "c"}}}}]);
    talk.answer("monitor_cond_since", &missed).unwrap();
    let told = r#"a: [Set([("a")]), Set([])] to [Set([("c")]), Set([])]"#;
    assert_eq!(talk.told(), ["accepted", told, "synchronised"]);

    // The server does not know the transaction any more.
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), T1);
    talk.answer("monitor_cond_since", &json!([false, T2, {"T": {A: {"initial": {"name": "c"}}}}])).unwrap();
    assert_eq!(talk.told(), ["accepted", r#"b: [Set([("b")]), Set([])] to -"#, "synchronised"]);

    // An older one takes its place, and then one that is older still.
    talk.connect();
    talk.refuse("monitor_cond_since", "unknown method").unwrap();
    talk.answer("monitor_cond", &json!({"T": {A: {"initial": {"name": "c"}}}})).unwrap();
    talk.notify("update2", &json!(["rows", {"T": {A: {"modify": {"refs": 1}}}}])).unwrap();
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), NO_TRANSACTION);
    talk.refuse("monitor_cond_since", "unknown method").unwrap();
    talk.refuse("monitor_cond", "unknown method").unwrap();
    talk.answer("monitor", &json!({"T": {A: {"new": {"name": "c", "refs": ["set", [1]]}}}})).unwrap();
    talk.notify("update", &json!(["rows", {"T": {A: {"old": {"name": "c", "refs": 1}}}}])).unwrap();
    let told = [
        "accepted",
        "synchronised",
        r#"a: [Set([("c")]), Set([])] to [Set([("c")]), Set([(1)])]"#,
        "accepted",
        "synchronised",
        r#"a: [Set([("c")]), Set([(1)])] to -"#,
    ];
    assert_eq!(talk.told(), told);
    talk.connect();
    for method in ["monitor_cond_since", "monitor_cond"] {
        talk.refuse(method, "unknown method").unwrap();
    }
    assert!(matches!(talk.refuse("monitor", "unknown method"), Err(SessionError::Refused { method: "monitor", .. })));
}

#[test]
fn a_change_of_an_unknown_row_asks_for_all() {
    let mut talk = Conversation::new(false);
    talk.connect();
    talk.answer("monitor_cond_since", &json!([false, T1, {"T": {A: {"initial": {"name": "a"}}}}])).unwrap();
    talk.told();
    // Nothing of the message is told: all of it comes again.
    let error =
        talk.notify("update3", &json!(["rows", T2, {"T": {A: {"delete": null}, B: {"modify": {"name": "b"}}}}]));
    assert!(matches!(error, Err(SessionError::UnknownRow(_))));
    assert_eq!(talk.told(), [""; 0]);
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), NO_TRANSACTION);
    talk.answer("monitor_cond_since", &json!([false, T2, {"T": {B: {"initial": {"name": "b"}}}}])).unwrap();
    let told = ["accepted", r#"b: - to [Set([("b")]), Set([])]"#, r#"a: [Set([("a")]), Set([])] to -"#, "synchronised"];
    assert_eq!(talk.told(), told);
}

#[test]
fn conditions_in_flight_are_not_resumed_from() {
    let named = |name: &str| vec![json!(["name", "==", name])];
    let mut talk = Conversation::new(false);
    talk.replica.set_conditions("T", named("a"));
    talk.connect();
    assert_eq!(talk.sent.last().unwrap()["params"][2]["T"][0]["where"], json!(named("a")));
    // Changed before there is a reply: asked for once there is.
    talk.replica.set_conditions("T", named("b"));
    talk.answer("monitor_cond_since", &json!([false, T1, {}])).unwrap();
    assert_eq!(talk.sent.last().unwrap()["params"], json!(["rows", "rows", {"T": [{"where": named("b")}]}]));
    talk.notify("update3", &json!(["rows", T2, {"T": {B: {"insert": {"name": "b"}}}}])).unwrap();
    talk.replica.set_conditions("T", named("c"));
    talk.replica.set_conditions("T", Vec::new());
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), NO_TRANSACTION);
    assert_eq!(talk.sent.last().unwrap()["params"][2]["T"][0].get("where"), None);
    talk.answer("monitor_cond_since", &json!([false, T1, {}])).unwrap();
    talk.replica.set_conditions("T", named("d"));
    talk.drain();
    talk.answer("monitor_cond_change", &json!({})).unwrap();
    talk.replica.set_conditions("T", Vec::new());
    talk.drain();
    assert_eq!(talk.sent.last().unwrap()["params"][2], json!({"T": [{"where": [true]}]}));
    talk.answer("monitor_cond_change", &json!({})).unwrap();
    // Agreed on, so the transaction known then is good to resume from.
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), T1);
    // But not under other conditions.
    talk.replica.set_conditions("T", named("e"));
    talk.connect();
    assert_eq!(talk.last_transaction_asked_for(), NO_TRANSACTION);
}

#[test]
fn members_of_a_cluster() {
    let mut talk = Conversation::new(true);
    assert!(matches!(talk.connect_to(&described(false, true, 5)), Err(SessionError::NotLeader)));
    assert!(matches!(talk.connect_to(&described(true, false, 5)), Err(SessionError::Disconnected)));
    talk.connect_to(&described(true, true, 5)).unwrap();
    talk.answer("get_schema", &schema()).unwrap();
    talk.answer("monitor_cond_since", &json!([false, T1, {}])).unwrap();
    let update = |now: Value| json!(["server", {"Database": {A: {"old": {}, "new": now}}}]);
    talk.notify("update", &update(described(true, true, 7))).unwrap();
    assert!(matches!(talk.notify("update", &update(described(false, true, 8))), Err(SessionError::NotLeader)));

    let mut talk = Conversation::new(false);
    talk.connect_to(&described(false, true, 7)).unwrap();
    assert!(matches!(talk.connect_to(&described(true, true, 6)), Err(SessionError::Stale { index: 6, seen: 7 })));
    let mut other = described(true, true, 1);
    other["cid"] = json!(["uuid", A]);
    talk.connect_to(&other).unwrap();
    let mut converted = other.clone();
    converted["schema"] = json!("t");
    assert!(matches!(talk.notify("update", &update(converted)), Err(SessionError::SchemaChanged)));
    talk.connect_to(&json!({"name": "D", "model": "standalone"})).unwrap();
    let gone = json!(["server", {"Database": {A: {"old": {}}}}]);
    assert!(matches!(talk.notify("update", &gone), Err(SessionError::Undescribed { .. })));
    assert!(matches!(
        talk.connect_to(&json!({"name": "D", "model": "relay", "connected": false})),
        Err(SessionError::Disconnected)
    ));
    talk.connect_to(&json!({"name": "D", "model": "relay", "connected": true})).unwrap();
    assert!(matches!(talk.notify("monitor_canceled", &json!(["rows"])), Err(SessionError::Cancelled)));
}

#[test]
fn echo_both_ways_and_requests_that_are_not_known() {
    let mut talk = Conversation::new(false);
    talk.connect();
    let pending = talk.replica.pending();
    talk.handle(&json!({"method": "echo", "params": [1, "x"], "id": "echo"})).unwrap();
    assert_eq!(talk.sent.pop().unwrap(), json!({"id": "echo", "result": [1, "x"], "error": null}));
    talk.handle(&json!({"method": "stolen", "params": [], "id": 3})).unwrap();
    assert_eq!(talk.sent.pop().unwrap(), json!({"id": 3, "result": null, "error": "unknown method"}));
    talk.replica.probe();
    talk.drain();
    talk.answer("echo", &json!([])).unwrap();
    assert_eq!(talk.replica.pending(), pending);
    assert_eq!(pending.unwrap().1, "monitor_cond_since");
}

/// What has no room is not taken in part, and what was told before stands.
#[test]
fn rows_beyond_the_memory_for_them() {
    let name = "x".repeat(1000);
    let row = |uuid: &str| (uuid.to_owned(), json!({"initial": {"name": &name}}));
    let rows = |uuids: &[&str]| json!({"T": uuids.iter().copied().map(row).collect::<serde_json::Map<_, _>>()});
    let mut talk = Conversation::within(false, 5000);
    talk.connect();
    let error = talk.answer("monitor_cond_since", &json!([false, T1, rows(&[A, B, T1, T2])])).unwrap_err();
    assert!(matches!(&error, SessionError::TooMuch { table, rows: 3, limit: 5000 } if **table == *"T"), "{error}");
    assert!(
        error.to_string().contains("rows of T and the others take more than") && error.to_string().contains("tcp:")
    );
    assert_eq!(talk.told(), [""; 0]);

    talk.connect();
    talk.answer("monitor_cond_since", &json!([false, T1, rows(&[A, B])])).unwrap();
    assert_eq!(talk.told().len(), 4);
    let change = json!(["rows", T2, {"T": {T1: {"insert": {"name": &name}}}}]);
    assert!(matches!(talk.notify("update3", &change), Err(SessionError::TooMuch { rows: 1, .. })));
    // The same rows once more take no more room, and others find what those that went have left.
    talk.connect();
    talk.answer("monitor_cond_since", &json!([false, T1, rows(&[A, B])])).unwrap();
    assert_eq!(talk.told(), ["accepted", "synchronised"]);
    talk.notify("update3", &json!(["rows", T2, {"T": {A: {"delete": null}}}])).unwrap();
    talk.notify("update3", &change).unwrap();
    assert_eq!(talk.told().len(), 2);
}

#[test]
fn contents_that_are_not_understood() {
    let mut talk = Conversation::new(false);
    for (updates, problem) in [
        (json!([]), "expected an object of tables"),
        (json!({"U": {}}), "rows of U, which was not asked for"),
        (json!({"T": 3}), "expected an object of rows"),
        (json!({"T": {"x": {"initial": {}}}}), "T x: expected a UUID"),
        (json!({"T": {A: 3}}), "expected a map"),
        (json!({"T": {A: {}}}), "expected `initial`"),
        (json!({"T": {A: {"initial": null}}}), "expected an object of columns"),
        (json!({"T": {A: {"initial": {"x": 1}}}}), "x is a column that was not asked for"),
        (json!({"T": {A: {"initial": {"name": 1}}}}), "name: expected string, found integer"),
        (json!({"T": {A: {"initial": {"refs": ["set", [1.5]]}}}}), "refs: expected integer, found real"),
    ] {
        talk.connect();
        let error = talk.answer("monitor_cond_since", &json!([false, T1, updates])).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(error.starts_with("the content of `monitor_cond_since` is not understood"), "{error}");
    }
    talk.connect();
    assert!(talk.answer("monitor_cond_since", &json!({})).is_err());
    assert!(matches!(talk.handle(&json!({"id": 99, "result": 1})), Err(SessionError::UnexpectedReply { .. })));
    assert_eq!(talk.told(), [""; 0]);
}
