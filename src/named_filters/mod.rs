//! Filters that have a name: those of the configuration, whose lists can be exchanged while clients use them, and those
//! that clients have put, because they are too long for a URL.
//!
//! - `named` is a filter with its name, and what it has been used for;
//! - `configured` has those of the configuration;
//! - `kept` has those of clients: which are kept for how long, and where.

mod configured;
mod kept;
mod named;

pub(crate) use configured::ConfiguredFilters;
#[cfg(test)]
pub(crate) use kept::MAX_KEPT;
pub(crate) use kept::{Found, Kept, KeptFilters, NoRoom, PREFIX};
pub(crate) use named::NamedFilter;

/// All filters that have a name.
#[derive(Debug)]
pub(crate) struct NamedFilters {
    /// Those of the configuration.
    pub(crate) configured: ConfiguredFilters,
    /// Those of clients.
    pub(crate) kept: KeptFilters,
}
