//! What HTTP clients see.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the root stream, or the front page |
//! | `/full-stream`, `/lite-stream`, `/domains-only` | that stream, if it is offered |
//! | `/sse` | one of the streams as Server-Sent Events |
//! | `/develop` | the newest full messages, then the end |
//! | `/latest.json`, `/example.json`, `/<stream path>/example.json` | the newest messages as JSON |
//! | `/health`, `/health/ready` | whether the server is alive, and whether it delivers |
//! | `/metrics` | how the logs are doing, for Prometheus |
//! | the statistics path | connected clients and watched logs |

mod front_page;
mod health;
mod json;
mod metrics;
mod stats;
mod streams;

use crate::actors::broker::Broker;
use crate::actors::log_directory::LogStatuses;
use crate::config::{ClientLimits, HealthLimits};
use crate::message::Stream;
use crate::state::Positions;
use actix::Addr;
use actix_web::http::header;
use actix_web::{HttpResponse, Resource, web};
use std::sync::Arc;
use std::time::Instant;

/// What the routes know.
#[derive(Debug)]
pub struct AppState {
    /// Where the messages are.
    pub broker: Addr<Broker>,
    /// What a client may cost.
    pub limits: ClientLimits,
    /// The streams that clients can have.
    pub streams: Vec<Stream>,
    /// What `/` streams.
    pub root_stream: Stream,
    /// How the logs are doing.
    pub logs: LogStatuses,
    /// What of them is healthy.
    pub health: HealthLimits,
    /// When the program started.
    pub begin: Instant,
    /// Where they stand, and whether that can be saved.
    pub positions: Arc<Positions>,
}

/// The paths of the streams.
const STREAMS: [(&str, Stream); 3] =
    [("/full-stream", Stream::Full), ("/lite-stream", Stream::Lite), ("/domains-only", Stream::Domains)];

/// Adds all routes, those of the streams that are offered; the statistics are at `stats_path`.
pub fn configure(app: &mut web::ServiceConfig, streams: &[Stream], stats_path: &str) {
    app.service(
        web::resource("/")
            .route(web::get().to(front_page::stream_or_page))
            .route(web::head().to(front_page::stream_or_page)),
    )
    .service(json_resource("/latest.json", web::get().to(json::latest), web::head().to(json::latest)))
    .service(web::resource("/sse").route(web::get().to(streams::events)))
    .service(json_resource("/health", web::get().to(health::alive), web::head().to(health::alive)))
    .service(json_resource("/health/ready", web::get().to(health::ready), web::head().to(health::ready)))
    .service(web::resource("/metrics").route(web::get().to(metrics::metrics)))
    .service(example("/example.json", streams.first().copied().unwrap_or(Stream::Full)))
    .service(json_resource(stats_path, web::get().to(stats::stats), web::head().to(stats::stats)));
    if streams.contains(&Stream::Full) {
        app.service(web::resource("/develop").route(web::get().to(streams::develop)));
    }
    for (path, stream) in STREAMS.into_iter().filter(|(_, stream)| streams.contains(stream)) {
        let open = move |req, state| streams::open(stream, req, state);
        app.service(web::resource(path).route(web::get().to(open)))
            .service(example(&format!("{path}/example.json"), stream));
    }
    app.default_service(web::to(not_found));
}

fn example(path: &str, stream: Stream) -> Resource {
    let handler = move |state| json::example(stream, state);
    json_resource(path, web::get().to(handler), web::head().to(handler))
}

/// A route that pages of any origin may read.
fn json_resource(path: &str, get: actix_web::Route, head: actix_web::Route) -> Resource {
    web::resource(path)
        .route(get)
        .route(head)
        .route(web::method(actix_web::http::Method::OPTIONS).to(preflight))
}

async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

fn json_body(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body)
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("404: Not Found")
}
