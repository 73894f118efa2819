//! The front page.

use crate::config::paths;
use crate::message::Stream;
use actix_web::http::header::HeaderValue;
use askama::Template;
use base64_simd::STANDARD;
use bytes::Bytes;
use openssl::sha::sha256;
use std::time::Duration;

/// The template `templates/front_page.html`.
#[derive(Template)]
#[template(path = "front_page.html")]
struct Page {
    version: &'static str,
    /// Path of the stream that the page shows.
    feed: &'static str,
    /// Interval of the heartbeats in that stream.
    heartbeat_ms: u128,
}

/// The rendered front page, which is the same for every visitor.
#[derive(Debug)]
pub(crate) struct FrontPage {
    pub(super) text: Bytes,
    /// Its Content-Security-Policy, which allows only the page's own script and style.
    pub(super) policy: HeaderValue,
}

impl FrontPage {
    /// Renders the page for a server that offers `streams`, with a heartbeat every `heartbeat_interval`.
    ///
    /// # Errors
    /// If the template cannot be rendered.
    pub(crate) fn new(streams: &[Stream], heartbeat_interval: Duration) -> Result<Self, askama::Error> {
        let (version, heartbeat_ms) = (env!("CARGO_PKG_VERSION"), heartbeat_interval.as_millis());
        let text = Page { version, feed: feed(streams), heartbeat_ms }.render()?;
        let (script, style) = (source(&text, "<script>", "</script>"), source(&text, "<style>", "</style>"));
        let policy = format!(
            "default-src 'none'; connect-src 'self'; script-src {script}; style-src {style}; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let policy = HeaderValue::try_from(policy).map_err(askama::Error::custom)?;
        Ok(FrontPage { text: text.into(), policy })
    }
}

/// The Content-Security-Policy source of the text between `begin` and `end`: its hash.
fn source(text: &str, begin: &str, end: &str) -> String {
    let inside =
        text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(inside, _)| inside);
    format!("'sha256-{}'", STANDARD.encode_to_string(sha256(inside.as_bytes())))
}

/// The lightest offered stream that contains what the page shows, or else any offered stream.
fn feed(streams: &[Stream]) -> &'static str {
    let by_worth = [Stream::Lite, Stream::Full, Stream::Domains];
    let feed = by_worth.into_iter().find(|stream| streams.contains(stream));
    feed.map_or("", |stream| paths::of_stream(stream).trim_start_matches('/'))
}
