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
pub(crate) use kept::{Found, Kept, KeptFilters, NoRoom, PREFIX, is_name as is_kept_name};
pub(crate) use named::NamedFilter;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Filters that clients have put at any server of a cluster.
pub(crate) trait SharedFilters: Debug + Send + Sync {
    /// Keeps the filter `name`, which is `text` as JSON, for the other servers.
    fn put(&self, name: &str, text: Vec<u8>) -> BoxFuture<'_, io::Result<()>>;

    /// The filter `name` as JSON. `None` if no server has it.
    fn get(&self, name: &str) -> BoxFuture<'_, io::Result<Option<Bytes>>>;
}

/// All filters that have a name.
#[derive(Debug)]
pub(crate) struct NamedFilters {
    /// Those of the configuration.
    pub(crate) configured: ConfiguredFilters,
    /// Those of clients.
    pub(crate) kept: KeptFilters,
    /// Those of clients of all servers. `None`: this is the only server.
    pub(crate) shared: Option<Arc<dyn SharedFilters>>,
}
