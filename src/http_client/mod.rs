//! HTTP requests to logs, to the servers of log lists and to webhooks: TLS, proxies, allowed addresses, and responses that are
//! limited in size and time. And connections for other protocols, with the same TLS and proxies.
//!
//! The client uses HTTP/1.1 only. HTTP/2 has no advantage here: only a few requests to a log run at the same time,
//! each response is large, and the log's own limits determine the speed. HTTP/2 would add a state machine that a
//! hostile log controls, and connections that are still read after a request on them was cancelled. In HTTP/1.1,
//! cancelling a request closes its socket.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub(crate) mod client;
mod error;
mod proxy;
mod reach;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod validators;

pub(crate) use client::{
    BodyBudget, HttpClient, HttpPost, HttpRequest, HttpResponse, HttpSettings, RefusedRequest, retry_after,
};
pub(crate) use error::HttpError;
pub(crate) use proxy::{BadProxy, Proxies};
#[cfg(test)]
pub(crate) use reach::NotPublic;
pub(crate) use reach::{Reach, is_internal_url};
pub(crate) use socket::{ConnectProblem, Socket, connect};
pub(crate) use tls::TlsClient;
#[cfg(test)]
pub(crate) use tls::{ALPN, tls_builder};
pub(crate) use validators::Validators;
