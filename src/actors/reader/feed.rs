//! What clients subscribe to. Clients that ask for the same share a feed: its messages are chosen, built and compressed once
//! for all of them.

use super::filter_memory::FilterMemory;
use super::tail::Tail;
use crate::choice::EVERY;
use crate::filter::{Facts, Filter, FilterId, Reason};
use crate::message::{Demand, Frames, Selection, Stream, Wire};
use crate::named_filters::NamedFilter;
use crate::unique::Kind;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
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
        let asked = &self.asked;
        let has_filter = !asked.filter.is_empty() || !asked.named.is_empty();
        has_filter || asked.sample > EVERY || asked.unique.is_some()
    }

    /// Counts a client, or an output, in `demand`.
    pub(crate) fn add_to(&self, demand: &Demand, is_output: bool) {
        demand.add(self.asked.stream, self.asked.wire, self.is_filtered(), is_output);
        if !is_output {
            self.asked.named.iter().for_each(|named| named.add_client());
        }
    }

    /// Removes a client, or an output, from `demand`.
    pub(crate) fn remove_from(&self, demand: &Demand, is_output: bool) {
        demand.remove(self.asked.stream, self.asked.wire, self.is_filtered(), is_output);
        if !is_output {
            self.asked.named.iter().for_each(|named| named.remove_client());
        }
    }

    /// Counts messages that a client got by its named filters.
    pub(super) fn count_sent(&self, messages: u64) {
        self.asked.named.iter().for_each(|named| named.sent(messages));
    }
}

impl Wanted {
    /// Nothing yet of what `feed` wants.
    pub(super) fn by(feed: &Feed) -> Self {
        if feed.asked.explains { Wanted::Explained(Vec::new()) } else { Wanted::Alone(Vec::new()) }
    }

    /// Adds the entry at `place`, which the filter of `feed` and those of `named` want.
    pub(super) fn add<'f>(
        &mut self,
        feed: &Feed,
        place: usize,
        facts: &Facts<'_>,
        named: impl Iterator<Item = (&'f Arc<str>, &'f Filter)>,
    ) {
        match self {
            Wanted::Alone(places) => places.push(place),
            Wanted::Explained(places) => {
                let mut reasons = feed.asked.filter.explain(facts).unwrap_or_default();
                for (name, filter) in named {
                    let of_named = filter.explain(facts).unwrap_or_default();
                    let name = |reason| Reason { filter: Some(name.clone()), ..reason };
                    reasons.extend(of_named.into_iter().map(name));
                }
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
        known.memory.remove(&self.asked.filter, &self.asked.named);
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
    /// Memory of the filters.
    memory: FilterMemory,
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
    /// The named filters that have to want a message as well, each once, in the order of their ids.
    pub(crate) named: Vec<Arc<NamedFilter>>,
    /// Of the messages that the filter wants, those whose number is a multiple of it; at least 1.
    pub(crate) sample: u64,
    /// Of those, the first one of each of these.
    pub(crate) unique: Option<Kind>,
    /// Whether each message says why the filter wants it.
    pub(crate) explains: bool,
}

impl Asked {
    /// Whether the entry with the number `seq` is in the sample.
    pub(super) fn samples(&self, seq: u64) -> bool {
        seq.is_multiple_of(self.sample)
    }

    /// Whether `unique` means something else since named filters have changed.
    pub(crate) fn is_unique_outdated(&self) -> bool {
        let Some(kind) = self.unique else { return false };
        let named: Vec<_> = self.named.iter().map(|named| named.filter()).collect();
        let filters = std::iter::once(&*self.filter).chain(named.iter().map(|filter| &**filter));
        Kind::of(kind.unique(), filters) != Ok(kind)
    }

    /// What is asked for of the stream, as an object: the filter's lists, the names of the named ones, and the other parameters
    /// that leave out messages.
    pub(crate) fn understood(&self) -> Value {
        let mut understood = json!(*self.filter);
        if !self.named.is_empty() {
            understood["filter"] = self.named.iter().map(|named| &*named.name).collect();
        }
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
        let named = self.named.iter().map(|named| format!("filter={}", named.name));
        let filter = Some(self.filter.to_query_within(bytes)).filter(|query| !query.is_empty());
        let sample = (self.sample > EVERY).then(|| format!("sample={}", self.sample));
        let unique = self.unique.map(|kind| format!("unique={}", kind.unique().name()));
        named.chain(filter).chain(sample).chain(unique).collect::<Vec<_>>().join("&")
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
        let mut known = self.0.lock();
        if let Some(feed) = known.feeds.get(&asked).and_then(Weak::upgrade) {
            return Ok(feed);
        }
        let more = known.memory.of_another(&asked.filter, &asked.named);
        if more > 0 && known.memory.bytes() + more > limit {
            return Err(TooManyFilters);
        }
        known.memory.add(&asked.filter, &asked.named);
        let id = FilterId::unused();
        let (tail, feeds) = (Tail::default(), self.clone());
        let feed = Arc::new(Feed { id, asked: asked.clone(), tail, feeds });
        known.feeds.insert(asked, Arc::downgrade(&feed));
        Ok(feed)
    }

    /// Memory of all filters, in bytes; an estimate.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.0.lock().memory.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Limits;
    use crate::named_filters::KeptFilters;

    fn asked(query: &str) -> Asked {
        let filter = Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default());
        let (stream, wire, filter) = (Stream::Lite, Wire::Events, Arc::new(filter.expect("a filter")));
        Asked { stream, wire, filter, named: Vec::new(), sample: EVERY, unique: None, explains: false }
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

    /// Those of the configuration take nothing of what clients may have.
    #[test]
    fn a_filter_that_was_put_takes_memory_once() {
        let feeds = Feeds::default();
        let kept = KeptFilters::open(None);
        let name = kept.keep(&asked("domain=a.example").filter, u64::MAX, 0).expect("room").name;
        let kept = kept.load(&name).expect("it can be read").expect("a filter");
        let configured = NamedFilter::configured("mine", asked("domain=b.example").filter);
        let of = |stream, named: &[&Arc<NamedFilter>], limit| {
            let named = named.iter().map(|named| Arc::clone(named)).collect();
            feeds.of(Asked { stream, named, ..asked("") }, limit)
        };
        let limit = kept.filter().memory();
        assert!(of(Stream::Lite, &[&kept], limit - 1).is_err());
        let first = of(Stream::Lite, &[&kept], limit).expect("room");
        let both = of(Stream::Lite, &[&kept, &configured], limit).expect("room");
        let alone = of(Stream::Full, &[&configured], 0).expect("room");
        assert!(first.is_filtered() && both.id != first.id && alone.id != both.id);
        assert!(Arc::ptr_eq(&first, &of(Stream::Lite, &[&kept], 0).expect("the same")));
        assert_eq!(feeds.filter_bytes(), limit);
        assert_eq!(both.asked.understood(), json!({ "filter": [name, "mine"] }));
        drop((first, alone));
        assert_eq!(feeds.filter_bytes(), limit);
        drop(both);
        assert_eq!(feeds.filter_bytes(), 0);
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
