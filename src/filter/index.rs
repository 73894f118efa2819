//! The filters of all subscribers, while subscribers come and go.
//!
//! Matchers do not change, so the filters are spread over *levels*, each a matcher that is at least four times as large
//! as the next. A new filter is *fresh* at first: it is compared with each entry by its definition. Fresh filters and small
//! levels are merged by whoever has the time, on any thread, while the old ones stay in use:
//!
//! ```text
//! add ─► fresh ─► begin_merge ─► Merge::run (anywhere) ─► finish_merge ─► a level
//! remove ─► a fresh filter is dropped; the slot of another is masked, and a level that is half masked is merged
//! ```
//!
//! So adding costs next to nothing, however many come at once, and a filter is built into a matcher about four times for
//! each level, some twenty times with 100,000 values in all, however many come and go.

use super::facts::Facts;
use super::matcher::{FilterId, Matcher, Scratch, trigger_frequency, weight};
use super::model::Filter;
use std::sync::Arc;

/// A level is at least so many times as large as everything behind it together.
const RATIO: usize = 4;

/// Filters that can be added and removed. [`matchers`](Self::matchers) gives readers what there is.
#[derive(Default)]
pub struct FilterIndex {
    /// From the oldest and largest to the newest.
    levels: Vec<Level>,
    /// The filters that are in no level, from the oldest to the newest.
    fresh: Vec<Fresh>,
    merging: Option<Merging>,
    /// Number of merges that were begun.
    merges: u64,
}

type Fresh = (FilterId, Arc<Filter>);

/// A merge that was begun: of the last levels from `start` on, and of the first `fresh` fresh filters.
struct Merging {
    number: u64,
    start: usize,
    fresh: usize,
    /// Fresh filters that are merged, and were removed in the meantime.
    removed: Vec<FilterId>,
}

/// A state of the index, which does not change.
#[derive(Clone, Default)]
pub struct Matchers {
    levels: Arc<[Level]>,
    fresh: Arc<[Fresh]>,
}

/// The filter's values make the indexes larger than memory can be, gigabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the filters are too large")]
pub struct TooLarge;

#[derive(Clone)]
struct Level {
    matcher: Arc<Matcher>,
    removed: Arc<Removed>,
}

/// The slots of removed filters.
#[derive(Clone, Default)]
struct Removed {
    words: Vec<u64>,
    count: usize,
}

impl Removed {
    fn add(&mut self, slot: usize) {
        let word = slot / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            self.count += usize::from(*word & 1 << (slot % 64) == 0);
            *word |= 1 << (slot % 64);
        }
    }

    fn contains(&self, slot: usize) -> bool {
        self.words.get(slot / 64).is_some_and(|word| word & 1 << (slot % 64) != 0)
    }
}

impl Level {
    fn new(filters: impl Iterator<Item = (FilterId, Arc<Filter>)>) -> Result<Self, TooLarge> {
        let matcher = Matcher::build(filters).ok_or(TooLarge)?;
        Ok(Level { matcher: Arc::new(matcher), removed: Arc::default() })
    }

    fn slot(&self, id: FilterId) -> Option<usize> {
        self.matcher.slot(id).filter(|slot| !self.removed.contains(*slot))
    }

    fn filters(&self) -> impl Iterator<Item = (FilterId, &Arc<Filter>)> {
        let filters = self.matcher.filters().enumerate().filter(|(slot, _)| !self.removed.contains(*slot));
        filters.map(|(_, filter)| filter)
    }

    fn len(&self) -> usize {
        self.matcher.len() - self.removed.count
    }

    fn is_half_removed(&self) -> bool {
        2 * self.removed.count > self.matcher.len()
    }
}

impl Filter {
    /// How often the filter probably wants an entry, as a rank: of several filters, the rarest is asked first.
    pub fn frequency(&self) -> u8 {
        trigger_frequency(self)
    }
}

impl Matchers {
    /// The ids of the filters that want the entry, in ascending order. `scratch` may be that of other matchers.
    pub fn matches<'s>(&self, facts: &Facts<'_>, scratch: &'s mut Scratch) -> &'s [FilterId] {
        scratch.clear();
        for level in self.levels.iter() {
            level.matcher.find(facts, |slot| level.removed.contains(slot), scratch);
        }
        self.fresh.iter().filter(|(_, filter)| filter.matches(facts)).for_each(|(id, _)| scratch.add(*id));
        scratch.sorted()
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        self.levels.iter().map(Level::len).sum::<usize>() + self.fresh.len()
    }

    /// Number of levels, each of which is searched alone.
    #[cfg(test)]
    pub(super) fn levels(&self) -> usize {
        self.levels.len()
    }

    /// Memory beside the filters themselves, in bytes. Compiled regular expressions are not counted.
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.matcher.bytes()).sum()
    }
}

impl FilterIndex {
    /// Creates the index of these filters in one step, in time proportional to their values. Of those with the same id
    /// the last one is kept.
    ///
    /// # Errors
    /// If the filters are too large together, gigabytes.
    pub fn build(filters: impl Iterator<Item = (FilterId, Arc<Filter>)>) -> Result<Self, TooLarge> {
        let level = Level::new(filters)?;
        let levels = if level.len() == 0 { Vec::new() } else { vec![level] };
        Ok(FilterIndex { levels, ..FilterIndex::default() })
    }

    /// The filters that there are now. Readers use it until they get a newer one.
    pub fn matchers(&self) -> Matchers {
        Matchers { levels: self.levels.as_slice().into(), fresh: self.fresh.as_slice().into() }
    }

    /// Adds a filter, instead of the one with this id if there is one.
    pub fn add(&mut self, id: FilterId, filter: Arc<Filter>) {
        self.remove(id);
        self.fresh.push((id, filter));
    }

    /// Removes a filter. Returns whether there was one with this id. A level without filters is dropped.
    pub fn remove(&mut self, id: FilterId) -> bool {
        if let Some(at) = self.fresh.iter().position(|(fresh, _)| *fresh == id) {
            self.fresh.remove(at);
            if let Some(merging) = self.merging.as_mut().filter(|merging| at < merging.fresh) {
                merging.fresh -= 1;
                merging.removed.push(id);
            }
            return true;
        }
        let found = self.levels.iter().enumerate().find_map(|(level, at)| Some((level, at.slot(id)?)));
        let Some((index, slot)) = found else { return false };
        if let Some(level) = self.levels.get_mut(index) {
            Arc::make_mut(&mut level.removed).add(slot);
            if level.len() == 0 && self.merging.is_none() {
                self.levels.remove(index);
            }
        }
        true
    }

    /// What should be merged now, if anything. Until [`finish_merge`](Self::finish_merge) has its result, there is
    /// nothing else to be merged. A merge that is dropped instead is ended with [`abandon_merge`](Self::abandon_merge).
    pub fn begin_merge(&mut self) -> Option<Merge> {
        if self.merging.is_some() {
            return None;
        }
        let start = self.merge_start();
        let (levels, fresh) = (self.levels.get(start..)?.to_vec(), self.fresh.clone());
        let is_due = !fresh.is_empty() || levels.len() > 1 || levels.iter().any(Level::is_half_removed);
        if !is_due {
            return None;
        }
        self.merges += 1;
        let number = self.merges;
        self.merging = Some(Merging { number, start, fresh: fresh.len(), removed: Vec::new() });
        Some(Merge { number, levels, fresh })
    }

    /// Replaces what was merged. Filters that were removed in the meantime stay removed. The result of a merge that was
    /// abandoned is not used.
    pub fn finish_merge(&mut self, Merged { number, levels: before, level }: Merged) {
        let Some(merging) = self.merging.take_if(|merging| merging.number == number) else { return };
        let now = self.levels.drain(merging.start..);
        let mut removed = Removed::default();
        for (now, before) in now.zip(&before) {
            let slots = now.matcher.filters().enumerate();
            let since =
                slots.filter(|(slot, _)| now.removed.contains(*slot) && !before.removed.contains(*slot));
            since.filter_map(|(_, (id, _))| level.matcher.slot(id)).for_each(|slot| removed.add(slot));
        }
        let fresh = merging.removed.iter().filter_map(|id| level.matcher.slot(*id));
        fresh.for_each(|slot| removed.add(slot));
        self.fresh.drain(..merging.fresh);
        let level = Level { removed: Arc::new(removed), ..level };
        self.levels.extend(Some(level));
        self.levels.retain(|level| level.len() > 0);
    }

    /// Ends a merge without its result.
    pub fn abandon_merge(&mut self) {
        self.merging = None;
        self.levels.retain(|level| level.len() > 0);
    }

    /// The first of the last levels that have to be merged so that the sizes rise again by `RATIO`.
    fn merge_start(&self) -> usize {
        let mut sum: usize = self.fresh.iter().map(|(_, filter)| weight(filter)).sum();
        // Without fresh filters, the newest level has nothing behind it.
        let mut start = self.levels.len() - usize::from(sum == 0).min(self.levels.len());
        for (index, level) in self.levels.iter().enumerate().rev() {
            let weight = level.matcher.weight();
            if weight < RATIO * sum || level.is_half_removed() {
                start = start.min(index);
            }
            sum += weight;
        }
        start
    }
}

/// Levels and fresh filters that are to be merged, which takes time proportional to their values.
pub struct Merge {
    number: u64,
    levels: Vec<Level>,
    fresh: Vec<Fresh>,
}

/// The level that replaces others.
pub struct Merged {
    number: u64,
    levels: Vec<Level>,
    level: Level,
}

impl Merge {
    /// Builds the level.
    ///
    /// # Errors
    /// If the filters are too large together, gigabytes.
    pub fn run(self) -> Result<Merged, TooLarge> {
        let level = Level::new(self.filters().map(|(id, filter)| (id, filter.clone())))?;
        Ok(Merged { number: self.number, levels: self.levels, level })
    }

    /// Number of values and filters that are built again.
    pub fn weight(&self) -> usize {
        self.filters().map(|(_, filter)| weight(filter)).sum()
    }

    fn filters(&self) -> impl Iterator<Item = (FilterId, &Arc<Filter>)> {
        let fresh = self.fresh.iter().map(|(id, filter)| (*id, filter));
        self.levels.iter().flat_map(Level::filters).chain(fresh)
    }
}
