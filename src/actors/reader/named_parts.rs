//! The named filters of feeds. Each is matched once, for all feeds that it is a part of.
//!
//! A feed with named filters waits for the one of its parts that probably wants entries most rarely: only if it wants one,
//! the other parts are looked at.

use super::feed::Feed;
use crate::filter::{Filter, FilterId, FilterIndex};
use crate::named_filters::NamedFilter;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The named filters of feeds that come and go.
#[derive(Default)]
pub(super) struct NamedParts {
    by_id: HashMap<FilterId, NamedPart>,
    /// The feeds that wait for their own filter.
    waiting_for_own: HashSet<FilterId>,
}

struct NamedPart {
    named: Arc<NamedFilter>,
    /// What is matched.
    filter: Arc<Filter>,
    /// How often that is probably wanted.
    frequency: u8,
    /// Number of feeds that it is a part of.
    feeds: usize,
    /// Those that wait for it.
    waiting: HashSet<FilterId>,
}

impl NamedParts {
    /// Adds the named filters of `feed`, also to `index` if they are new.
    pub(super) fn add(&mut self, feed: &Feed, index: &mut FilterIndex) {
        for named in &feed.asked.named {
            let part = self.by_id.entry(named.id).or_insert_with(|| {
                let filter = named.filter();
                index.add(named.id, filter.clone());
                let frequency = filter.frequency();
                NamedPart { named: named.clone(), filter, frequency, feeds: 0, waiting: HashSet::new() }
            });
            part.feeds += 1;
        }
        let frequency = |named: &&Arc<NamedFilter>| self.by_id.get(&named.id).map(|part| part.frequency);
        let Some(rarest) = feed.asked.named.iter().min_by_key(frequency) else { return };
        let own = &feed.asked.filter;
        if !own.is_empty() && Some(own.frequency()) < frequency(&rarest) {
            self.waiting_for_own.insert(feed.id);
        } else if let Some(part) = self.by_id.get_mut(&rarest.id) {
            part.waiting.insert(feed.id);
        }
    }

    /// Removes the named filters of `feed`, also from `index` if it was the last one.
    pub(super) fn remove(&mut self, feed: &Feed, index: &mut FilterIndex) {
        self.waiting_for_own.remove(&feed.id);
        for named in &feed.asked.named {
            let Some(part) = self.by_id.get_mut(&named.id) else { continue };
            part.feeds -= 1;
            part.waiting.remove(&feed.id);
            if part.feeds == 0 {
                self.by_id.remove(&named.id);
                index.remove(named.id);
            }
        }
    }

    /// Exchanges what is matched of the filters whose values have changed. Returns whether there are any.
    pub(super) fn refresh(&mut self, index: &mut FilterIndex) -> bool {
        let mut has_changed = false;
        for (id, part) in self.by_id.iter_mut().filter(|(_, part)| !part.named.is_kept) {
            let filter = part.named.filter();
            if !Arc::ptr_eq(&filter, &part.filter) {
                index.add(*id, filter.clone());
                (part.frequency, part.filter) = (filter.frequency(), filter);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Those of `feeds` of which all parts are in `matched`, whose ids are in ascending order.
    pub(super) fn wanting<'a>(
        &'a self,
        matched: &'a [FilterId],
        feeds: &'a HashMap<FilterId, Arc<Feed>>,
    ) -> impl Iterator<Item = &'a Arc<Feed>> {
        matched.iter().flat_map(move |id| {
            let own = feeds.get(id).filter(|feed| {
                feed.asked.named.is_empty()
                    || self.waiting_for_own.contains(id) && is_wanted_by_all(feed, matched)
            });
            let waiting = self.by_id.get(id).into_iter().flat_map(|part| &part.waiting);
            let waiting = waiting.filter_map(|id| feeds.get(id));
            own.into_iter().chain(waiting.filter(move |feed| is_wanted_by_all(feed, matched)))
        })
    }

    /// The named filters of `feed`: the name of each, and what is matched of it.
    pub(super) fn filters<'a>(&'a self, feed: &'a Feed) -> impl Iterator<Item = (&'a Arc<str>, &'a Filter)> {
        let named = feed.asked.named.iter();
        named.filter_map(|named| Some((&named.name, &*self.by_id.get(&named.id)?.filter)))
    }
}

/// Whether all parts of `feed` are in `matched`.
fn is_wanted_by_all(feed: &Feed, matched: &[FilterId]) -> bool {
    let is_matched = |id| matched.binary_search(&id).is_ok();
    let is_own_matched = feed.asked.filter.is_empty() || is_matched(feed.id);
    is_own_matched && feed.asked.named.iter().all(|named| is_matched(named.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::reader::{Asked, Feeds};
    use crate::ct::source::{Protocol, Source};
    use crate::filter::{Facts, Limits, Scratch, SourceFacts};
    use crate::message::{Stream, Wire};
    use crate::named_filters::ConfiguredFilters;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const QUERIES: [&str; 6] =
        ["contains=a", "contains=b", "domain=test", "domain=!test", "type=precert", "type=x509"];
    const ENTRIES: [(&str, &str); 5] = [
        ("a.test", "precert"),
        ("b.test", "x509"),
        ("ab.test", "x509"),
        ("c.example", "precert"),
        ("bca.example", "x509"),
    ];

    fn filter(query: &str) -> Arc<Filter> {
        let filter = Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default());
        Arc::new(filter.expect("a filter"))
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A feed with this filter of its own, if any, and these named ones.
        Add(Option<usize>, BTreeSet<usize>),
        Remove(usize),
        /// The named filter gets other values.
        Exchange(usize, usize),
        Merge,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let query = || 0..QUERIES.len();
        let step = prop_oneof![
            4 => (prop::option::of(query()), prop::collection::btree_set(0usize..3, 0..4))
                .prop_map(|(own, named)| Step::Add(own, named)),
            2 => (0usize..20).prop_map(Step::Remove),
            2 => (0usize..3, query()).prop_map(|(named, query)| Step::Exchange(named, query)),
            1 => Just(Step::Merge),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        /// A feed gets what all its parts want, by their values of that moment, however feeds come and go.
        #[test]
        fn a_feed_gets_what_all_its_parts_want(steps in steps()) {
            let names = ["x", "y", "z"];
            let configured = ConfiguredFilters::new(names.map(|name| (name.to_string(), filter(QUERIES[0]))));
            let named = names.map(|name| configured.get(name).expect("a filter"));
            let source = Source::new("https://ct.example", "Log", "Operator", None, Protocol::Rfc6962);
            let source = SourceFacts::new(&source);
            let (shared, mut index, mut parts) = (Feeds::default(), FilterIndex::default(), NamedParts::default());
            let (mut feeds, mut scratch) = (HashMap::<FilterId, Arc<Feed>>::new(), Scratch::default());
            for step in steps {
                match step {
                    Step::Add(own, of) => {
                        let own = own.map_or_else(Arc::default, |own| filter(QUERIES[own]));
                        let named = of.into_iter().map(|i| named[i].clone()).collect::<Vec<_>>();
                        if own.is_empty() && named.is_empty() {
                            continue;
                        }
                        let (stream, wire) = (Stream::Lite, Wire::Lines);
                        let asked = Asked { stream, wire, filter: own, named, sample: 1, unique: None, explains: false };
                        let feed = shared.of(asked, usize::MAX).expect("room");
                        if feeds.insert(feed.id, feed.clone()).is_none() {
                            if !feed.asked.filter.is_empty() {
                                index.add(feed.id, feed.asked.filter.clone());
                            }
                            parts.add(&feed, &mut index);
                        }
                    }
                    Step::Remove(i) => {
                        let Some(id) = feeds.keys().copied().nth(i) else { continue };
                        let feed = feeds.remove(&id).expect("a feed");
                        index.remove(id);
                        parts.remove(&feed, &mut index);
                    }
                    Step::Exchange(i, query) => {
                        configured.exchange(names[i], filter(QUERIES[query]));
                        parts.refresh(&mut index);
                        prop_assert!(!parts.refresh(&mut index), "once");
                    }
                    Step::Merge => {
                        if let Some(merge) = index.begin_merge() {
                            index.finish_merge(merge.run().expect("small filters"));
                        }
                    }
                }
                for (name, entry_type) in ENTRIES {
                    let facts = Facts::given(&source, &[name], &[], Some(entry_type));
                    let matchers = index.matchers();
                    let matched = matchers.matches(&facts, &mut scratch);
                    let mut wanting: Vec<_> = parts.wanting(matched, &feeds).map(|feed| feed.id).collect();
                    wanting.sort_unstable();
                    let wants = |feed: &&Arc<Feed>| {
                        feed.asked.filter.matches(&facts)
                            && feed.asked.named.iter().all(|named| named.filter().matches(&facts))
                    };
                    let mut expected: Vec<_> = feeds.values().filter(wants).map(|feed| feed.id).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(wanting, expected);
                }
            }
            for (id, feed) in feeds {
                index.remove(id);
                parts.remove(&feed, &mut index);
            }
            prop_assert!(parts.by_id.is_empty() && parts.waiting_for_own.is_empty() && index.matchers().is_empty());
        }
    }
}
