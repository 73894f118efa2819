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
//! | `/status.json` | logs and numbers of clients, for the front page |
//! | `/metrics` | how logs and clients are doing, for Prometheus |
//! | the statistics path | connected clients and watched logs |

mod front_page;
mod health;
mod json;
mod metrics;
mod on_demand;
mod stats;
mod status;
mod streams;
mod visitors;

pub(crate) use front_page::FrontPage;
#[cfg(test)]
pub(crate) use on_demand::MAKING;
pub use visitors::admit;

use crate::access::Slots;
use crate::actors::broker::Broker;
use crate::actors::log_directory::LogStatuses;
use crate::actors::outbox::Shared;
use crate::config::Config;
use crate::live::Live;
use crate::message::{Demand, Stream};
use crate::server::Connections;
use crate::startup::Liveness;
use crate::state::Positions;
use crate::tally::Tally;
use actix::Addr;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Resource, web};
use on_demand::{Answer, OnDemand};
use std::sync::Arc;
use std::time::Instant;

/// What the routes know.
#[derive(Debug)]
pub struct AppState {
    /// Where the messages are.
    pub broker: Addr<Broker>,
    /// Whether they go on.
    pub liveness: Liveness,
    /// The rules in force.
    pub live: Arc<Live>,
    /// What happened to clients.
    pub tally: Arc<Tally>,
    /// How many clients hear what.
    pub demand: Arc<Demand>,
    /// The connections that are taken.
    pub slots: Arc<Slots>,
    /// The connections themselves.
    pub(crate) connections: Arc<Connections>,
    /// What is answered.
    pub(crate) answers: Answers,
    /// The streams that clients can have.
    pub streams: Vec<Stream>,
    /// What `/` streams.
    pub root_stream: Stream,
    /// What it shows to browsers.
    pub(crate) front_page: FrontPage,
    /// How the logs are doing.
    pub logs: LogStatuses,
    /// When the program started.
    pub begin: Instant,
    /// Where they stand, and whether that can be saved.
    pub positions: Arc<Positions>,
}

/// The answers that are made on demand.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    develop: OnDemand<Arc<Shared>>,
    latest: OnDemand,
    /// By stream.
    examples: [OnDemand; Stream::ALL.len()],
    status: OnDemand,
    alive: OnDemand,
    ready: OnDemand,
    /// With what only admins see, and without.
    stats: [OnDemand; 2],
    /// As OpenMetrics, and as Prometheus's own format.
    metrics: [OnDemand; 2],
}

/// Who asks at an address that is listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Clients; the statistics and the metrics are elsewhere.
    Clients,
    /// Clients, and whoever wants to see the statistics.
    ClientsAndInsiders,
    /// Insiders alone, who hear nothing here.
    Insiders,
}

/// What the configuration says of the paths.
#[derive(Debug, Clone)]
pub struct Paths {
    streams: Vec<Stream>,
    stats: String,
}

impl Paths {
    /// As `config` has them.
    pub fn of(config: &Config) -> Self {
        Paths { streams: config.streams.clone(), stats: config.stats_path.clone() }
    }
}

/// The paths of the streams.
const STREAMS: [(&str, Stream); 3] =
    [("/full-stream", Stream::Full), ("/lite-stream", Stream::Lite), ("/domains-only", Stream::Domains)];

/// Adds the routes that are for `audience`.
pub fn configure(app: &mut web::ServiceConfig, audience: Audience, paths: &Paths) {
    app.service(json_resource("/health", web::get().to(health::alive), web::head().to(health::alive)))
        .service(json_resource("/health/ready", web::get().to(health::ready), web::head().to(health::ready)));
    if audience != Audience::Clients {
        let stats = json_resource(&paths.stats, web::get().to(stats::stats), web::head().to(stats::stats));
        let metrics = web::resource("/metrics").route(web::get().to(metrics::metrics));
        app.service(stats.wrap(from_fn(visitors::insiders_if_so_configured)))
            .service(metrics.wrap(from_fn(visitors::insiders_if_so_configured)));
    }
    if audience != Audience::Insiders {
        configure_for_clients(app, &paths.streams);
    }
    app.default_service(web::to(not_found));
}

/// The streams that are offered, and what there is to see of them.
fn configure_for_clients(app: &mut web::ServiceConfig, streams: &[Stream]) {
    app.service(
        web::resource("/")
            .route(web::get().to(front_page::stream_or_page))
            .route(web::head().to(front_page::stream_or_page)),
    )
    .service(json_resource("/latest.json", web::get().to(json::latest), web::head().to(json::latest)))
    .service(json_resource("/status.json", web::get().to(status::status), web::head().to(status::status)))
    .service(web::resource(with_slash("/sse")).route(web::get().to(streams::events)))
    .service(example("/example.json", streams.first().copied().unwrap_or(Stream::Full)));
    if streams.contains(&Stream::Full) {
        app.service(web::resource(with_slash("/develop")).route(web::get().to(streams::develop)));
    }
    for (path, stream) in STREAMS.into_iter().filter(|(_, stream)| streams.contains(stream)) {
        let open = move |req, state| streams::open(stream, req, state);
        app.service(web::resource(with_slash(path)).route(web::get().to(open)))
            .service(example(&format!("{path}/example.json"), stream));
    }
}

/// A stream's path, which some clients end with a slash. Other routes have one spelling, the one that a proxy's rules
/// name: the router would also take one with percent-encoded letters, which [`admit`] does not let through.
fn with_slash(path: &str) -> [String; 2] {
    [path.to_string(), format!("{path}/")]
}

fn example(path: &str, stream: Stream) -> Resource {
    let handler = move |req, state| json::example(stream, req, state);
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

fn json_answer((status, body): Answer) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body)
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("404: Not Found")
}
