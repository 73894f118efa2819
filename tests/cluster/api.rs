//! Requests to the engine's JetStream API, over its own text protocol: an administrator that shares no code with the server.

use serde_json::{Value, json};
use std::io::{Error, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const INBOX: &str = "_INBOX.administrator";

/// The response to a request with the body `body` for `$JS.API.{subject}`.
pub async fn request(port: u16, user: Option<(&str, &str)>, subject: &str, body: &Value) -> Result<Value> {
    let mut engine = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let mut line = String::new();
    engine.read_line(&mut line).await?;
    if !line.starts_with("INFO ") {
        return Err(Error::other(format!("{line:?} in place of INFO")));
    }
    let mut connect = json!({ "verbose": false, "pedantic": false });
    if let Some((user, password)) = user {
        connect["user"] = user.into();
        connect["pass"] = password.into();
    }
    let body = body.to_string();
    let length = body.len();
    let text =
        format!("CONNECT {connect}\r\nSUB {INBOX} 1\r\nPUB $JS.API.{subject} {INBOX} {length}\r\n{body}\r\n");
    engine.get_mut().write_all(text.as_bytes()).await?;
    loop {
        line.clear();
        if engine.read_line(&mut line).await? == 0 {
            return Err(Error::other("the engine has closed the connection"));
        }
        match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["PING"] => engine.get_mut().write_all(b"PONG\r\n").await?,
            ["MSG", INBOX, _, length] => {
                let mut response = vec![0; length.parse().map_err(Error::other)?];
                engine.read_exact(&mut response).await?;
                return serde_json::from_slice(&response).map_err(Error::other);
            }
            ["-ERR", ..] => return Err(Error::other(line)),
            _ => {}
        }
    }
}
