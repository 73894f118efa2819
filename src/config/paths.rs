//! The paths of all routes. They are part of the configuration because the path of the statistics must be
//! different from them.

use crate::message::Stream;

/// The root stream over WebSocket, or the front page.
pub(crate) const ROOT: &str = "/";
/// The newest full messages over WebSocket.
pub(crate) const DEVELOP: &str = "/develop";
/// Server-Sent Events.
pub(crate) const EVENTS: &str = "/sse";
/// A stream as lines of JSON.
pub(crate) const LINES: &str = "/ndjson";
/// The newest full messages as JSON.
pub(crate) const LATEST: &str = "/latest.json";
/// The newest message as JSON; also below the path of each stream.
pub(crate) const EXAMPLE: &str = "/example.json";
/// Keeps a filter.
pub(crate) const FILTERS: &str = "/filters";
/// Reports that the server is running.
pub(crate) const HEALTH: &str = "/health";
/// Reports whether the server delivers entries.
pub(crate) const READY: &str = "/health/ready";
/// Logs and numbers of clients, for the front page.
pub(crate) const STATUS: &str = "/status.json";
/// Metrics for Prometheus.
pub(crate) const METRICS: &str = "/metrics";

/// The JSON Schemas, each below it.
pub(crate) const SCHEMAS: &str = "/schemas/";
/// The HTTP routes, as an OpenAPI document.
pub(crate) const OPEN_API: &str = "/openapi.json";
/// The streams, as an AsyncAPI document.
pub(crate) const ASYNC_API: &str = "/asyncapi.json";

/// The path of `stream` over WebSocket.
pub(crate) fn of_stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Full => "/full-stream",
        Stream::Lite => "/lite-stream",
        Stream::Domains => "/domains-only",
    }
}

/// The path of the newest message of `stream`.
pub(crate) fn of_example(stream: Stream) -> String {
    format!("{}{EXAMPLE}", of_stream(stream))
}

/// A path with and without a trailing slash. Some clients append one.
pub(crate) fn with_slash(path: &str) -> [String; 2] {
    [path.to_string(), format!("{path}/")]
}

/// Whether `path` is the path of a route.
pub(super) fn is_taken(path: &str) -> bool {
    let fixed = [ROOT, LATEST, EXAMPLE, HEALTH, READY, STATUS, METRICS, OPEN_API, ASYNC_API];
    let streams = Stream::ALL.map(of_stream).into_iter().chain([DEVELOP, EVENTS, LINES, FILTERS]);
    fixed.contains(&path)
        || path.starts_with(SCHEMAS)
        || streams.flat_map(with_slash).any(|taken| taken == path)
        || Stream::ALL.into_iter().any(|stream| of_example(stream) == path)
}
