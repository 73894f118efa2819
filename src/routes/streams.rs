//! The stream routes, which turn a request into a client.

use super::handshake::{asks_for_websocket, deflate_offer, start, upgrade_required};
use super::json;
use super::query::{Extent, InvalidParameter, Query};
use super::state::AppState;
use super::visitors::origin;
use crate::actors::client::{Client, ClientOrigin};
use crate::actors::reader::{NORMAL, Reader, SharedFrames, Subscribed};
use crate::actors::session::Session;
use crate::clock;
use crate::message::{FramesBuilder, Stream, Wire};
use actix_web::http::Version;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;

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
    let origin = origin(&req, &state, stream)?;
    let deflate = state.live.settings().clients.deflate && deflate_offer(&req).is_some();
    let wire = if deflate { Wire::Deflate } else { Wire::WebSocket };
    match client(&req, &state, origin, stream, wire) {
        Ok(client) => Ok(start(&req, client, state.broker.clone())),
        Err(invalid) => Ok(invalid.response()),
    }
}

/// The client that reads `stream` on `wire`, from where its query says.
fn client(
    req: &HttpRequest,
    state: &AppState,
    origin: ClientOrigin,
    stream: Stream,
    wire: Wire,
) -> Result<Arc<Client>, InvalidParameter> {
    let last_event_id = req.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    let now_us = clock::unix_us();
    let query = Query::parse(req.query_string(), last_event_id, now_us)?;
    let Extent { start, until, ends_at_us } = query.extent(&state.journal, now_us)?;
    let subscribed = Subscribed {
        stream,
        tail: state.tails.of(stream, wire).clone(),
        when_behind: state.live.settings().clients.when_behind,
        counters: state.counters.clone(),
        tells_gaps: query.notices || start.is_some(),
    };
    let reader = Reader::new(wire, query.notices, subscribed, state.replay.clone(), until);
    let start = start.or_else(|| state.grace.start().filter(|_| until.is_none()));
    Ok(Arc::new(Client::new(origin, reader, start).ending_at(ends_at_us)))
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
    let reader = Reader::of_pushed(Wire::WebSocket);
    reader.push(&newest);
    reader.close(NORMAL, "");
    Ok(start(&req, Arc::new(Client::new(origin, reader, None)), state.broker.clone()))
}

/// The newest full messages, as frames.
async fn newest(state: &AppState) -> Result<Arc<SharedFrames>, actix_web::Error> {
    let mut frames = FramesBuilder::default();
    for message in json::newest(state).await?.iter().filter_map(|entry| entry.json(Stream::Full)) {
        frames.push(|out| out.extend_from_slice(&message));
    }
    Ok(Arc::new(frames.build().into()))
}

/// `/sse?stream=full|lite|domains`: a stream as Server-Sent Events; by default the stream at `/`.
pub(super) async fn events(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    body_of(&req, &state, Wire::Events, "text/event-stream")
}

/// `/ndjson?stream=full|lite|domains`: the same, one message a line.
pub(super) async fn lines(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    body_of(&req, &state, Wire::Lines, "application/x-ndjson")
}

/// A stream as the body of a response.
fn body_of(
    req: &HttpRequest,
    state: &web::Data<AppState>,
    wire: Wire,
    content_type: &str,
) -> Result<HttpResponse, actix_web::Error> {
    let asked = req.query_string().split('&').find_map(|pair| pair.strip_prefix("stream="));
    let named =
        |stream: &Stream| asked.map_or(*stream == state.root_stream, |name| name == stream.to_string());
    let Some(stream) = state.streams.iter().copied().find(named) else {
        let offered: Vec<_> = state.streams.iter().map(Stream::to_string).collect();
        let error = format!("stream must be one of: {}", offered.join(", "));
        return Ok(HttpResponse::BadRequest().json(serde_json::json!({ "error": error })));
    };
    let client = match client(req, state, origin(req, state, stream)?, stream, wire) {
        Ok(client) => client,
        Err(invalid) => return Ok(invalid.response()),
    };
    let in_chunks = req.version() >= Version::HTTP_11;
    let mut response = HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .finish();
    response.extensions_mut().insert(Session::start(client, state.broker.clone(), in_chunks));
    Ok(response)
}
