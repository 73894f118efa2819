//! What clients subscribe to. Clients that ask for the same share a feed: its messages are chosen, built and compressed once
//! for all of them.

use super::tail::Tail;
use crate::filter::{Facts, Filter, FilterId};
use crate::message::{Demand, Frames, Selection, Stream, Wire};
use crate::unique::Kind;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The messages of a stream that a filter wants, in the format of a wire.
pub(crate) struct Feed {
    /// Unique within this run.
    pub(crate) id: FilterId,
    /// What it is asked for by.
    pub(crate) asked: Asked,
    /// The newest messages.
    pub(crate) tail: Tail,
    /// Those that it is one of.
    feeds: Feeds,
}

/// The places of the entries of a batch that a feed wants, in order.
pub(super) enum Wanted {
    /// Just these.
    Alone(Vec<usize>),
    /// Each with the member that says why.
    Explained(Vec<(usize, String)>),
}

impl Feed {
    /// Whether it leaves out messages of its stream.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.asked.filter.is_empty() || self.asked.sample > EVERY || self.asked.unique.is_some()
    }

    /// Counts a client in `demand`.
    pub(crate) fn add_to(&self, demand: &Demand) {
        demand.add(self.asked.stream, self.asked.wire, self.is_filtered());
    }

    /// Removes a client from `demand`.
    pub(crate) fn remove_from(&self, demand: &Demand) {
        demand.remove(self.asked.stream, self.asked.wire, self.is_filtered());
    }
}

impl Wanted {
    /// Nothing yet of what `feed` wants.
    pub(super) fn by(feed: &Feed) -> Self {
        if feed.asked.explains { Wanted::Explained(Vec::new()) } else { Wanted::Alone(Vec::new()) }
    }

    /// Adds the entry at `place`, which `feed` wants.
    pub(super) fn add(&mut self, feed: &Feed, place: usize, facts: &Facts<'_>) {
        match self {
            Wanted::Alone(places) => places.push(place),
            Wanted::Explained(places) => {
                let reasons = feed.asked.filter.explain(facts).unwrap_or_default();
                places.push((place, format!("\"matched\":{}", json!(reasons))));
            }
        }
    }

    /// The messages that `feed` gets. All places were wanted of `selection`.
    pub(super) fn messages(&self, feed: &Feed, selection: &mut Selection<'_>) -> Arc<Frames> {
        let Asked { stream, wire, .. } = feed.asked;
        match self {
            Wanted::Alone(places) => selection.frames(stream, wire, places),
            Wanted::Explained(places) => selection.frames_with(stream, wire, places),
        }
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
    /// Of the messages that the filter wants, those whose number is a multiple of it; at least 1.
    pub(crate) sample: u64,
    /// Of those, the first one of each of these.
    pub(crate) unique: Option<Kind>,
    /// Whether each message says why the filter wants it.
    pub(crate) explains: bool,
}

/// The value of [`Asked::sample`] that leaves out nothing.
pub(crate) const EVERY: u64 = 1;

impl Asked {
    /// Whether the entry with the number `seq` is in the sample.
    pub(super) fn samples(&self, seq: u64) -> bool {
        seq.is_multiple_of(self.sample)
    }

    /// What is asked for of the stream, as an object: the filter's lists, and the other parameters that leave out messages.
    pub(crate) fn understood(&self) -> Value {
        let mut understood = json!(*self.filter);
        if self.sample > EVERY {
            understood["sample"] = self.sample.into();
        }
        if let Some(kind) = self.unique {
            understood["unique"] = kind.unique().name().into();
        }
        understood
    }

    /// The same as a query string, cut off as [`Filter::to_query_within`] does.
    pub(crate) fn to_query_within(&self, bytes: usize) -> String {
        let filter = Some(self.filter.to_query_within(bytes)).filter(|query| !query.is_empty());
        let sample = (self.sample > EVERY).then(|| format!("sample={}", self.sample));
        let unique = self.unique.map(|kind| format!("unique={}", kind.unique().name()));
        filter.into_iter().chain(sample).chain(unique).collect::<Vec<_>>().join("&")
    }
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
        let (tail, feeds) = (Tail::default(), self.clone());
        let feed = Arc::new(Feed { id, asked: asked.clone(), tail, feeds });
        known.feeds.insert(asked, Arc::downgrade(&feed));
        Ok(feed)
    }

    /// Memory of all filters, in bytes; an estimate.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.0.lock().filter_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Limits;

    fn asked(query: &str) -> Asked {
        let filter = Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default());
        let (stream, wire, filter) = (Stream::Lite, Wire::Events, Arc::new(filter.expect("a filter")));
        Asked { stream, wire, filter, sample: EVERY, unique: None, explains: false }
    }

    #[test]
    fn those_who_ask_for_the_same_share_a_feed_as_long_as_one_of_them_is_there() {
        let feeds = Feeds::default();
        let of = |asked| feeds.of(asked, usize::MAX).expect("room");
        let first = of(asked("domain=a.example,b.example"));
        let same = of(asked("domain=B.example&domain=a.example"));
        assert!(Arc::ptr_eq(&first, &same));
        let others = [
            of(asked("domain=a.example")),
            of(asked("")),
            of(Asked { explains: true, ..asked("domain=a.example,b.example") }),
            of(Asked { sample: 2, ..asked("domain=a.example,b.example") }),
            of(Asked { stream: Stream::Full, ..asked("domain=a.example,b.example") }),
            of(Asked { wire: Wire::Lines, ..asked("domain=a.example,b.example") }),
        ];
        assert!(others.iter().all(|other| other.id != first.id));
        let id = first.id;
        drop(first);
        assert_eq!(of(asked("domain=a.example,b.example")).id, id);
        drop((same, others));
        assert_ne!(of(asked("domain=a.example,b.example")).id, id);
        assert_eq!(feeds.filter_bytes(), 0);
        assert!(feeds.0.lock().feeds.is_empty());
    }

    #[test]
    fn only_what_is_new_and_has_a_filter_is_refused_for_its_memory() {
        let feeds = Feeds::default();
        let limit = asked("domain=a.example").filter.memory();
        let first = feeds.of(asked("domain=a.example"), limit).expect("just enough");
        assert_eq!(feeds.filter_bytes(), limit);
        assert!(matches!(feeds.of(asked("domain=b.example"), limit), Err(TooManyFilters)));
        assert!(feeds.of(asked("domain=a.example"), 0).is_ok() && feeds.of(asked(""), 0).is_ok());
        drop(first);
        assert!(feeds.of(asked("domain=b.example"), limit).is_ok());
    }
}
