//! The memory of the filters of all clients. A filter that a client has put is there once, however many feeds it is for.
//! Those of the configuration are not counted: clients cannot make more of them.

use crate::filter::{Filter, FilterId};
use crate::named_filters::NamedFilter;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The memory of filters, in bytes; an estimate.
#[derive(Debug, Default)]
pub(super) struct FilterMemory {
    bytes: usize,
    /// The number of feeds of each filter that a client has put.
    feeds: HashMap<FilterId, usize>,
}

impl FilterMemory {
    /// The memory of all.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much there would be more with another feed of these filters.
    pub(super) fn of_another(&self, own: &Filter, named: &[Arc<NamedFilter>]) -> usize {
        let new = kept(named).filter(|named| !self.feeds.contains_key(&named.id));
        own.memory() + new.map(|named| named.filter().memory()).sum::<usize>()
    }

    /// Adds a feed of these filters.
    pub(super) fn add(&mut self, own: &Filter, named: &[Arc<NamedFilter>]) {
        self.bytes += self.of_another(own, named);
        for named in kept(named) {
            *self.feeds.entry(named.id).or_default() += 1;
        }
    }

    /// Removes a feed of these filters.
    pub(super) fn remove(&mut self, own: &Filter, named: &[Arc<NamedFilter>]) {
        for named in kept(named) {
            if let Entry::Occupied(mut feeds) = self.feeds.entry(named.id) {
                *feeds.get_mut() -= 1;
                if *feeds.get() == 0 {
                    feeds.remove();
                }
            }
        }
        self.bytes -= self.of_another(own, named);
    }
}

fn kept(named: &[Arc<NamedFilter>]) -> impl Iterator<Item = &Arc<NamedFilter>> {
    named.iter().filter(|named| named.is_kept)
}
