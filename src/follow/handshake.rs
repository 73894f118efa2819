//! Opens the WebSocket (RFC 6455 section 4.1).
//!
//! awc has a client for WebSockets, but it drops the headers and the body of a response that refuses the upgrade. They say
//! which parameter is invalid, or when to come back. So the request is written here, with the codec that awc uses.

use super::error::{ConnectFailure, Refusal};
use crate::http_client::{Proxies, Socket, TlsClient, connect, retry_after};
use actix_codec::Framed;
use actix_http::body::BodySize;
use actix_http::h1::{ClientCodec, MessageType};
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::ws::{Codec, hash_key};
use actix_http::{ConnectionType, Method, RequestHead, RequestHeadType, ResponseHead, StatusCode, Uri};
use chrono::Utc;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// Timeout for connecting, including TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout for the response. A server may have to look for the cursor in its journal first.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout for the body of a refusal.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of bytes of it that are read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Maximum number of characters of it that are shown, if it is not the JSON of a certstream server.
const MAX_SHOWN_CHARS: usize = 200;
/// Maximum size of a message, in bytes. Certificates with the most names take some megabytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// An open WebSocket.
pub(super) type WebSocket = Framed<Box<dyn Socket>, Codec>;

/// What connections need beside a URL.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) tls: TlsClient,
    pub(super) proxies: Proxies,
    pub(super) token: Option<String>,
}

/// Connects to `url`, which has the scheme of HTTP, and upgrades the connection.
///
/// # Errors
/// If there is no connection, or the server refuses the upgrade.
pub(super) async fn open(access: &Access, url: &Uri) -> Result<WebSocket, ConnectFailure> {
    let connecting = timeout(CONNECT_TIMEOUT, connect(&access.tls, &access.proxies, url)).await;
    let socket = connecting.map_err(|_| lost("no connection", CONNECT_TIMEOUT))??;
    let mut framed = Framed::new(socket, ClientCodec::default());
    let key = base64_simd::STANDARD.encode_to_string(rand::random::<[u8; 16]>());
    let head = request(access, url, &key)
        .ok_or_else(|| ConnectFailure::Lost("the request is not valid HTTP".into()))?;
    let answered = timeout(RESPONSE_TIMEOUT, async {
        let request = RequestHeadType::Owned(head);
        framed.send((request, BodySize::None).into()).await.map_err(|error| error.to_string())?;
        let response = framed.next().await.ok_or("the server closed the connection without a response")?;
        response.map_err(|error| format!("the response is not valid HTTP: {error}"))
    });
    let response =
        answered.await.map_err(|_| lost("no response", RESPONSE_TIMEOUT))?.map_err(ConnectFailure::Lost)?;
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(ConnectFailure::Refused(refusal(&response, framed).await));
    }
    if !accepts(&response.headers, &key) {
        return Err(ConnectFailure::Lost(
            "the server did not accept the WebSocket handshake correctly".into(),
        ));
    }
    Ok(framed.into_map_codec(|_| Codec::new().max_size(MAX_MESSAGE_BYTES).client_mode()))
}

fn lost(what: &str, within: Duration) -> ConnectFailure {
    ConnectFailure::Lost(format!("{what} within {}", humantime::format_duration(within)))
}

/// `None` if the token cannot be part of a header.
fn request(access: &Access, url: &Uri, key: &str) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    head.method = Method::GET;
    head.uri = url.path_and_query()?.as_str().parse().ok()?;
    let mut add = |name: HeaderName, value: &str| {
        head.headers.insert(name, HeaderValue::from_str(value).ok()?);
        Some(())
    };
    add(header::HOST, url.authority()?.as_str())?;
    add(header::UPGRADE, "websocket")?;
    add(header::SEC_WEBSOCKET_VERSION, "13")?;
    add(header::SEC_WEBSOCKET_KEY, key)?;
    add(header::USER_AGENT, concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))?;
    if let Some(token) = &access.token {
        add(header::AUTHORIZATION, &format!("Bearer {token}"))?;
    }
    head.set_connection_type(ConnectionType::Upgrade);
    Some(head)
}

/// Whether the headers of the response are those of a WebSocket server that has read the request.
fn accepts(headers: &HeaderMap, key: &str) -> bool {
    let has = |name, word: &str| {
        let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && accept == Some(&hash_key(key.as_bytes()))
}

/// The errors of a certstream server.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    parameter: Option<String>,
    message: Option<String>,
}

async fn refusal(response: &ResponseHead, framed: Framed<Box<dyn Socket>, ClientCodec>) -> Refusal {
    let retry_after = retry_after(&response.headers, Utc::now());
    let location =
        response.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).map(String::from);
    let body = timeout(BODY_TIMEOUT, body(framed)).await.unwrap_or_default();
    let error: Option<ErrorBody> = serde_json::from_slice(&body).ok();
    let message = match error {
        Some(ErrorBody { error, parameter, message }) => {
            let message = message.unwrap_or(error);
            parameter.map_or(message.clone(), |parameter| format!("{parameter}: {message}"))
        }
        None => String::from_utf8_lossy(&body).trim().chars().take(MAX_SHOWN_CHARS).collect(),
    };
    Refusal { status: response.status.as_u16(), retry_after, location, message }
}

/// The first part of the body.
async fn body(framed: Framed<Box<dyn Socket>, ClientCodec>) -> Vec<u8> {
    let mut body = Vec::new();
    if framed.codec_ref().message_type() == MessageType::None {
        return body;
    }
    let mut framed = framed.into_map_codec(ClientCodec::into_payload_codec);
    while let Some(Ok(Some(chunk))) = framed.next().await {
        let room = MAX_BODY_BYTES.saturating_sub(body.len()).min(chunk.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or_default());
        if body.len() >= MAX_BODY_BYTES {
            break;
        }
    }
    body
}
