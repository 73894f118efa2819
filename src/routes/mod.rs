//! The HTTP routes.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the root stream, or the front page |
//! | `/full-stream`, `/lite-stream`, `/domains-only` | that stream, if it is offered |
//! | `/sse`, `/ndjson` | one of the streams as Server-Sent Events, or as lines of JSON |
//! | `/develop` | the newest full messages, followed by a close frame |
//! | `/latest.json`, `/example.json`, `/<stream path>/example.json` | the newest messages as JSON |
//! | `/filters` | keeps a filter that is too long for a URL |
//! | `/health`, `/health/ready` | whether the server is alive, and whether it delivers |
//! | `/status.json` | logs, numbers of clients, and what the journal has, for the front page |
//! | `/metrics` | the state of the logs and clients, for Prometheus |
//! | the statistics path | connected clients and watched logs |

mod answers;
mod body;
#[cfg(feature = "cluster")]
mod cluster;
mod costly;
mod filters;
mod front_page;
mod handshake;
mod health;
mod invalid;
mod json;
mod metrics;
mod on_demand;
mod query;
mod state;
mod stats;
mod status;
mod streams;
mod visitors;

#[cfg(test)]
pub(crate) use body::{MAX_BODIES, MAX_BODY};
#[cfg(feature = "cluster")]
pub(crate) use cluster::{ClusterFigures, ClusterView, IngesterFigures};
#[cfg(test)]
pub(crate) use costly::WORK;
pub(crate) use front_page::FrontPage;
#[cfg(test)]
pub(crate) use on_demand::MAKING;
pub(crate) use state::Answers;
pub(crate) use state::{AppState, Audience, Paths, RestartGrace};
#[cfg(feature = "cluster")]
pub(crate) use status::describe as describe_log;
pub(crate) use visitors::admit;

use crate::config::paths::{self, with_slash};
use crate::message::Stream;
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Resource, web};
use answers::{not_found, only_post};

/// Adds the routes for `audience`.
pub(crate) fn configure(app: &mut web::ServiceConfig, audience: Audience, settings: &Paths) {
    app.service(json_resource(paths::HEALTH, web::get().to(health::alive), web::head().to(health::alive)))
        .service(json_resource(paths::READY, web::get().to(health::ready), web::head().to(health::ready)));
    if audience != Audience::Clients {
        let stats = json_resource(&settings.stats, web::get().to(stats::stats), web::head().to(stats::stats));
        let metrics = web::resource(paths::METRICS).route(web::get().to(metrics::metrics));
        app.service(stats.wrap(from_fn(visitors::admins_if_so_configured)))
            .service(metrics.wrap(from_fn(visitors::admins_if_so_configured)));
    }
    if audience != Audience::Admins {
        configure_for_clients(app, &settings.streams);
    }
    app.default_service(web::to(not_found));
}

/// Adds the offered streams and the routes that describe them.
fn configure_for_clients(app: &mut web::ServiceConfig, streams: &[Stream]) {
    app.service(
        web::resource(paths::ROOT)
            .route(web::get().to(streams::stream_or_page))
            .route(web::head().to(streams::stream_or_page)),
    )
    .service(
        web::resource(with_slash(paths::FILTERS))
            .route(web::post().to(filters::put))
            .route(web::method(Method::OPTIONS).to(preflight_of_post))
            .default_service(web::to(only_post)),
    )
    .service(json_resource(paths::LATEST, web::get().to(json::latest), web::head().to(json::latest)))
    .service(json_resource(paths::STATUS, web::get().to(status::status), web::head().to(status::status)))
    .service(web::resource(with_slash(paths::EVENTS)).route(web::get().to(streams::events)))
    .service(web::resource(with_slash(paths::LINES)).route(web::get().to(streams::lines)))
    .service(example(paths::EXAMPLE, streams.first().copied().unwrap_or(Stream::Full)));
    if streams.contains(&Stream::Full) {
        app.service(web::resource(with_slash(paths::DEVELOP)).route(web::get().to(streams::develop)));
    }
    for stream in streams.iter().copied() {
        let open = move |req, state| streams::open(stream, req, state);
        app.service(web::resource(with_slash(paths::of_stream(stream))).route(web::get().to(open)))
            .service(example(&paths::of_example(stream), stream));
    }
}

fn example(path: &str, stream: Stream) -> Resource {
    let handler = move |req, state| json::example(stream, req, state);
    json_resource(path, web::get().to(handler), web::head().to(handler))
}

/// A route that pages of any origin may read.
fn json_resource(path: &str, get: actix_web::Route, head: actix_web::Route) -> Resource {
    web::resource(path).route(get).route(head).route(web::method(Method::OPTIONS).to(preflight))
}

async fn preflight() -> HttpResponse {
    preflight_of("GET, HEAD, OPTIONS")
}

async fn preflight_of_post() -> HttpResponse {
    preflight_of("POST, OPTIONS")
}

fn preflight_of(methods: &'static str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}
