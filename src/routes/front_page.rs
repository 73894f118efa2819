//! `/`: the root stream for WebSocket clients, the front page for browsers.

use super::{AppState, STREAMS, streams};
use crate::message::Stream;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, error, web};
use askama::Template;

/// The front page, `templates/front_page.html`.
#[derive(Template)]
#[template(path = "front_page.html")]
struct FrontPage {
    version: &'static str,
    /// Names this answer's own script to the browser, so that no other runs.
    nonce: String,
    /// Path of the stream that feeds it.
    feed: &'static str,
}

/// Answers a handshake with the root stream and anything else with the page.
pub(super) async fn stream_or_page(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    if streams::asks_for_websocket(req.headers()) {
        return streams::open(state.root_stream, req, state).await;
    }
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let page = FrontPage { version: env!("CARGO_PKG_VERSION"), nonce, feed: feed(&state.streams) };
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        // A token may stand in its URL.
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(page.render().map_err(error::ErrorInternalServerError)?))
}

/// The lightest stream that says what the page shows, or what there is.
fn feed(streams: &[Stream]) -> &'static str {
    let by_worth = [Stream::Lite, Stream::Full, Stream::Domains];
    let feed = by_worth.into_iter().find(|stream| streams.contains(stream));
    let path = STREAMS.into_iter().find(|(_, stream)| feed == Some(*stream));
    path.map_or("", |(path, _)| path.trim_start_matches('/'))
}
