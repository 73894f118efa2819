//! From a WebSocket handshake to a client.

use super::visitors::origin;
use super::{AppState, json};
use crate::actors::broker::Waiting;
use crate::actors::client::{Client, NORMAL};
use crate::actors::event_session::EventSession;
use crate::actors::outbox::{Outbox, QueueLimits, Shared};
use crate::actors::session::Session;
use crate::actors::websocket_session;
use crate::message::{FramesBuilder, Stream, Wire};
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;
use std::time::Instant;

/// Opens `stream` for whoever asks with a WebSocket handshake.
pub(super) async fn open(
    stream: Stream,
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if !asks_for_websocket(req.headers()) {
        return Ok(upgrade_required());
    }
    let (origin, limits) = (origin(&req, &state, stream)?, state.live.rules().clients);
    let deflate = limits.deflate && websocket_session::deflate_offer(&req).is_some();
    let wire = if deflate { Wire::Deflate } else { Wire::WebSocket };
    let outbox = Outbox::new(limits.queue, wire, wants_notices(req.query_string()));
    let outbox = outbox.counted(&state.tally, stream);
    let client = Client::new(origin, Some(stream), outbox);
    Ok(websocket_session::start(&req, Arc::new(client), state.broker.clone()))
}

/// `/develop`: the newest full messages, then a normal close.
pub(super) async fn develop(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if !asks_for_websocket(req.headers()) {
        return Ok(upgrade_required());
    }
    let origin = origin(&req, &state, Stream::Full)?;
    // All who ask at the same time share it.
    let newest = state.answers.develop.get(newest(&state)).await?;
    let client = Client::new(origin, None, Outbox::new(QueueLimits::NONE, Wire::WebSocket, false));
    client.outbox.push_if_room(&newest, Instant::now());
    client.outbox.close(NORMAL, "");
    Ok(websocket_session::start(&req, Arc::new(client), state.broker.clone()))
}

/// The newest full messages as frames.
async fn newest(state: &AppState) -> Result<Arc<Shared>, actix_web::Error> {
    let mut frames = FramesBuilder::default();
    for message in json::newest(state).await?.iter().filter_map(|entry| entry.json(Stream::Full)) {
        frames.push(|out| out.extend_from_slice(&message));
    }
    let frames = Arc::new(frames.build().into());
    state.broker.do_send(Waiting(Arc::clone(&frames)));
    Ok(frames)
}

/// Whether `headers` ask for a WebSocket (RFC 6455 section 4.2.1).
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|v| v.to_str().ok());
    upgrade.is_some_and(|v| v.split(',').any(|p| p.trim().eq_ignore_ascii_case("websocket")))
}

/// `/sse?stream=full|lite|domains`: the same as Server-Sent Events; without `stream`, what `/` streams.
pub(super) async fn events(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    let asked = req.query_string().split('&').find_map(|pair| pair.strip_prefix("stream="));
    let named =
        |stream: &Stream| asked.map_or(*stream == state.root_stream, |name| name == stream.to_string());
    let Some(stream) = state.streams.iter().copied().find(named) else {
        let offered: Vec<_> = state.streams.iter().map(Stream::to_string).collect();
        let error = format!("stream must be one of: {}", offered.join(", "));
        return Ok(HttpResponse::BadRequest().json(serde_json::json!({ "error": error })));
    };
    let origin = origin(&req, &state, stream)?;
    let limits = state.live.rules().clients.queue;
    let outbox = Outbox::new(limits, Wire::Events, wants_notices(req.query_string()));
    let outbox = outbox.counted(&state.tally, stream);
    let client = Arc::new(Client::new(origin, Some(stream), outbox));
    let in_chunks = req.version() >= Version::HTTP_11;
    let mut response = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .finish();
    let session = Session::Events(EventSession::start(client, state.broker.clone(), in_chunks));
    response.extensions_mut().insert(session);
    Ok(response)
}

/// Whether a client wants to be told of its losses and of logs that misbehave: `notices=1` or `notices=true`.
fn wants_notices(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "notices=1" | "notices=true"))
}

fn upgrade_required() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header((header::UPGRADE, "websocket"))
        .json(serde_json::json!({ "error": "Please use this url with a websocket client!" }))
}
