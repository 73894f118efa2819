//! What clients subscribe to. Clients that ask for the same share a feed: its messages are chosen, built and compressed once
//! for all of them.

use super::tail::Tail;
use crate::filter::{Facts, Filter, FilterId, FilterIndex, Matchers, Scratch, SourceFacts, TooLarge};
use crate::message::{CertEntry, Demand, Stream, Wire};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// The messages of a stream that a filter wants, in the format of a wire.
pub(crate) struct Feed {
    /// Unique within this run.
    pub(crate) id: FilterId,
    /// The stream.
    pub(crate) stream: Stream,
    /// The wire format.
    pub(crate) wire: Wire,
    /// An empty filter wants every message.
    pub(crate) filter: Arc<Filter>,
    /// The newest messages.
    pub(crate) tail: Tail,
    /// The filter, prepared for entries of the journal.
    alone: OnceLock<Result<Matchers, TooLarge>>,
    /// Those that it is one of.
    feeds: Feeds,
}

impl Feed {
    /// Whether it leaves out messages of its stream.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Counts a client in `demand`.
    pub(crate) fn add_to(&self, demand: &Demand) {
        demand.add(self.stream, self.wire, self.is_filtered());
    }

    /// Removes a client from `demand`.
    pub(crate) fn remove_from(&self, demand: &Demand) {
        demand.remove(self.stream, self.wire, self.is_filtered());
    }

    /// The places of the `entries` that the filter wants. They are of one log.
    pub(crate) fn wanted_of(&self, entries: &[CertEntry]) -> Vec<usize> {
        let Some(first) = entries.first() else { return Vec::new() };
        let (source, mut scratch) = (SourceFacts::new(&first.source), Scratch::default());
        let alone = self.alone.get_or_init(|| {
            FilterIndex::build([(self.id, self.filter.clone())].into_iter()).map(|index| index.matchers())
        });
        let mut is_wanted = |entry: &CertEntry| {
            let facts = Facts::new(&source, &entry.content);
            match alone {
                Ok(matchers) => !matchers.matches(&facts, &mut scratch).is_empty(),
                Err(TooLarge) => self.filter.matches(&facts),
            }
        };
        let places = entries.iter().enumerate().filter(|(_, entry)| is_wanted(entry));
        places.map(|(place, _)| place).collect()
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} on {:?} as {:?}", self.stream, self.wire, self.id)
    }
}

/// Whoever holds it last removes it from the feeds that there are.
impl Drop for Feed {
    fn drop(&mut self) {
        let mut known = self.feeds.0.lock();
        known.filter_bytes -= self.filter.memory();
        let asked = Asked { stream: self.stream, wire: self.wire, filter: self.filter.clone() };
        // Somebody may have asked for the same since.
        if known.feeds.get(&asked).is_some_and(|feed| feed.as_ptr() == std::ptr::from_ref(self)) {
            known.feeds.remove(&asked);
            if known.feeds.capacity() > 4 * known.feeds.len() + MANY {
                known.feeds.shrink_to_fit();
            }
        }
    }
}

/// Memory for so many feeds is not given back.
const MANY: usize = 1024;

/// The feeds that there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feeds(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    feeds: HashMap<Asked, Weak<Feed>>,
    /// Memory of the filters, in bytes.
    filter_bytes: usize,
}

/// What a feed is asked for by.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    stream: Stream,
    wire: Wire,
    filter: Arc<Filter>,
}

/// The filters of all clients take as much memory as they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyFilters;

impl Feeds {
    /// The feed for whoever asks for this. It exists as long as somebody holds it.
    ///
    /// # Errors
    /// If it does not exist yet and the filters of all feeds would take more than `limit` bytes.
    pub(crate) fn of(
        &self,
        stream: Stream,
        wire: Wire,
        filter: Filter,
        limit: usize,
    ) -> Result<Arc<Feed>, TooManyFilters> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let asked = Asked { stream, wire, filter: Arc::new(filter) };
        let mut known = self.0.lock();
        if let Some(feed) = known.feeds.get(&asked).and_then(Weak::upgrade) {
            return Ok(feed);
        }
        let filter = asked.filter.clone();
        let filter_bytes = known.filter_bytes + filter.memory();
        if !filter.is_empty() && filter_bytes > limit {
            return Err(TooManyFilters);
        }
        known.filter_bytes = filter_bytes;
        let id = FilterId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let (tail, alone, feeds) = (Tail::default(), OnceLock::new(), self.clone());
        let feed = Arc::new(Feed { id, stream, wire, filter, tail, alone, feeds });
        known.feeds.insert(asked, Arc::downgrade(&feed));
        Ok(feed)
    }

    /// Memory of all filters, in bytes; an estimate.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.0.lock().filter_bytes
    }
}
