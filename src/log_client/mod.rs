//! Fetches from logs. Each request has one result or one error. The caller decides when to send a request and
//! how to handle an error.
//!
//! [`LogClient`] is the interface for both protocols: the newest head, the entries of a range, and proofs
//! that a tree is a prefix of the tree of a head. HTTP proxies are handled here as well.

mod answer;
mod client;
mod error;
mod hash_tiles;
pub(crate) mod http;
pub(crate) mod issuers;
pub(crate) mod limits;
pub(crate) mod memory;
mod proxy;
mod reach;
mod request;
pub(crate) mod rfc6962;
mod single_entry;
pub(crate) mod static_ct;
pub(crate) mod tiles;
mod traffic;

pub use answer::{DecodeFailure, FetchedEntry, ProofFailure, Proven};
pub use client::LogClient;
pub use error::FetchError;
pub use http::tls_connector;
pub use issuers::Issuers;
pub use limits::{OperatorLimits, Operators, requests_beside};
pub use memory::AnswerMemory;
pub use proxy::{BadProxy, Proxies};
pub use reach::{NotPublic, Reach, is_internal_url};
pub use request::{FetchSettings, Range};
pub use rfc6962::Rfc6962Client;
pub use single_entry::single_entry;
pub use static_ct::{StaticCtClient, StaticCtLog};
pub use traffic::{Outcome, Traffic};
