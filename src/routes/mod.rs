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
//! | `/openapi.json`, `/asyncapi.json`, `/schemas/<name>` | what is sent and received, for machines |
//! | `/metrics` | the state of the logs and clients, for Prometheus |
//! | the statistics path | connected clients and watched logs |

mod answers;
mod body;
#[cfg(feature = "cluster")]
mod cluster;
mod contracts;
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
mod register;
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

use crate::config::paths;
use crate::message::Stream;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web;
use answers::{not_found, only_post};
use register::{Register, json_route, preflight_of_post};

/// Adds the routes for `audience`.
pub(crate) fn configure(app: &mut web::ServiceConfig, audience: Audience, settings: &Paths) {
    register(Register::new(app), audience, settings);
}

/// Adds the routes for `audience`. Returns their paths.
fn register(mut routes: Register<'_>, audience: Audience, settings: &Paths) -> Vec<String> {
    routes.at(paths::HEALTH, json_route(health::alive));
    routes.at(paths::READY, json_route(health::ready));
    if audience != Audience::Clients {
        let stats = json_route(stats::stats);
        routes.at(&settings.stats, |at| stats(at).wrap(from_fn(visitors::admins_if_so_configured)));
        routes.at(paths::METRICS, |at| {
            at.route(web::get().to(metrics::metrics)).wrap(from_fn(visitors::admins_if_so_configured))
        });
    }
    if audience != Audience::Admins {
        register_for_clients(&mut routes, &settings.streams);
    }
    routes.otherwise(not_found)
}

/// Adds the offered streams and the routes that describe them.
fn register_for_clients(routes: &mut Register<'_>, streams: &[Stream]) {
    routes.at(paths::ROOT, |at| {
        at.route(web::get().to(streams::stream_or_page)).route(web::head().to(streams::stream_or_page))
    });
    routes.at_either(paths::FILTERS, |at| {
        at.route(web::post().to(filters::put))
            .route(web::method(Method::OPTIONS).to(preflight_of_post))
            .default_service(web::to(only_post))
    });
    routes.at(paths::LATEST, json_route(json::latest));
    routes.at(paths::STATUS, json_route(status::status));
    routes.at_either(paths::EVENTS, |at| at.route(web::get().to(streams::events)));
    routes.at_either(paths::LINES, |at| at.route(web::get().to(streams::lines)));
    example(routes, paths::EXAMPLE, streams.first().copied().unwrap_or(Stream::Full));
    if streams.contains(&Stream::Full) {
        routes.at_either(paths::DEVELOP, |at| at.route(web::get().to(streams::develop)));
    }
    for stream in streams.iter().copied() {
        let open = move |req, state| streams::open(stream, req, state);
        routes.at_either(paths::of_stream(stream), |at| at.route(web::get().to(open)));
        example(routes, &paths::of_example(stream), stream);
    }
    routes.at(paths::OPEN_API, json_route(contracts::open_api));
    routes.at(paths::ASYNC_API, json_route(contracts::async_api));
    let schemas = format!("{}{{name}}", paths::SCHEMAS);
    routes.at(&schemas, json_route(contracts::schema));
}

fn example(routes: &mut Register<'_>, path: &str, stream: Stream) {
    let handler = move |req, state| json::example(stream, req, state);
    routes.at(path, json_route(handler));
}
