//! A filter with a name.

use crate::filter::{Filter, FilterId};
use arc_swap::ArcSwap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A filter with a name. Its values can be exchanged while clients use it, so it is only equal to itself.
#[derive(Debug)]
pub(crate) struct NamedFilter {
    /// Unique among all filters of this run.
    pub(crate) id: FilterId,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Whether it was put by a client, and counts as the memory of one. It is never exchanged then.
    pub(crate) is_kept: bool,
    filter: ArcSwap<Filter>,
    clients: AtomicUsize,
    messages: AtomicU64,
}

impl NamedFilter {
    /// A filter of the configuration.
    pub(crate) fn configured(name: &str, filter: Arc<Filter>) -> Arc<Self> {
        Self::new(name, filter, false)
    }

    /// A filter that a client has put.
    pub(super) fn kept(name: &str, filter: Filter) -> Arc<Self> {
        Self::new(name, Arc::new(filter), true)
    }

    fn new(name: &str, filter: Arc<Filter>, is_kept: bool) -> Arc<Self> {
        Arc::new(NamedFilter {
            id: FilterId::unused(),
            name: name.into(),
            is_kept,
            filter: ArcSwap::new(filter),
            clients: AtomicUsize::new(0),
            messages: AtomicU64::new(0),
        })
    }

    /// What it wants now.
    pub(crate) fn filter(&self) -> Arc<Filter> {
        self.filter.load_full()
    }

    /// Exchanges what it wants. Returns whether that is something else than before.
    pub(super) fn exchange(&self, filter: Arc<Filter>) -> bool {
        let is_new = *self.filter() != *filter;
        if is_new {
            self.filter.store(filter);
        }
        is_new
    }

    /// Counts a client that uses it.
    pub(crate) fn add_client(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a client from the count.
    pub(crate) fn remove_client(&self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// Number of clients that use it.
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Counts messages that its clients got.
    pub(crate) fn sent(&self, messages: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
    }

    /// Number of messages that its clients got.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

impl PartialEq for NamedFilter {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for NamedFilter {}

impl Hash for NamedFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}
