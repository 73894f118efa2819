//! The stream routes, which turn a request into a client.

use super::handshake::{asks_for_websocket, deflate_offer, start, upgrade_required};
use super::json;
use super::state::AppState;
use super::visitors::origin;
use crate::actors::broker::Waiting;
use crate::actors::client::{Client, NORMAL};
use crate::actors::event_session::EventSession;
use crate::actors::send_queue::{SendQueue, SharedFrames};
use crate::actors::session::Session;
use crate::config::QueueLimits;
use crate::message::{FramesBuilder, Stream, Wire};
use actix_web::http::Version;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;
use std::time::Instant;

/// Answers a WebSocket handshake with the root stream, and any other request with the front page.
pub(super) async fn stream_or_page(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if asks_for_websocket(req.headers()) {
        return open(state.root_stream, req, state).await;
    }
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, state.front_page.policy.clone()))
        // The page's URL may contain a token.
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(state.front_page.text.clone()))
}

/// Opens `stream` for a WebSocket handshake.
pub(super) async fn open(
    stream: Stream,
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if !asks_for_websocket(req.headers()) {
        return Ok(upgrade_required());
    }
    let (origin, limits) = (origin(&req, &state, stream)?, state.live.settings().clients);
    let deflate = limits.deflate && deflate_offer(&req).is_some();
    let wire = if deflate { Wire::Deflate } else { Wire::WebSocket };
    let send_queue = SendQueue::new(limits.queue, wire, wants_notices(req.query_string()));
    let send_queue = send_queue.counted(&state.counters, stream);
    let client = Client::new(origin, Some(stream), send_queue);
    Ok(start(&req, Arc::new(client), state.broker.clone()))
}

/// `/develop`: the newest full messages, followed by a normal close frame.
pub(super) async fn develop(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if !asks_for_websocket(req.headers()) {
        return Ok(upgrade_required());
    }
    let origin = origin(&req, &state, Stream::Full)?;
    // Concurrent requests share it.
    let newest = state.answers.develop.get(newest(&state)).await?;
    let client = Client::new(origin, None, SendQueue::new(QueueLimits::NONE, Wire::WebSocket, false));
    client.send_queue.push_if_room(&newest, Instant::now());
    client.send_queue.close(NORMAL, "");
    Ok(start(&req, Arc::new(client), state.broker.clone()))
}

/// The newest full messages, as frames.
async fn newest(state: &AppState) -> Result<Arc<SharedFrames>, actix_web::Error> {
    let mut frames = FramesBuilder::default();
    for message in json::newest(state).await?.iter().filter_map(|entry| entry.json(Stream::Full)) {
        frames.push(|out| out.extend_from_slice(&message));
    }
    let frames = Arc::new(frames.build().into());
    state.broker.do_send(Waiting(Arc::clone(&frames)));
    Ok(frames)
}

/// `/sse?stream=full|lite|domains`: a stream as Server-Sent Events; by default the stream at `/`.
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
    let limits = state.live.settings().clients.queue;
    let send_queue = SendQueue::new(limits, Wire::Events, wants_notices(req.query_string()));
    let send_queue = send_queue.counted(&state.counters, stream);
    let client = Arc::new(Client::new(origin, Some(stream), send_queue));
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

/// Whether a client asked for notices of dropped messages and of misbehaving logs: `notices=1` or `notices=true`.
fn wants_notices(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "notices=1" | "notices=true"))
}
