//! What filters want, by the examples of the wire format and by comparison with the definition.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement;
mod contract;
mod errors;
mod explanation;
mod hostile;
mod index;
mod json;
mod lookalikes;
mod normal_form;

use super::{Facts, Filter, FilterError, FilterId, FilterIndex, Limits, Scratch, SourceFacts};
use crate::ct::source::{Protocol, Source};
use std::sync::Arc;

/// The id of [`log`], in base64.
const LOG_ID: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

fn log() -> SourceFacts {
    let url = "https://ct.example.com/logs/2026/";
    SourceFacts::new(&Source::new(url, "Example 'One' log", "Let's Log", Some([0xFB; 32]), Protocol::Rfc6962))
}

fn parse(query: &str) -> Result<Filter, FilterError> {
    Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default())
}

fn filter(query: &str) -> Filter {
    parse(query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Whether the filter wants the entry, on which its definition and a matcher have to agree.
fn wants(filter: &Filter, facts: &Facts<'_>) -> bool {
    let index = FilterIndex::build([(FilterId(7), Arc::new(filter.clone()))].into_iter()).unwrap();
    let mut scratch = Scratch::default();
    let found = index.matchers().matches(facts, &mut scratch) == [FilterId(7)];
    assert_eq!(found, filter.matches(facts), "{filter:?}");
    found
}

/// Whether the filter wants a precert of Let's Encrypt with these names.
fn wants_names(query: &str, names: &[&str]) -> bool {
    let log = log();
    wants(&filter(query), &Facts::given(&log, names, &["Let's Encrypt", "R12"], Some("precert")))
}
