//! Lasting defects of the log, for tests. Unlike [`Fault`](super::Fault)s, they depend on what is requested.

use super::answer::DemoResponse;
use super::faults::Fault;
use crate::rate::{Rate, TokenBucket};
use actix_web::http::StatusCode;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant;

/// The defects of a log; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    /// A page or a data tile with one of these indexes is answered with status 500.
    pub unreadable: BTreeSet<u64>,
    /// A request for a page of more entries than this is refused with status 400.
    pub max_requested: Option<u64>,
    /// A page of more bytes than this is refused with status 403.
    pub max_page_bytes: Option<usize>,
    /// get-sth-consistency to tree sizes that are a multiple of this is refused with status 400.
    pub no_proof_to_multiples_of: Option<u64>,
    /// No issuer is served: status 404.
    pub no_issuers: bool,
    /// More requests per second than this are refused with status 429, without Retry-After. The requests of one second
    /// may come at once.
    pub max_per_second: Option<u32>,
    /// Each page or data tile whose number is a multiple of this breaks off after half of its body.
    pub cut_each: Option<u64>,
}

impl Defects {
    /// The limit on requests per second, unused so far.
    pub(super) fn rate_limit(&self, now: Instant) -> Option<TokenBucket> {
        let per_second = self.max_per_second?;
        Some(TokenBucket::new(Rate { per_second, burst: per_second }, now))
    }

    /// Why the entries of `range` are not served.
    pub(super) fn refuse_entries(&self, range: Range<u64>) -> Option<DemoResponse> {
        let index = self.unreadable.range(range).next()?;
        Some(refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("entry {index} cannot be read")))
    }

    /// Why a page of `count` entries is not served.
    pub(super) fn refuse_count(&self, count: u64) -> Option<DemoResponse> {
        self.max_requested.filter(|most| count > *most)?;
        Some(refusal(StatusCode::BAD_REQUEST, "too many entries requested"))
    }

    /// Why a page of `bytes` bytes is not served.
    pub(super) fn refuse_bytes(&self, bytes: usize) -> Option<DemoResponse> {
        self.max_page_bytes.filter(|most| bytes > *most)?;
        Some(refusal(StatusCode::FORBIDDEN, "the page is too large"))
    }

    /// Why a consistency proof to `second` is not served.
    pub(super) fn refuse_proof(&self, second: u64) -> Option<DemoResponse> {
        self.no_proof_to_multiples_of.filter(|number| second.is_multiple_of((*number).max(1)))?;
        Some(refusal(StatusCode::BAD_REQUEST, "no proof to this tree size"))
    }

    /// The response to the request for entries with this number, as it is sent.
    pub(super) fn sent(&self, response: DemoResponse, number: u64) -> DemoResponse {
        if self.cuts(number) { response.distorted(&Fault::Cut) } else { response }
    }

    /// Whether the response to the request for entries with this number breaks off.
    pub(super) fn cuts(&self, number: u64) -> bool {
        self.cut_each.is_some_and(|each| number.is_multiple_of(each.max(1)))
    }

    /// Why no issuer is served.
    pub(super) fn refuse_issuer(&self) -> Option<DemoResponse> {
        self.no_issuers.then(|| DemoResponse::not_found("no issuers"))
    }
}

fn refusal(status: StatusCode, message: &str) -> DemoResponse {
    DemoResponse::error(status, message)
}
