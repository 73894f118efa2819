//! Plans which ranges of a log to fetch, and restores the order of the fetched entries. Pure.
//!
//! Several ranges are in flight at once. Their answers arrive in any order, possibly short or not at all. The window
//! guarantees that every index leaves it exactly once, in order.
//!
//! A range that fails is requested again after a delay, and halved when it fails again: a log may refuse large ranges, or
//! be unable to serve one entry. That entry is then requested alone, ever more rarely, and only what follows it waits.

use crate::backoff::Backoff;
use crate::log_client::Range;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Failures of a range after which it is halved.
pub(super) const HALVE_AFTER: u32 = 2;

/// The range from the first index that has not left the window to the end of what is to be fetched so far.
#[derive(Debug)]
pub(super) struct Window<T> {
    /// Adjacent and in order, from `position` to `planned`.
    segments: VecDeque<Segment<T>>,
    position: u64,
    planned: u64,
    end_exclusive: u64,
    /// Largest number of indexes between `position` and `planned`.
    span: u64,
    /// No range crosses a multiple of this number.
    alignment: u64,
}

#[derive(Debug)]
struct Segment<T> {
    range: Range,
    state: State<T>,
    /// The failures of exactly this range.
    backoff: Backoff,
    /// The range is not requested before this time.
    retry_at: Option<Instant>,
}

impl<T> Segment<T> {
    fn new(range: Range, state: State<T>) -> Self {
        Segment { range, state, backoff: Backoff::default(), retry_at: None }
    }

    fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting) && self.retry_at.is_none_or(|at| at <= now)
    }
}

/// What follows the failure of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// The same range is requested again after this delay.
    Again(Duration),
    /// Its halves are requested.
    Halved,
    /// A range that cannot be halved has failed again. It is requested again after this delay, unless it is
    /// [missed](Window::miss).
    Alone {
        wait: Duration,
        /// Number of times that exactly this range has failed.
        failures: u32,
    },
}

#[derive(Debug)]
enum State<T> {
    Waiting,
    InFlight,
    DecodedEntry(Vec<T>),
    /// The log does not serve the range.
    Missing,
}

/// What leaves the window.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed<T> {
    /// Consecutive entries.
    Entries(Vec<T>),
    /// Entries that the log does not serve.
    Missing(Range),
}

impl<T> Window<T> {
    /// An empty window at `start`. No range begins more than `span` indexes (at least 1) ahead.
    pub(super) fn new(start: u64, span: u64) -> Self {
        Window {
            segments: VecDeque::new(),
            position: start,
            planned: start,
            end_exclusive: start,
            span: span.max(1),
            alignment: 1,
        }
    }

    /// Sets the number whose multiples no new range crosses; 1 means no restriction.
    pub(super) fn align(&mut self, alignment: u64) {
        self.alignment = alignment.max(1);
    }

    /// Extends the window to `end_exclusive`, unless it already reaches that far.
    pub(super) fn extend_to(&mut self, end_exclusive: u64) {
        self.end_exclusive = self.end_exclusive.max(end_exclusive);
    }

    /// One past the last index of the window.
    pub(super) fn end_exclusive(&self) -> u64 {
        self.end_exclusive
    }

    /// The first index that has never been requested.
    pub(super) fn planned(&self) -> u64 {
        self.planned
    }

    /// The next range to request, of at most `most` indexes. Ranges whose retry is due come first, lowest first.
    pub(super) fn next_range(&mut self, most: u64, now: Instant) -> Option<Range> {
        let most = most.max(1);
        if let Some(i) = self.segments.iter().position(|segment| segment.is_due(now)) {
            return self.start_waiting(i, most);
        }
        // The last range may exceed the span: cut off there, it would be a small page, or a part of a tile.
        if self.planned >= self.end_exclusive.min(self.position.saturating_add(self.span)) {
            return None;
        }
        let end_exclusive = self.planned.saturating_add(most).min(self.border_after(self.planned));
        let end_exclusive = end_exclusive.min(self.end_exclusive);
        let range = Range { start: self.planned, end_exclusive, confirming: false };
        self.segments.push_back(Segment::new(range, State::InFlight));
        self.planned = end_exclusive;
        Some(range)
    }

    /// The first multiple of the alignment above `index`, where a range must end.
    fn border_after(&self, index: u64) -> u64 {
        if self.alignment == 1 {
            u64::MAX
        } else {
            (index / self.alignment + 1).saturating_mul(self.alignment)
        }
    }

    fn start_waiting(&mut self, i: usize, most: u64) -> Option<Range> {
        let segment = self.segments.get_mut(i)?;
        let whole = segment.range;
        segment.range.end_exclusive = whole.end_exclusive.min(whole.start.saturating_add(most));
        segment.state = State::InFlight;
        let range = segment.range;
        if range.end_exclusive < whole.end_exclusive {
            segment.backoff.succeeded();
            let rest = Range { start: range.end_exclusive, ..whole };
            self.segments.insert(i + 1, Segment::new(rest, State::Waiting));
        }
        Some(range)
    }

    /// When the first of the ranges to be retried is due; `None` if there is none.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        let waiting = self.segments.iter().filter(|segment| matches!(segment.state, State::Waiting));
        waiting.filter_map(|segment| segment.retry_at).min()
    }

    /// Records that the request for `range` failed for a reason that does not concern the range.
    pub(super) fn interrupted(&mut self, range: Range) {
        if let Some(segment) = self.in_flight(range).and_then(|i| self.segments.get_mut(i)) {
            segment.state = State::Waiting;
        }
    }

    /// Records that the request for `range` failed for a reason that passes; the range is requested again at `at`.
    pub(super) fn postponed(&mut self, range: Range, at: Instant) {
        if let Some(segment) = self.in_flight(range).and_then(|i| self.segments.get_mut(i)) {
            segment.state = State::Waiting;
            segment.retry_at = Some(at);
        }
    }

    /// Records that the log refused `range`, or failed to serve it. The range is halved if it `has_parts`. `chance` (0 to
    /// 1) varies the delay.
    pub(super) fn failed(&mut self, range: Range, has_parts: bool, now: Instant, chance: f64) -> Retry {
        let Some((i, segment)) = self.in_flight(range).and_then(|i| Some((i, self.segments.get_mut(i)?)))
        else {
            return Retry::Again(Duration::ZERO);
        };
        let wait = segment.backoff.failed(None, chance);
        segment.state = State::Waiting;
        segment.retry_at = Some(now + wait);
        let failures = segment.backoff.failures();
        if failures < HALVE_AFTER {
            return Retry::Again(wait);
        }
        if range.count() == 1 || !has_parts {
            return Retry::Alone { wait, failures };
        }
        let middle = range.start + range.count() / 2;
        *segment = Segment::new(Range { end_exclusive: middle, ..range }, State::Waiting);
        self.segments.insert(i + 1, Segment::new(Range { start: middle, ..range }, State::Waiting));
        Retry::Halved
    }

    /// Whether entries behind `range` have arrived.
    pub(super) fn has_arrived_behind(&self, range: Range) -> bool {
        let arrived = |segment: &Segment<T>| matches!(segment.state, State::DecodedEntry(_));
        self.segments.iter().any(|segment| segment.range.start > range.start && arrived(segment))
    }

    /// Number of ranges that wait to leave the window as missing.
    pub(super) fn missing(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment.state, State::Missing)).count()
    }

    /// Lets a range that has failed leave the window as missing.
    pub(super) fn miss(&mut self, range: Range) {
        let is_it =
            |segment: &&mut Segment<T>| segment.range == range && matches!(segment.state, State::Waiting);
        if let Some(segment) = self.segments.iter_mut().find(is_it) {
            segment.state = State::Missing;
            segment.retry_at = None;
        }
    }

    /// Whether the next entries in order have been requested and failed.
    pub(super) fn is_stuck(&self) -> bool {
        let is_stuck = |first: &Segment<T>| matches!(first.state, State::Waiting) && first.retry_at.is_some();
        self.segments.front().is_some_and(is_stuck)
    }

    /// Records the first entries of `range`. `None` entries have to be confirmed; they and the missing rest are
    /// requested again.
    pub(super) fn arrived(&mut self, range: Range, entries: Vec<Option<T>>) {
        let Some(at) = self.in_flight(range) else { return };
        self.segments.remove(at);
        let mut parts = split(range, entries);
        let came = parts.last().map_or(range.start, |s| s.range.end_exclusive);
        if came < range.end_exclusive {
            let rest = Range { start: came, ..range };
            parts.push(Segment::new(rest, State::Waiting));
        }
        for (i, part) in parts.into_iter().enumerate() {
            self.segments.insert(at + i, part);
        }
    }

    fn in_flight(&self, range: Range) -> Option<usize> {
        self.segments.iter().position(|s| s.range == range && matches!(s.state, State::InFlight))
    }

    /// Whether the next entries in order have arrived, or are missing.
    pub(super) fn has_arrived(&self) -> bool {
        self.segments
            .front()
            .is_some_and(|first| matches!(first.state, State::DecodedEntry(_) | State::Missing))
    }

    /// The next entries in order, if they have arrived or are missing. The position moves past them.
    pub(super) fn take_arrived(&mut self) -> Option<Passed<T>> {
        match self.segments.pop_front()? {
            Segment { range, state: State::DecodedEntry(entries), .. } => {
                self.position = range.end_exclusive;
                Some(Passed::Entries(entries))
            }
            Segment { range, state: State::Missing, .. } => {
                self.position = range.end_exclusive;
                Some(Passed::Missing(range))
            }
            other => {
                self.segments.push_front(other);
                None
            }
        }
    }

    /// The first index that has not left the window.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether every index has left the window.
    pub(super) fn is_finished(&self) -> bool {
        self.position >= self.end_exclusive
    }
}

/// Splits the entries received for `range` into runs of entries and runs of gaps.
fn split<T>(range: Range, entries: Vec<Option<T>>) -> Vec<Segment<T>> {
    let mut parts: Vec<Segment<T>> = Vec::new();
    for (entry, start) in entries.into_iter().zip(range.start..range.end_exclusive) {
        let again = entry.is_none();
        let extends = parts.last().is_some_and(|p| matches!(p.state, State::Waiting) == again);
        if !extends {
            let state = if again { State::Waiting } else { State::DecodedEntry(Vec::new()) };
            parts.push(Segment::new(Range { start, end_exclusive: start, confirming: again }, state));
        }
        if let Some(part) = parts.last_mut() {
            part.range.end_exclusive = start + 1;
            if let (State::DecodedEntry(arrived), Some(entry)) = (&mut part.state, entry) {
                arrived.push(entry);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests;
