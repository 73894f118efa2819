//! Feeds with a filter, matched at once: what each of them gets of a batch.

use super::feed::{Feed, Wanted};
use super::named_parts::NamedParts;
use crate::clock;
use crate::filter::{Facts, FilterId, FilterIndex, Matchers, Merge, Merged, Scratch, SourceFacts};
use crate::message::{EntryBatch, Frames, Selection};
use crate::unique::{Kind, Uniques};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Feeds with a filter, which come and go.
pub(crate) struct FilteredFeeds {
    feeds: HashMap<FilterId, Arc<Feed>>,
    /// Their own filters by the ids of the feeds, and the named ones by their own.
    index: FilterIndex,
    named: NamedParts,
    /// Those for which `unique` means something else since a named filter has changed. They end soon; until then, nothing is
    /// taken for known.
    outdated: HashSet<FilterId>,
    /// What `index` has now; `None` until it is needed.
    matchers: Option<Matchers>,
    scratch: Scratch,
    uniques: Arc<Uniques>,
}

impl FilteredFeeds {
    /// No feed yet. `uniques` is what was seen.
    pub(crate) fn new(uniques: Arc<Uniques>) -> Self {
        FilteredFeeds {
            feeds: HashMap::new(),
            index: FilterIndex::default(),
            named: NamedParts::default(),
            outdated: HashSet::new(),
            matchers: None,
            scratch: Scratch::default(),
            uniques,
        }
    }

    /// Adds a feed, unless it is one of them.
    pub(crate) fn add(&mut self, feed: &Arc<Feed>) {
        if !self.feeds.contains_key(&feed.id) {
            if !feed.asked.filter.is_empty() || feed.asked.named.is_empty() {
                self.index.add(feed.id, feed.asked.filter.clone());
            }
            self.named.add(feed, &mut self.index);
            self.feeds.insert(feed.id, feed.clone());
            self.outdated.extend(feed.asked.is_unique_outdated().then_some(feed.id));
            self.matchers = None;
        }
    }

    /// Removes the feed with this id.
    pub(crate) fn remove(&mut self, feed: FilterId) {
        if let Some(feed) = self.feeds.remove(&feed) {
            self.index.remove(feed.id);
            self.named.remove(&feed, &mut self.index);
            self.outdated.remove(&feed.id);
            self.matchers = None;
        }
    }

    /// Uses the values that named filters have now, from the next batch on.
    pub(crate) fn refresh(&mut self) {
        if self.named.refresh(&mut self.index) {
            self.matchers = None;
            let outdated = self.feeds.values().filter(|feed| feed.asked.is_unique_outdated());
            self.outdated = outdated.map(|feed| feed.id).collect();
        }
    }

    /// Returns memory that is no longer needed.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.feeds.shrink_to_fit();
    }

    /// Number of feeds.
    pub(crate) fn len(&self) -> usize {
        self.feeds.len()
    }

    /// The messages of those feeds that `is_asked` names and that want any entry of `batch`. Its entries are of one log and
    /// have their numbers. Only messages that a feed wants are written.
    pub(crate) fn messages(
        &mut self,
        batch: &EntryBatch,
        is_asked: impl Fn(FilterId) -> bool,
    ) -> Vec<(Arc<Feed>, Arc<Frames>)> {
        let matchers = self.matchers.get_or_insert_with(|| self.index.matchers());
        let Some(first) = batch.entries().first().filter(|_| !matchers.is_empty()) else { return Vec::new() };
        let now_us = clock::unix_us();
        let source = SourceFacts::new(&first.source);
        let (mut wanted, mut selection) = (HashMap::<FilterId, Wanted>::new(), Selection::of(batch));
        for (place, entry) in batch.entries().iter().enumerate() {
            let facts = Facts::new(&source, &entry.content);
            let matched = matchers.matches(&facts, &mut self.scratch);
            let mut known = Vec::<(Kind, bool)>::new();
            for feed in self.named.wanting(matched, &self.feeds).filter(|feed| is_asked(feed.id)) {
                // Once for all feeds.
                let is_first = |kind| match known.iter().find(|(other, _)| *other == kind) {
                    Some((_, is_first)) => *is_first,
                    None => {
                        known.push((kind, self.uniques.is_first(kind, entry, now_us)));
                        known.last().is_some_and(|(_, is_first)| *is_first)
                    }
                };
                let unique = feed.asked.unique.filter(|_| !self.outdated.contains(&feed.id));
                let is_sent =
                    entry.seq.is_some_and(|seq| feed.asked.samples(seq)) && unique.is_none_or(is_first);
                if !is_sent {
                    continue;
                }
                let named = self.named.filters(feed);
                wanted.entry(feed.id).or_insert_with(|| Wanted::by(feed)).add(feed, place, &facts, named);
                selection.want(feed.asked.stream, place);
            }
        }
        let wanted = wanted.into_iter().filter_map(|(id, wanted)| Some((self.feeds.get(&id)?, wanted)));
        wanted.map(|(feed, wanted)| (feed.clone(), wanted.messages(feed, &mut selection))).collect()
    }

    /// What should be merged now, on another thread; see [`FilterIndex::begin_merge`].
    pub(crate) fn begin_merge(&mut self) -> Option<Merge> {
        self.index.begin_merge()
    }

    /// Uses the merged filters. Without a result, those before stay in use.
    pub(crate) fn end_merge(&mut self, merged: Option<Merged>) {
        match merged {
            Some(merged) => self.index.finish_merge(merged),
            None => self.index.abandon_merge(),
        }
        self.matchers = None;
    }
}
