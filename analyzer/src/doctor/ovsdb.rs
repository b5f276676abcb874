//! One question to a database on a Unix socket (RFC 7047 section 4.1).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Deserializer, Value, json};

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most bytes of an answer.
const MAX_ANSWER: u64 = 4 << 20;

/// Asks, and gives the result.
///
/// # Errors
/// When the socket cannot be connected, what answers is no OVSDB server, or it tells an error.
pub(crate) fn ask(socket: &Path, method: &str, params: &Value) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = json!({ "method": method, "params": params, "id": "doctor" });
    stream.write_all(request.to_string().as_bytes())?;
    answer(stream.take(MAX_ANSWER))
}

fn answer(reader: impl Read) -> io::Result<Value> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message.to_owned());
    // A server may send an echo request of its own before it answers.
    for message in Deserializer::from_reader(io::BufReader::new(reader)).into_iter::<Value>().take(4) {
        let mut message = message.map_err(|error| match error.io_error_kind() {
            Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => invalid("it does not answer"),
            Some(kind) => kind.into(),
            None if error.is_eof() => invalid("it hangs up in the middle of its answer"),
            None => invalid("what answers is no OVSDB server"),
        })?;
        if message.get("id").and_then(Value::as_str) != Some("doctor") {
            continue;
        }
        return match message.get("error") {
            None | Some(Value::Null) => Ok(message.get_mut("result").map(Value::take).unwrap_or_default()),
            Some(error) => Err(invalid(&format!("it refuses: {error}"))),
        };
    }
    Err(invalid("it hangs up without an answer"))
}

/// The members of a map column, or of a set of one: `["map",[["key","value"],..]]`.
pub(super) fn map_value<'a>(datum: &'a Value, key: &str) -> Option<&'a str> {
    let pairs = datum.get(1)?.as_array()?;
    pairs.iter().find(|pair| pair.get(0).and_then(Value::as_str) == Some(key))?.get(1)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let echo = r#"{"method":"echo","params":[],"id":"echo"}"#;
        let result = r#"{"result":["OVN_Northbound"],"error":null,"id":"doctor"}"#;
        assert_eq!(answer(format!("{echo}{result}").as_bytes()).unwrap(), json!(["OVN_Northbound"]));
        for (text, expected) in [
            ("", "hangs up"),
            (echo, "hangs up"),
            ("SSH-2.0\n", "no OVSDB server"),
            (r#"{"result":"#, "in the middle of its answer"),
            (r#"{"error":"unknown database","result":null,"id":"doctor"}"#, "it refuses: \"unknown database\""),
        ] {
            let error = answer(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn maps() {
        let datum = json!(["map", [["hw-offload", "true"], ["x", "y"]]]);
        assert_eq!(map_value(&datum, "hw-offload"), Some("true"));
        assert_eq!(map_value(&datum, "missing"), None);
        assert_eq!(map_value(&json!(7), "missing"), None);
    }
}
