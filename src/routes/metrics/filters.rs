//! The metrics of the named filters of the configuration.

use super::families::{Families, Labels};
use crate::routes::AppState;
use std::fmt::Error;

/// The metrics of one filter at one moment.
#[derive(Debug)]
pub(super) struct FilterFigures {
    name: String,
    clients: usize,
    messages: u64,
    values: usize,
    bytes: usize,
}

pub(super) fn read(state: &AppState) -> Vec<FilterFigures> {
    let filters = state.filters.configured.all().into_iter().map(|filter| FilterFigures {
        name: filter.name.to_string(),
        clients: filter.clients(),
        messages: filter.messages(),
        values: filter.filter().values(),
        bytes: filter.filter().memory(),
    });
    filters.collect()
}

pub(super) fn write(filters: &[FilterFigures], families: &mut Families) -> Result<(), Error> {
    let of = |filter: &FilterFigures| -> Labels { vec![("filter", filter.name.clone())] };
    families.gauge(
        "certstream_filter_clients",
        "Clients that use the filter",
        filters.iter().map(|filter| (of(filter), filter.clients as f64)),
    )?;
    families.counter(
        "certstream_filter_messages",
        "Messages written to the connections of clients that use the filter",
        filters.iter().map(|filter| (of(filter), filter.messages)),
    )?;
    families.gauge(
        "certstream_filter_values",
        "Values of the filter",
        filters.iter().map(|filter| (of(filter), filter.values as f64)),
    )?;
    families.gauge(
        "certstream_filter_memory_bytes",
        "Estimated memory of the filter",
        filters.iter().map(|filter| (of(filter), filter.bytes as f64)),
    )
}
