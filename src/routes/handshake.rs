//! The WebSocket handshake (RFC 6455 section 4.2).

use crate::actors::broker::Broker;
use crate::actors::client::Client;
use crate::actors::session::Session;
use crate::message::{Wire, accept_deflate};
use actix::Addr;
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::ws;
use std::sync::Arc;

/// The WebSocket version of RFC 6455, the only supported one.
const VERSION: &str = "13";
/// Length of the decoded Sec-WebSocket-Key, in bytes (RFC 6455 section 4.1).
const KEY_LENGTH: usize = 16;

/// Whether `headers` request a WebSocket (RFC 6455 section 4.2.1).
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|v| v.to_str().ok());
    upgrade.is_some_and(|v| v.split(',').any(|p| p.trim().eq_ignore_ascii_case("websocket")))
}

/// Answers the handshake in `req` with a session for `client`.
///
/// An invalid handshake (RFC 6455 section 4.2.1) is answered with an error that names the problem.
pub(super) fn start(req: &HttpRequest, client: Arc<Client>, broker: Addr<Broker>) -> HttpResponse {
    let mut response = match check(req).and_then(|()| ws::handshake(req).map_err(|error| error.to_string())) {
        Ok(response) => response,
        Err(error) => return refused(&error),
    };
    if client.reader.wire == Wire::Deflate
        && let Some(extension) = deflate_offer(req)
    {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, extension));
    }
    let mut response = response.finish();
    response.extensions_mut().insert(Session::start(client, broker, false));
    response
}

/// Checks the requirements of RFC 6455 section 4.2.1 that [`ws::handshake`] does not check.
fn check(req: &HttpRequest) -> Result<(), String> {
    if req.version() != Version::HTTP_11 {
        return Err("a WebSocket handshake must be an HTTP/1.1 request".into());
    }
    let has_length = req.headers().get_all(header::CONTENT_LENGTH).any(|length| length != "0");
    if has_length || req.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err("a WebSocket handshake must not have a body".into());
    }
    let mut versions = req.headers().get_all(header::SEC_WEBSOCKET_VERSION);
    if versions.next().is_none_or(|version| version != VERSION) || versions.next().is_some() {
        return Err("Sec-WebSocket-Version must be 13".into());
    }
    let mut keys = req.headers().get_all(header::SEC_WEBSOCKET_KEY);
    let is_key = |key: &HeaderValue| {
        base64_simd::STANDARD.decode_to_vec(key.as_bytes()).is_ok_and(|key| key.len() == KEY_LENGTH)
    };
    if !keys.next().is_some_and(is_key) || keys.next().is_some() {
        return Err("Sec-WebSocket-Key must be the base64 of 16 bytes".into());
    }
    Ok(())
}

/// The answer to an offer of permessage-deflate (RFC 7692) in `req`, if one is acceptable. Offers may be spread over
/// several headers.
pub(super) fn deflate_offer(req: &HttpRequest) -> Option<&'static str> {
    let offers = req.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    offers.filter_map(|offer| offer.to_str().ok()).find_map(accept_deflate)
}

fn refused(error: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .insert_header((header::SEC_WEBSOCKET_VERSION, VERSION))
        .json(serde_json::json!({ "error": error }))
}

pub(super) fn upgrade_required() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header((header::UPGRADE, "websocket"))
        .json(serde_json::json!({ "error": "Please use this url with a websocket client!" }))
}
