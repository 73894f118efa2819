//! The clients of each feed, and what their filters want.

use super::Client;
use crate::actors::reader::Feed;
use crate::filter::{Facts, FilterId, FilterIndex, Matchers, Merge, Merged, Scratch, SourceFacts, TooLarge};
use crate::message::{EntryBatch, Frames, Selection};
use std::collections::HashMap;
use std::sync::Arc;

/// All clients of one feed.
#[derive(Debug)]
pub(super) struct Audience {
    pub(super) feed: Arc<Feed>,
    /// By their ids.
    clients: HashMap<u64, Arc<Client>>,
}

impl Audience {
    /// Number of clients.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Wakes all clients, because the tail has grown.
    pub(super) fn wake(&self) {
        self.clients.values().for_each(|client| client.reader.wake());
    }
}

/// The clients of all feeds.
#[derive(Default)]
pub(super) struct Audiences {
    by_feed: HashMap<FilterId, Audience>,
    /// The feeds without a filter.
    unfiltered: Vec<Arc<Feed>>,
    /// The filters of all others.
    filters: FilterIndex,
    /// What `filters` has now; `None` until it is needed.
    matchers: Option<Matchers>,
    scratch: Scratch,
}

impl Audiences {
    /// Adds a client of `feed`. Returns whether it is the first one.
    ///
    /// # Errors
    /// If its filter makes all filters larger than memory can be. It is not added then.
    pub(super) fn join(&mut self, feed: &Arc<Feed>, client: Arc<Client>) -> Result<bool, TooLarge> {
        if let Some(audience) = self.by_feed.get_mut(&feed.id) {
            audience.clients.insert(client.id, client);
            return Ok(false);
        }
        if feed.is_filtered() {
            self.filters.add(feed.id, feed.asked.filter.clone())?;
            self.matchers = None;
        } else {
            self.unfiltered.push(feed.clone());
        }
        let clients = HashMap::from([(client.id, client)]);
        self.by_feed.insert(feed.id, Audience { feed: feed.clone(), clients });
        Ok(true)
    }

    /// Removes a client of `feed`. Returns whether it was the last one.
    pub(super) fn leave(&mut self, feed: &Feed, client: u64) -> bool {
        let Some(audience) = self.by_feed.get_mut(&feed.id) else { return false };
        audience.clients.remove(&client);
        if !audience.clients.is_empty() {
            return false;
        }
        self.by_feed.remove(&feed.id);
        if feed.is_filtered() {
            self.filters.remove(feed.id);
            self.matchers = None;
        } else {
            self.unfiltered.retain(|other| other.id != feed.id);
        }
        true
    }

    /// The clients of the feed with this id, if there are any.
    pub(super) fn get(&self, feed: FilterId) -> Option<&Audience> {
        self.by_feed.get(&feed)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Audience> {
        self.by_feed.values()
    }

    /// The messages that each feed gets of `batch`, whose entries are of one log and have their numbers.
    pub(super) fn messages(&mut self, batch: &EntryBatch) -> Vec<(Arc<Feed>, Arc<Frames>)> {
        let all = self.unfiltered.iter().map(|feed| (feed.clone(), feed.messages_of(batch)));
        let mut messages: Vec<_> = all.collect();
        messages.extend(self.filtered(batch));
        messages.retain(|(_, frames)| !frames.is_empty());
        messages
    }

    fn filtered(&mut self, batch: &EntryBatch) -> Vec<(Arc<Feed>, Arc<Frames>)> {
        let matchers = self.matchers.get_or_insert_with(|| self.filters.matchers());
        let Some(first) = batch.entries().first().filter(|_| !matchers.is_empty()) else { return Vec::new() };
        let source = SourceFacts::new(&first.source);
        let (mut wanted, mut selection) = (HashMap::new(), Selection::of(batch));
        for (place, entry) in batch.entries().iter().enumerate() {
            let facts = Facts::new(&source, &entry.content);
            for id in matchers.matches(&facts, &mut self.scratch) {
                let Some(Audience { feed, .. }) = self.by_feed.get(id) else { continue };
                let of_feed = wanted.entry(*id).or_insert_with(|| (feed.clone(), feed.nothing()));
                feed.want(place, &facts, &mut of_feed.1, &mut selection);
            }
        }
        let messages = wanted.into_values().map(|(feed, wanted)| {
            let messages = feed.messages(&wanted, &mut selection);
            (feed, messages)
        });
        messages.collect()
    }

    /// Filters that should be merged now, on another thread; see [`FilterIndex::begin_merge`].
    pub(super) fn begin_merge(&mut self) -> Option<Merge> {
        self.filters.begin_merge()
    }

    /// Uses the merged filters. Without a result, those before stay in use.
    pub(super) fn end_merge(&mut self, merged: Option<Merged>) {
        match merged {
            Some(merged) => self.filters.finish_merge(merged),
            None => self.filters.abandon_merge(),
        }
        self.matchers = None;
    }

    /// Number of feeds that have a filter.
    pub(super) fn filters(&self) -> usize {
        self.by_feed.len() - self.unfiltered.len()
    }
}
