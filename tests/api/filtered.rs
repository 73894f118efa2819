//! What the tests of clients with filters share.

use crate::helpers::{PATIENCE, Subscriber, TestApp};
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

pub const HEARTBEAT: &str = "[heartbeat]\ninterval = '200ms'\n";

/// The status and the body of `POST /filters`.
pub async fn put(app: &TestApp, text: impl Into<Vec<u8>>) -> (u16, Value) {
    put_with(app, "", text).await
}

/// The same with a token, unless it is empty.
pub async fn put_with(app: &TestApp, token: &str, text: impl Into<Vec<u8>>) -> (u16, Value) {
    let client = awc::Client::builder().timeout(PATIENCE).finish();
    let mut request = client.post(app.http("/filters"));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let mut response = request.send_body(text.into()).await.expect("an answer");
    let body = response.body().await.expect("a body");
    (response.status().as_u16(), serde_json::from_slice(&body).expect("JSON"))
}

/// The name of a filter that was put.
pub async fn kept(app: &TestApp, filter: &Value) -> String {
    let (status, answer) = put(app, filter.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    answer["filter"].as_str().expect("a name").into()
}

/// The status and the error of a WebSocket handshake at `path`.
pub async fn refused(app: &TestApp, path: &str) -> (u16, Value) {
    match connect_async(format!("ws://{}{path}", app.address)).await {
        Err(Error::Http(response)) => {
            assert_eq!(response.headers().get("access-control-allow-origin").expect("a header"), "*");
            let body = response.body().as_ref().expect("a body");
            (response.status().as_u16(), serde_json::from_slice(body).expect("JSON"))
        }
        other => panic!("{path}: {other:?}"),
    }
}

/// The messages of a response as lines or events.
pub fn parsed(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| {
        let line = line.strip_prefix("data: ").unwrap_or(line);
        line.starts_with('{').then(|| serde_json::from_str(line).expect("JSON"))
    });
    data.filter(|message: &Value| message["message_type"] != "heartbeat").collect()
}

/// Everything that the client gets until it has `seq`.
pub async fn until_seq(client: &mut Subscriber, seq: u64) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        let message = client.any_message().await;
        let is_end = message["seq"].as_u64().expect("a number") >= seq;
        if message["message_type"] != "heartbeat" {
            messages.push(message);
        }
        if is_end {
            return messages;
        }
    }
}

pub fn seq(message: &Value) -> u64 {
    message["seq"].as_u64().expect("a number")
}

pub fn names(message: &Value) -> Vec<String> {
    let names = message["data"]["leaf_cert"]["all_domains"].as_array().expect("names");
    names.iter().map(|name| name.as_str().expect("a name").to_lowercase()).collect()
}

/// Whether one of the names contains this.
pub fn contains(message: &Value, text: &str) -> bool {
    names(message).iter().any(|name| name.contains(text))
}

pub fn is_precert(message: &Value) -> bool {
    message["data"]["update_type"] == "PrecertLogEntry"
}
