//! Fetches from logs. Each request has one result or one error. The caller decides when to send a request and
//! how to handle an error.
//!
//! [`LogClient`] is the interface for both protocols: the newest head, the entries of a range, and proofs
//! that a tree is a prefix of the tree of a head.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod answer;
mod chain_issuers;
mod client;
mod error;
mod hash_tiles;
pub(crate) mod http;
pub(crate) mod issuers;
pub(crate) mod limits;
pub(crate) mod memory;
mod pace;
mod request;
pub(crate) mod rfc6962;
mod single_entry;
pub(crate) mod static_ct;
pub(crate) mod tiles;
mod traffic;

pub(crate) use answer::{
    DecodeFailure, EntryTexts, FetchedEntry, MAX_UNDECODABLE_TEXT, ProofFailure, Proven,
};
pub(crate) use client::LogClient;
pub(crate) use error::FetchError;
pub(crate) use issuers::Issuers;
pub(crate) use limits::{OperatorFigures, OperatorLimits, Operators, requests_beside};
pub(crate) use memory::{AnswerMemory, Part as MemoryPart};
pub(crate) use request::{FetchSettings, Range};
pub(crate) use rfc6962::Rfc6962Client;
pub(crate) use single_entry::single_entry;
pub(crate) use static_ct::{StaticCtClient, StaticCtLog};
pub(crate) use traffic::Traffic;
