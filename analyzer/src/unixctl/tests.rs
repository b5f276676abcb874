use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::UnixListener;

use super::conntrack::{Pacing, UserspaceTable};
use super::*;

/// Longer than any answer here takes.
const LONG: Duration = Duration::from_secs(60);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("analyzer-unixctl-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Answers one connection with these pieces, then waits for the other end to close it unless `closes`.
async fn serve(listener: &UnixListener, pieces: &[&[u8]], closes: bool) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    let mut framing = Framing::default();
    while framing.feed(&request).unwrap().is_none() {
        framing = Framing::default();
        stream.read_buf(&mut request).await.unwrap();
    }
    for piece in pieces {
        // The client may have had enough.
        let _ = stream.write_all(piece).await;
        let _ = stream.flush().await;
        tokio::task::yield_now().await;
    }
    if !closes {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    String::from_utf8(request).unwrap()
}

/// What `call` makes of a server that answers so.
fn answered(pieces: &[&[u8]], closes: bool, wait: Duration) -> (Result<String, UnixctlError>, String) {
    let folder = Folder::new();
    let socket = folder.0.join("d.1.ctl");
    run(async {
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::join!(call(&socket, "dpctl/show", &["-s", "a \"b\""], wait), serve(&listener, pieces, closes))
    })
}

#[test]
fn answer_in_pieces() {
    let (answer, request) =
        answered(&[b"{\"id\":0,\"err", b"or\":null,\"result\":\"a\\n{\\\"", b"\\u00e4\\n\"}"], false, LONG);
    assert_eq!(answer.unwrap(), "a\n{\"\u{e4}\n");
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    assert_eq!(request, serde_json::json!({"id": 0, "method": "dpctl/show", "params": ["-s", "a \"b\""]}));
}

#[test]
fn daemon_that_refuses() {
    let (answer, _) =
        answered(&[b"{\"id\":0,\"result\":null,\"error\":\"\\\"x\\\" is not a valid command\\n\"}"], false, LONG);
    let words = answer.unwrap_err().to_string();
    assert!(words.ends_with("d.1.ctl: \"x\" is not a valid command"), "{words}");
    let long = format!("{{\"id\":0,\"error\":\"{}\"}}", "ä".repeat(1000));
    let words = answered(&[long.as_bytes()], false, LONG).0.unwrap_err().to_string();
    assert!(words.len() < 400 && words.ends_with("..."), "{words}");
}

#[test]
fn bad_days() {
    let far = "x".repeat(MAX_ANSWER_BYTES);
    for (pieces, closes, words) in [
        (&[][..], false, "no answer within 300ms"),
        (&[&b"{\"id\":0,"[..]], false, "no answer within 300ms"),
        (&[], true, "it was closed before the answer's end"),
        (&[b"{\"id\":0,"], true, "it was closed before the answer's end"),
        (&[b"HTTP/1.1 400 Bad Request\r\n"], false, "it does not start with {"),
        (&[b"{]"], false, "makes no sense"),
        (&[b"{\"id\":0}"], false, "neither a result nor an error"),
        (&[b"{\"id\":7,\"result\":\"\"}"], false, "it answers another request"),
        (&[b"{\"id\":0,\"result\":[1]}"], false, "invalid type"),
        (&[b"{\"id\":0,\"result\":\"\xff\"}"], false, "makes no sense"),
        (&[b"{\"id\":0,\"result\":\"", far.as_bytes()], false, "longer than 67108864 bytes"),
    ] {
        let wait = if words.starts_with("no answer") { Duration::from_millis(300) } else { LONG };
        let answer = answered(pieces, closes, wait).0;
        let told = answer.expect_err(words).to_string();
        assert!(told.contains(words) && told.starts_with("`dpctl/show -s a \"b\"` on /"), "{told}");
    }
}

#[test]
fn nobody_listens() {
    let error = run(call(Path::new("/nonexistent/x.ctl"), "exit", &[], Duration::from_secs(1))).unwrap_err();
    assert!(error.to_string().contains("cannot connect to /nonexistent/x.ctl"), "{error}");
}

#[test]
fn socket_is_found_by_the_pid_file() {
    let folder = Folder::new();
    let find = || control_socket(&folder.0, "ovs-vswitchd");
    assert!(find().unwrap_err().to_string().contains("is ovs-vswitchd running"));
    for (content, pid) in
        [(&b"1234\n"[..], Some(1234)), (b"x\n", None), (b"-1", None), (b"", None), (&[b'1'; 500], None)]
    {
        fs::write(folder.0.join("ovs-vswitchd.pid"), content).unwrap();
        let found = find().ok().map(|path| path.file_name().unwrap().as_bytes().to_vec());
        assert_eq!(found, pid.map(|pid| format!("ovs-vswitchd.{pid}.ctl").into_bytes()), "{content:?}");
    }
}

#[test]
fn dump_is_read_rechecked_and_paced() {
    let folder = Folder::new();
    let socket = folder.0.join("d.1.ctl");
    let lines = "udp,orig=(src=8.8.8.8,dst=10.0.0.5,sport=1,dport=2),reply=(src=10.0.0.5,dst=8.8.8.8,sport=2,dport=1),\
                 zone=3,mark=131072,labels=0xce73296639a400000000\\nodd\\n\
                 udp,orig=(src=8.8.8.8,dst=10.0.0.5,sport=1,dport=2),reply=(src=10.0.0.5,dst=8.8.8.8,sport=2,dport=1)\\n";
    let answer = format!("{{\"id\":0,\"error\":null,\"result\":\"{lines}\"}}");
    run(async {
        let listener = UnixListener::bind(&socket).unwrap();
        let mut table = UserspaceTable::new(socket.clone(), Some("netdev@ovs-netdev".to_owned()), Pacing::default());
        let now = || Timestamp::from_millis(1000);
        let mut zones = Vec::new();
        let dump = table.dump(3, now, |connection| zones.push(connection.zone));
        let pieces = [answer.as_bytes()];
        let (reading, request) = tokio::join!(dump, serve(&listener, &pieces, false));
        let reading = reading.unwrap();
        assert_eq!((reading.entries, reading.unreadable), (2, 1));
        assert!(request.contains(r#""params":["netdev@ovs-netdev","zone=3"]"#), "{request}");
        assert_eq!(zones, [3]);
        let again = table.dump(3, now, |_| ()).await.unwrap_err();
        assert!(matches!(again, UnixctlError::TooSoon { zone: 3, .. }), "{again}");
    });
}
