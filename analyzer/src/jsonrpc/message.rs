//! What a message says (RFC 7047 section 4): a request, a notification, or the reply to a request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A message. Parameters and results stay as JSON text: they may be large, and only the receiver knows their shape.
#[derive(Debug)]
pub enum Message<'a> {
    /// Asks for a reply that bears the same `id`.
    Request {
        /// The method, as `echo`.
        method: Cow<'a, str>,
        /// Its parameters.
        params: &'a RawValue,
        /// What the reply has to bear.
        id: &'a RawValue,
    },
    /// A request that wants no reply: its `id` is null or missing.
    Notification {
        /// The method, as `update3`.
        method: Cow<'a, str>,
        /// Its parameters.
        params: &'a RawValue,
    },
    /// The answer to a request.
    Reply {
        /// That of the request.
        id: &'a RawValue,
        /// The result, `null` where there is none, or the error that is in its place.
        outcome: Result<&'a RawValue, &'a RawValue>,
    },
}

/// An object that is no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// No JSON, or members of a wrong type.
    #[error("no JSON-RPC message: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither a request nor a reply.
    #[error("no JSON-RPC message: neither `method` nor `id` is in it")]
    Shape,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn parse(json: &'a [u8]) -> Result<Self, MessageError> {
        let Members { method, params, result, error, id } = serde_json::from_slice(json)?;
        let params = params.unwrap_or(RawValue::NULL);
        match (method, id) {
            (Some(method), Some(id)) => Ok(Self::Request { method, params, id }),
            (Some(method), None) => Ok(Self::Notification { method, params }),
            (None, Some(id)) => {
                let outcome = error.map_or(Ok(result.unwrap_or(RawValue::NULL)), Err);
                Ok(Self::Reply { id, outcome })
            }
            (None, None) => Err(MessageError::Shape),
        }
    }
}

#[derive(Serialize)]
struct RequestMembers<'a, I, P> {
    method: &'a str,
    params: P,
    id: I,
}

#[derive(Serialize)]
struct ReplyMembers<'a, R, E> {
    id: &'a RawValue,
    result: R,
    error: E,
}

/// Writes a request.
pub fn request(method: &str, params: &serde_json::Value, id: &serde_json::Value) -> String {
    written(&RequestMembers { method, params, id })
}

/// Writes the reply to a request that bore `id`.
pub fn reply(id: &RawValue, result: &RawValue) -> String {
    written(&ReplyMembers { id, result, error: () })
}

/// Writes the reply to a request that bore `id` and failed.
pub fn error_reply(id: &RawValue, error: &str) -> String {
    written(&ReplyMembers { id, result: (), error })
}

fn written(members: &impl Serialize) -> String {
    serde_json::to_string(members).expect("JSON values and texts serialise into memory")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A message in a form that compares.
    fn read(json: &str) -> Result<String, String> {
        match Message::parse(json.as_bytes()) {
            Ok(Message::Request { method, params, id }) => Ok(format!("request {method} {params} {id}")),
            Ok(Message::Notification { method, params }) => Ok(format!("notification {method} {params}")),
            Ok(Message::Reply { id, outcome: Ok(result) }) => Ok(format!("reply {id} {result}")),
            Ok(Message::Reply { id, outcome: Err(error) }) => Ok(format!("error {id} {error}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn kinds() {
        let cases = [
            (r#"{"method":"echo","params":[ 1 ],"id":"echo"}"#, r#"request echo [ 1 ] "echo""#),
            (r#"{"id":null,"method":"upd\u0061te","params":[]}"#, "notification update []"),
            (r#"{"method":"x"}"#, "notification x null"),
            (r#"{"id":0,"error":null,"result":"text"}"#, r#"reply 0 "text""#),
            (r#"{"id":[1],"result":null,"error":"unknown method"}"#, r#"error [1] "unknown method""#),
            // Control sockets leave out what is null.
            (r#"{"id":3,"result":""}"#, r#"reply 3 """#),
        ];
        for (json, expected) in cases {
            assert_eq!(read(json).as_deref(), Ok(expected), "{json}");
        }
        for json in ["{}", "[]", "{", r#"{"method":3}"#, r#"{"id":1,"id":2}"#, "{\"method\":\"\u{fffd}\",}"] {
            assert!(read(json).unwrap_err().starts_with("no JSON-RPC message"), "{json}");
        }
        assert!(Message::parse(b"{\"method\":\"\xff\"}").is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let text = request("monitor", &json!(["db", {"a": "\u{e4}"}]), &json!(7));
        assert_eq!(read(&text).unwrap(), "request monitor [\"db\",{\"a\":\"\u{e4}\"}] 7");
        let Ok(Message::Request { params, id, .. }) = Message::parse(text.as_bytes()) else { panic!("{text}") };
        assert_eq!(read(&reply(id, params)).unwrap(), "reply 7 [\"db\",{\"a\":\"\u{e4}\"}]");
        assert_eq!(read(&error_reply(id, "no")).unwrap(), "error 7 \"no\"");
    }
}
