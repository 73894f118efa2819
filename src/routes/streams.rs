//! The stream routes, which turn a request into a client.

use super::filters;
use super::handshake::{asks_for_websocket, deflate_offer, start, upgrade_required};
use super::json;
use super::query::{self, Extent, ExtentError, Query};
use super::state::AppState;
use super::visitors::{filter_limits, may_hear, origin, refused};
use crate::access::Refusal;
use crate::actors::client::{Client, ClientOrigin};
use crate::actors::reader::{Asked, NORMAL, Reader, SharedFrames};
use crate::actors::session::Session;
use crate::actors::subscriptions::{Manner, NotSubscribed};
use crate::choice::invalid;
use crate::clock;
use crate::filter::Limits;
use crate::journal::{FileError, Journal};
use crate::message::{self, FramesBuilder, Stream, Wire};
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
        let stream = query::stream(req.query_string(), &state.streams)?.unwrap_or(state.root_stream);
        return open(stream, req, state).await;
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
    if query::stream(req.query_string(), &state.streams)?.is_some_and(|asked| asked != stream) {
        let message = format!("this path has the {stream} stream; give stream at / instead");
        return Err(invalid("stream", &message).into());
    }
    let origin = origin(&req, &state, stream)?;
    let deflate = state.live.settings().clients.deflate && deflate_offer(&req).is_some();
    let wire = if deflate { Wire::Deflate } else { Wire::WebSocket };
    Ok(start(&req, client(&req, &state, origin, stream, wire).await?, state.broker.clone()))
}

/// The client that reads `stream` on `wire`, from where its query says.
async fn client(
    req: &HttpRequest,
    state: &web::Data<AppState>,
    origin: ClientOrigin,
    stream: Stream,
    wire: Wire,
) -> Result<Arc<Client>, actix_web::Error> {
    let last_event_id = req.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    let (now_us, limits) = (clock::unix_us(), state.live.settings().clients);
    let parse = |limits| Query::parse(req.query_string(), last_event_id, now_us, limits);
    let query = if query::has_filter(req.query_string()) {
        let limits = filter_limits(req, state)?;
        state.answers.filters.run(|| parse(limits)).await?
    } else {
        parse(Limits::default())?
    };
    let Extent { start, until, ends_at_us } =
        query.extent(&*state.subscriptions.journal, now_us).await.map_err(|error| no_extent(state, error))?;
    let named = filters::named(state, origin.identity.as_ref(), query.choice.named.as_deref()).await?;
    let choice = query.choice;
    let explains = choice.explains && !(choice.filter.is_empty() && named.is_empty());
    let of_named: Vec<_> = named.iter().map(|named| named.filter()).collect();
    let unique = choice.kind_with(&of_named)?;
    let (filter, sample) = (Arc::new(choice.filter), choice.sample);
    let asked = Asked { stream, wire, filter, named, sample, unique, explains };
    let (notices, begins) = (query.notices, subscribed(&asked, &*state.subscriptions.journal));
    let manner = Manner {
        notices,
        tells_gaps: notices || start.is_some(),
        when_behind: limits.when_behind,
        until,
        counters: state.counters.clone(),
    };
    let reader = state.subscriptions.reader(asked, manner, limits.filter_bytes, now_us).await;
    let reader = reader.map_err(|error| not_subscribed(state, error))?;
    if notices {
        reader.push(&Arc::new(wire.single(begins.as_bytes()).into()));
    }
    let start = start.or_else(|| state.grace.start().filter(|_| until.is_none()));
    Ok(Arc::new(Client::new(origin, reader, start).ending_at(ends_at_us)))
}

/// The answer to a client of whom it is not known where it reads.
fn no_extent(state: &web::Data<AppState>, error: ExtentError) -> actix_web::Error {
    match error {
        ExtentError::Invalid(invalid) => invalid.into(),
        ExtentError::Unreadable(error) => unreadable(state, &error),
    }
}

/// The answer to a client that cannot subscribe.
fn not_subscribed(state: &web::Data<AppState>, error: NotSubscribed) -> actix_web::Error {
    match error {
        NotSubscribed::TooManyFilters => refused(state, Refusal::FiltersFull).into(),
        NotSubscribed::Unreadable(error) => unreadable(state, &error),
    }
}

fn unreadable(state: &web::Data<AppState>, error: &FileError) -> actix_web::Error {
    log::warn!("a client is refused, because the journal cannot be read: {error}");
    refused(state, Refusal::JournalUnreadable).into()
}

/// The notice that says how the query was understood.
fn subscribed(asked: &Asked, journal: &dyn Journal) -> String {
    let newest = journal.next_seq().saturating_sub(1);
    message::subscribed(asked.stream, &asked.understood(), newest, journal.floor())
}

/// `/develop`: the newest full messages, followed by a normal close frame.
pub(super) async fn develop(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if !asks_for_websocket(req.headers()) {
        return Ok(upgrade_required());
    }
    may_hear(&req, &state, Stream::Full)?;
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
    body_of(&req, &state, Wire::Events, "text/event-stream").await
}

/// `/ndjson?stream=full|lite|domains`: the same, one message a line.
pub(super) async fn lines(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    body_of(&req, &state, Wire::Lines, "application/x-ndjson").await
}

/// A stream as the body of a response.
async fn body_of(
    req: &HttpRequest,
    state: &web::Data<AppState>,
    wire: Wire,
    content_type: &str,
) -> Result<HttpResponse, actix_web::Error> {
    let stream = query::stream(req.query_string(), &state.streams)?.unwrap_or(state.root_stream);
    let client = client(req, state, origin(req, state, stream)?, stream, wire).await?;
    let in_chunks = req.version() >= Version::HTTP_11;
    let mut response = HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx would collect what it forwards until a buffer is full, and with a filter that takes minutes.
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .finish();
    response.extensions_mut().insert(Session::start(client, state.broker.clone(), in_chunks));
    Ok(response)
}
