//! The filters of all subscribers, while subscribers come and go.
//!
//! Matchers do not change, so the filters are spread over *levels*, each a matcher that is at least four times as large
//! as the next. A new filter becomes a level of its own, and small levels are merged at once; large ones are merged by
//! whoever has the time, on any thread, while the old ones stay in use:
//!
//! ```text
//! add ─► level of one filter ─► small levels merged at once
//!                               begin_merge ─► Merge::run (anywhere) ─► finish_merge
//! remove ─► the filter's slot is masked; a level that is half masked is merged
//! ```
//!
//! So a filter is built into a matcher about four times for each level, some twenty times with 100,000 values in all,
//! however many come and go.

use super::facts::Facts;
use super::matcher::{FilterId, Matcher, Scratch, weight};
use super::model::Filter;
use std::sync::Arc;

/// A level is at least so many times as large as all levels behind it together.
const RATIO: usize = 4;
/// Levels with at most so many values and filters are merged by `add`. That takes some milliseconds. Tests have few filters,
/// and merges of both kinds.
const MERGED_AT_ONCE: usize = if cfg!(test) { 16 } else { 2048 };

/// Filters that can be added and removed. [`matchers`](Self::matchers) gives readers what there is.
#[derive(Default)]
pub struct FilterIndex {
    /// From the oldest and largest to the newest.
    levels: Vec<Level>,
    /// Number of first levels that are being merged.
    merging: usize,
}

/// A state of the index, which does not change.
#[derive(Clone, Default)]
pub struct Matchers {
    levels: Arc<[Level]>,
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

    fn filters(&self) -> impl Iterator<Item = (FilterId, Arc<Filter>)> {
        let filters = self.matcher.filters().enumerate().filter(|(slot, _)| !self.removed.contains(*slot));
        filters.map(|(_, (id, filter))| (id, filter.clone()))
    }

    fn len(&self) -> usize {
        self.matcher.len() - self.removed.count
    }

    fn is_half_removed(&self) -> bool {
        2 * self.removed.count > self.matcher.len()
    }
}

impl Matchers {
    /// The ids of the filters that want the entry, in ascending order. `scratch` may be that of other matchers.
    pub fn matches<'s>(&self, facts: &Facts<'_>, scratch: &'s mut Scratch) -> &'s [FilterId] {
        scratch.clear();
        for level in self.levels.iter() {
            level.matcher.find(facts, |slot| level.removed.contains(slot), scratch);
        }
        scratch.sorted()
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        self.levels.iter().map(Level::len).sum()
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
        Ok(FilterIndex { levels, merging: 0 })
    }

    /// The filters that there are now. Readers use it until they get a newer one.
    pub fn matchers(&self) -> Matchers {
        Matchers { levels: self.levels.as_slice().into() }
    }

    /// Adds a filter, instead of the one with this id if there is one. The work is that of the filter's own values, and
    /// a bounded part for merging.
    ///
    /// # Errors
    /// If the filter is too large, gigabytes. Then nothing has changed.
    pub fn add(&mut self, id: FilterId, filter: Arc<Filter>) -> Result<(), TooLarge> {
        let level = Level::new(std::iter::once((id, filter)))?;
        self.remove(id);
        self.levels.push(level);
        let start = self.merge_start(self.merging, MERGED_AT_ONCE);
        if let Some(levels) = self.levels.get(start..).filter(|levels| levels.len() > 1) {
            // Levels that are too large together stay as they are.
            if let Ok(merged) = Level::new(levels.iter().flat_map(Level::filters)) {
                self.levels.truncate(start);
                self.levels.push(merged);
            }
        }
        Ok(())
    }

    /// Removes a filter. Returns whether there was one with this id. A level without filters is dropped.
    pub fn remove(&mut self, id: FilterId) -> bool {
        let found = self.levels.iter().enumerate().find_map(|(level, at)| Some((level, at.slot(id)?)));
        let Some((index, slot)) = found else { return false };
        if let Some(level) = self.levels.get_mut(index) {
            Arc::make_mut(&mut level.removed).add(slot);
            if level.len() == 0 && index >= self.merging {
                self.levels.remove(index);
            }
        }
        true
    }

    /// What should be merged now, if anything. Until [`finish_merge`](Self::finish_merge) has its result, there is
    /// nothing else to be merged. A merge that is dropped instead is ended with [`abandon_merge`](Self::abandon_merge).
    pub fn begin_merge(&mut self) -> Option<Merge> {
        if self.merging > 0 {
            return None;
        }
        let start = self.merge_start(0, usize::MAX);
        let levels = self.levels.get(start..)?.to_vec();
        let is_due = levels.len() > 1 || levels.iter().any(Level::is_half_removed);
        if !is_due {
            return None;
        }
        self.merging = self.levels.len();
        Some(Merge { start, levels })
    }

    /// Replaces the levels that were merged. Filters that were removed in the meantime stay removed.
    pub fn finish_merge(&mut self, Merged { start, levels: before, level }: Merged) {
        let end = start + before.len();
        let now = self.levels.get(start..end).unwrap_or_default();
        let is_same = |(now, before): (&Level, &Level)| Arc::ptr_eq(&now.matcher, &before.matcher);
        if self.merging != end || now.len() != before.len() || !now.iter().zip(&before).all(is_same) {
            return;
        }
        let mut removed = Removed::default();
        for (now, before) in now.iter().zip(&before) {
            let since = now
                .matcher
                .filters()
                .enumerate()
                .filter(|(slot, _)| now.removed.contains(*slot) && !before.removed.contains(*slot));
            since.filter_map(|(_, (id, _))| level.matcher.slot(id)).for_each(|slot| removed.add(slot));
        }
        let level = Level { removed: Arc::new(removed), ..level };
        let level = Some(level).filter(|level| level.len() > 0);
        self.levels.splice(start..end, level);
        self.merging = 0;
    }

    /// Ends a merge without its result.
    pub fn abandon_merge(&mut self) {
        self.merging = 0;
        self.levels.retain(|level| level.len() > 0);
    }

    /// The first of the last levels that have to be merged so that the sizes rise again by `RATIO`. Levels before
    /// `floor` are left alone, and so are those that make the merge larger than `limit`.
    fn merge_start(&self, floor: usize, limit: usize) -> usize {
        let (mut start, mut sum) = (self.levels.len().saturating_sub(1), 0usize);
        for (index, level) in self.levels.iter().enumerate().skip(floor).rev() {
            let weight = level.matcher.weight();
            if sum + weight > limit {
                break;
            }
            if weight < RATIO * sum || level.is_half_removed() {
                start = index;
            }
            sum += weight;
        }
        start.max(floor)
    }
}

/// Levels that are to be merged, which takes time proportional to their values.
pub struct Merge {
    start: usize,
    levels: Vec<Level>,
}

/// The level that replaces others.
pub struct Merged {
    start: usize,
    levels: Vec<Level>,
    level: Level,
}

impl Merge {
    /// Builds the level.
    ///
    /// # Errors
    /// If the filters are too large together, gigabytes.
    pub fn run(self) -> Result<Merged, TooLarge> {
        let level = Level::new(self.levels.iter().flat_map(Level::filters))?;
        Ok(Merged { start: self.start, levels: self.levels, level })
    }

    /// Number of values and filters that are built again.
    pub fn weight(&self) -> usize {
        self.levels.iter().flat_map(|level| level.filters()).map(|(_, filter)| weight(&filter)).sum()
    }
}
