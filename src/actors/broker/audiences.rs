//! The clients of each feed, and what their filters want.

use super::Client;
use crate::actors::reader::{Feed, FilteredFeeds};
use crate::filter::FilterId;
use crate::message::{EntryBatch, Frames};
use crate::unique::Uniques;
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

    /// Closes all clients.
    pub(super) fn close(&self, code: u16, reason: &str) {
        self.clients.values().for_each(|client| client.reader.close(code, reason));
    }

    /// Wakes all clients, because the tail has grown.
    pub(super) fn wake(&self) {
        self.clients.values().for_each(|client| client.reader.wake());
    }
}

/// The clients of all feeds.
pub(super) struct Audiences {
    by_feed: HashMap<FilterId, Audience>,
    /// The feeds without a filter.
    unfiltered: Vec<Arc<Feed>>,
    /// All others.
    pub(super) filtered: FilteredFeeds,
}

impl Audiences {
    /// No clients yet. `uniques` is what was seen.
    pub(super) fn new(uniques: Arc<Uniques>) -> Self {
        let filtered = FilteredFeeds::new(uniques);
        Audiences { by_feed: HashMap::new(), unfiltered: Vec::new(), filtered }
    }

    /// Adds a client of `feed`. Returns whether it is the first one.
    pub(super) fn join(&mut self, feed: &Arc<Feed>, client: Arc<Client>) -> bool {
        if let Some(audience) = self.by_feed.get_mut(&feed.id) {
            audience.clients.insert(client.id, client);
            return false;
        }
        if feed.is_filtered() {
            self.filtered.add(feed);
        } else {
            self.unfiltered.push(feed.clone());
        }
        let clients = HashMap::from([(client.id, client)]);
        self.by_feed.insert(feed.id, Audience { feed: feed.clone(), clients });
        true
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
            self.filtered.remove(feed.id);
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

    /// Returns memory that is no longer needed.
    pub(super) fn shrink_to_fit(&mut self) {
        self.by_feed.shrink_to_fit();
        self.filtered.shrink_to_fit();
    }

    /// The messages that each feed gets of `batch`, whose entries are of one log and have their numbers.
    pub(super) fn messages(&mut self, batch: &EntryBatch) -> Vec<(Arc<Feed>, Arc<Frames>)> {
        let all = self.unfiltered.iter().map(|feed| {
            let frames = batch.on_wire(feed.asked.stream, feed.asked.wire);
            (feed.clone(), frames)
        });
        let mut messages: Vec<_> = all.collect();
        messages.extend(self.filtered.messages(batch, |_| true));
        messages.retain(|(_, frames)| !frames.is_empty());
        messages
    }
}
