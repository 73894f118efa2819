//! What clients subscribe to. Clients that ask for the same share a feed: its messages are chosen, built and compressed once
//! for all of them.

use super::tail::Tail;
use crate::filter::{Facts, Filter, FilterId, FilterIndex, Matchers, Scratch, SourceFacts, TooLarge};
use crate::message::{Demand, EntryBatch, Frames, Selection, Stream, Wire};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// The messages of a stream that a filter wants, in the format of a wire.
pub(crate) struct Feed {
    /// Unique within this run.
    pub(crate) id: FilterId,
    /// What it is asked for by.
    pub(crate) asked: Asked,
    /// The newest messages.
    pub(crate) tail: Tail,
    /// The filter, prepared for entries of the journal.
    alone: OnceLock<Result<Matchers, TooLarge>>,
    /// Those that it is one of.
    feeds: Feeds,
}

/// The places of the entries of a batch that a feed wants, in order.
pub(crate) enum Wanted {
    /// Just these.
    Alone(Vec<usize>),
    /// Each with the member that says why.
    Explained(Vec<(usize, String)>),
}

impl Feed {
    /// Whether it leaves out messages of its stream.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.asked.filter.is_empty()
    }

    /// Counts a client in `demand`.
    pub(crate) fn add_to(&self, demand: &Demand) {
        demand.add(self.asked.stream, self.asked.wire, self.is_filtered());
    }

    /// Removes a client from `demand`.
    pub(crate) fn remove_from(&self, demand: &Demand) {
        demand.remove(self.asked.stream, self.asked.wire, self.is_filtered());
    }

    /// Notes that the entry at `place` of a batch is wanted.
    pub(crate) fn want(
        &self,
        place: usize,
        facts: &Facts<'_>,
        wanted: &mut Wanted,
        selection: &mut Selection<'_>,
    ) {
        selection.want(self.asked.stream, place);
        match wanted {
            Wanted::Alone(places) => places.push(place),
            Wanted::Explained(places) => {
                let reasons = self.asked.filter.explain(facts).unwrap_or_default();
                places.push((place, format!("\"matched\":{}", json!(reasons))));
            }
        }
    }

    /// What is wanted of a batch before any entry was found.
    pub(crate) fn nothing(&self) -> Wanted {
        if self.asked.explains { Wanted::Explained(Vec::new()) } else { Wanted::Alone(Vec::new()) }
    }

    /// The messages of what is wanted, all of which is in `selection`.
    pub(crate) fn messages(&self, wanted: &Wanted, selection: &mut Selection<'_>) -> Arc<Frames> {
        match wanted {
            Wanted::Alone(places) => selection.frames(self.asked.stream, self.asked.wire, places),
            Wanted::Explained(places) => selection.frames_with(self.asked.stream, self.asked.wire, places),
        }
    }

    /// The messages of `batch` that the filter wants. Its entries are of one log and have their numbers. If there is a filter,
    /// only the messages that it wants are written.
    pub(crate) fn messages_of(&self, batch: &EntryBatch) -> Arc<Frames> {
        let Some(first) = batch.entries().first().filter(|_| self.is_filtered()) else {
            return batch.on_wire(self.asked.stream, self.asked.wire);
        };
        let (source, mut scratch) = (SourceFacts::new(&first.source), Scratch::default());
        let alone = self.alone.get_or_init(|| {
            FilterIndex::build([(self.id, self.asked.filter.clone())].into_iter())
                .map(|index| index.matchers())
        });
        let (mut wanted, mut selection) = (self.nothing(), Selection::of(batch));
        for (place, entry) in batch.entries().iter().enumerate() {
            let facts = Facts::new(&source, &entry.content);
            let is_wanted = match alone {
                Ok(matchers) => !matchers.matches(&facts, &mut scratch).is_empty(),
                Err(TooLarge) => self.asked.filter.matches(&facts),
            };
            if is_wanted {
                self.want(place, &facts, &mut wanted, &mut selection);
            }
        }
        self.messages(&wanted, &mut selection)
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {:?}", self.id, self.asked)
    }
}

/// Whoever holds it last removes it from the feeds that there are.
impl Drop for Feed {
    fn drop(&mut self) {
        let mut known = self.feeds.0.lock();
        known.filter_bytes -= self.asked.filter.memory();
        // Somebody may have asked for the same since.
        if known.feeds.get(&self.asked).is_some_and(|feed| feed.as_ptr() == std::ptr::from_ref(self)) {
            known.feeds.remove(&self.asked);
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    /// The stream.
    pub(crate) stream: Stream,
    /// The wire format.
    pub(crate) wire: Wire,
    /// An empty filter wants every message.
    pub(crate) filter: Arc<Filter>,
    /// Whether each message says why the filter wants it.
    pub(crate) explains: bool,
}

/// The filters of all clients take as much memory as they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyFilters;

impl Feeds {
    /// The feed for whoever asks for this. It exists as long as somebody holds it.
    ///
    /// # Errors
    /// If it does not exist yet and the filters of all feeds would take more than `limit` bytes.
    pub(crate) fn of(&self, asked: Asked, limit: usize) -> Result<Arc<Feed>, TooManyFilters> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let mut known = self.0.lock();
        if let Some(feed) = known.feeds.get(&asked).and_then(Weak::upgrade) {
            return Ok(feed);
        }
        let filter_bytes = known.filter_bytes + asked.filter.memory();
        if !asked.filter.is_empty() && filter_bytes > limit {
            return Err(TooManyFilters);
        }
        known.filter_bytes = filter_bytes;
        let id = FilterId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let (tail, alone, feeds) = (Tail::default(), OnceLock::new(), self.clone());
        let feed = Arc::new(Feed { id, asked: asked.clone(), tail, alone, feeds });
        known.feeds.insert(asked, Arc::downgrade(&feed));
        Ok(feed)
    }

    /// Memory of all filters, in bytes; an estimate.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.0.lock().filter_bytes
    }
}
