//! Plans which ranges of a log to fetch, and restores the order of the fetched entries. Pure.
//!
//! Several ranges are in flight at once. Their answers arrive in any order, possibly short or not at all. The window
//! guarantees that every index leaves it exactly once, in order.
//!
//! A range that fails is requested again after a delay, and halved when it fails again: a log may refuse large ranges, or
//! be unable to serve one entry. That entry is then requested alone, ever more rarely, and only what follows it waits.

use super::backoff::Backoff;
use crate::log_client::Range;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Failures of a range after which it is halved.
const HALVE_AFTER: u32 = 2;

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
    /// An empty window at `start` that fetches at most `span` indexes (at least 1) ahead.
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
        let limit = self.end_exclusive.min(self.position.saturating_add(self.span));
        if self.planned >= limit {
            return None;
        }
        let end_exclusive = limit.min(self.planned.saturating_add(most)).min(self.border_after(self.planned));
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(start: u64, end_exclusive: u64, span: u64, alignment: u64) -> Window<u64> {
        let mut window = Window::new(start, span);
        window.align(alignment);
        window.extend_to(end_exclusive);
        window
    }

    fn now() -> Instant {
        Instant::now()
    }

    fn drain(window: &mut Window<u64>) -> Vec<u64> {
        let entries = |passed| match passed {
            Passed::Entries(entries) => entries,
            Passed::Missing(range) => panic!("{range:?} is missing"),
        };
        std::iter::from_fn(|| window.take_arrived()).flat_map(entries).collect()
    }

    fn entries(range: Range) -> Vec<Option<u64>> {
        (range.start..range.end_exclusive).map(Some).collect()
    }

    #[test]
    fn ranges_that_come_back_in_any_order_leave_in_order() {
        let mut window = window(5, 35, 100, 1);
        let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(10, now())).collect();
        assert_eq!(
            ranges.iter().map(|r| (r.start, r.end_exclusive)).collect::<Vec<_>>(),
            [(5, 15), (15, 25), (25, 35)]
        );
        window.arrived(ranges[2], entries(ranges[2]));
        assert!(drain(&mut window).is_empty());
        window.arrived(ranges[0], entries(ranges[0]));
        assert_eq!(drain(&mut window), (5..15).collect::<Vec<_>>());
        window.arrived(ranges[1], entries(ranges[1]));
        assert_eq!(drain(&mut window), (15..35).collect::<Vec<_>>());
        assert!(window.is_finished());
    }

    #[test]
    fn the_rest_of_a_short_page_is_asked_for_before_anything_else() {
        let mut window = window(0, 100, 100, 1);
        let first = window.next_range(10, now()).unwrap();
        window.next_range(10, now()).unwrap();
        window.arrived(first, vec![Some(0), Some(1), Some(2)]);
        assert_eq!(
            window.next_range(10, now()),
            Some(Range { start: 3, end_exclusive: 10, confirming: false })
        );
        assert_eq!(window.next_range(10, now()).unwrap().start, 20);
    }

    #[test]
    fn a_failed_range_is_asked_for_again_in_the_size_that_is_right_then() {
        let mut window = window(0, 100, 100, 1);
        let first = window.next_range(10, now()).unwrap();
        window.interrupted(first);
        assert_eq!(window.next_range(4, now()).unwrap().end_exclusive, 4);
        assert_eq!(
            window.next_range(10, now()),
            Some(Range { start: 4, end_exclusive: 10, confirming: false })
        );
    }

    #[test]
    fn what_has_to_be_confirmed_is_asked_for_once_more() {
        let mut window = window(0, 5, 100, 1);
        let page = window.next_range(10, now()).unwrap();
        window.arrived(page, vec![Some(0), None, None, Some(3), Some(4)]);
        assert_eq!(drain(&mut window), [0]);
        let again = window.next_range(10, now()).unwrap();
        assert_eq!(again, Range { start: 1, end_exclusive: 3, confirming: true });
        window.arrived(again, vec![Some(1), Some(2)]);
        assert_eq!(drain(&mut window), [1, 2, 3, 4]);
        assert!(window.is_finished());
    }

    #[test]
    fn nothing_is_fetched_further_ahead_than_the_span() {
        let mut window = window(0, 1000, 25, 1);
        let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(10, now())).collect();
        assert_eq!(ranges.last().unwrap().end_exclusive, 25);
        window.arrived(ranges[1], entries(ranges[1]));
        assert_eq!(window.next_range(10, now()), None, "the front is still missing");
        window.arrived(ranges[0], entries(ranges[0]));
        drain(&mut window);
        assert_eq!(window.next_range(10, now()).unwrap().start, 25);
    }

    #[test]
    fn a_window_that_is_extended_goes_on_where_it_ended() {
        let mut window = window(0, 5, 100, 1);
        let first = window.next_range(10, now()).unwrap();
        window.extend_to(3);
        window.extend_to(8);
        let second = window.next_range(10, now()).unwrap();
        assert_eq!((second.start, second.end_exclusive, window.planned()), (5, 8, 8));
        window.arrived(second, entries(second));
        assert!(!window.has_arrived(), "the first range is missing");
        window.arrived(first, entries(first));
        assert!(window.has_arrived());
        assert_eq!(drain(&mut window), (0..8).collect::<Vec<_>>());
        assert!(window.is_finished() && !window.has_arrived());
        window.extend_to(9);
        assert!(!window.is_finished());
    }

    /// A log that cannot serve index 13, and one that refuses more than 3 entries at once.
    #[test]
    fn a_range_that_fails_twice_is_halved_down_to_the_entries_that_fail() {
        for (fails, alone) in [
            ((|r: Range| r.start <= 13 && 13 < r.end_exclusive) as fn(Range) -> bool, Some(13)),
            (|r: Range| r.count() > 3, None),
        ] {
            let mut window = window(0, 100, 1000, 1);
            let mut at = now();
            let (mut failed, mut out, mut waits) = (0, Vec::new(), Vec::new());
            while failed < 200 {
                let Some(range) = window.next_range(100, at) else {
                    let Some(due) = window.next_retry() else { break };
                    assert!(due > at, "it would be found");
                    at = due;
                    continue;
                };
                if fails(range) {
                    failed += 1;
                    if let Retry::Alone { wait, .. } = window.failed(range, true, at, 1.0) {
                        assert_eq!(Some(range.start), alone);
                        assert!(window.is_stuck() && !out.contains(&range.start));
                        waits.push(wait.as_secs());
                    }
                } else {
                    assert!(range.count() <= 50, "{range:?}");
                    window.arrived(range, entries(range));
                }
                out.extend(drain(&mut window));
            }
            let delivered = alone.unwrap_or(100);
            assert_eq!(out, (0..delivered).collect::<Vec<_>>());
            if alone.is_some() {
                assert_eq!(&waits[..6], [2, 4, 8, 16, 32, 64]);
                assert!(waits.iter().all(|wait| *wait <= 300));
                assert_eq!(window.next_range(100, at), None, "nothing else is requested");
            } else {
                assert!(failed <= 2 * 64 && window.is_finished(), "{failed} failed");
            }
        }
    }

    #[test]
    fn a_range_that_failed_is_not_requested_before_its_delay_is_over() {
        let mut window = window(0, 30, 1000, 1);
        let begin = now();
        let first = window.next_range(10, begin).unwrap();
        assert_eq!(window.failed(first, true, begin, 1.0), Retry::Again(Duration::from_secs(1)));
        assert!(window.is_stuck());
        assert_eq!(window.next_range(10, begin).unwrap().start, 10, "others are not delayed");
        assert_eq!(window.next_retry(), Some(begin + Duration::from_secs(1)));
        assert_eq!(window.next_range(10, begin + Duration::from_secs(1)), Some(first));
        assert!(!window.is_stuck());
        window.arrived(first, entries(first));
        assert_eq!(window.next_retry(), None);
    }

    #[test]
    fn a_range_that_has_no_parts_is_not_halved_and_may_leave_as_missing() {
        let mut window = window(0, 30, 1000, 1);
        let (first, second) = (window.next_range(10, now()).unwrap(), window.next_range(20, now()).unwrap());
        assert!(matches!(window.failed(first, false, now(), 1.0), Retry::Again(_)));
        let later = now() + Duration::from_secs(10);
        assert_eq!(window.next_range(10, later), Some(first));
        let retry = window.failed(first, false, later, 1.0);
        assert_eq!(retry, Retry::Alone { wait: Duration::from_secs(2), failures: 2 });
        assert!(!window.has_arrived_behind(first));
        window.arrived(second, entries(second));
        assert!(window.has_arrived_behind(first) && !window.has_arrived_behind(second));
        assert!(window.is_stuck() && !window.has_arrived());
        window.miss(first);
        assert!(!window.is_stuck() && window.has_arrived());
        assert_eq!(window.next_retry(), None);
        assert_eq!(window.take_arrived(), Some(Passed::Missing(first)));
        assert_eq!(drain(&mut window), (10..30).collect::<Vec<_>>());
        assert!(window.is_finished());
    }

    #[test]
    fn ranges_end_at_the_borders_of_tiles() {
        let mut window = window(1000, 2000, 5000, 256);
        let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(1000, now())).collect();
        let ends: Vec<_> = ranges.iter().map(|r| r.end_exclusive).collect();
        assert_eq!(ends, [1024, 1280, 1536, 1792, 2000]);
    }

    proptest! {
        /// Whatever a log returns, each index leaves exactly once and in order.
        #[test]
        fn every_index_leaves_exactly_once_and_in_order(
            start in 0u64..50, length in 0u64..300, span in 1u64..120,
            steps in prop::collection::vec((0u8..5, 0usize..8, 1u64..40, 0u64..40), 1..200),
        ) {
            let mut window = window(start, start + length, span, 1);
            let broken = |i: u64| i % 7 == 3;
            let (mut flying, mut out) = (Vec::new(), Vec::new());
            let answer = |window: &mut Window<u64>, range: Range, n: u64| {
                let end = range.end_exclusive.min(range.start + n);
                let came = |i| (range.confirming || !broken(i)).then_some(i);
                window.arrived(range, (range.start..end).map(came).collect());
            };
            for (what, which, size, n) in steps {
                match what {
                    0 | 1 => flying.extend(window.next_range(size, now())),
                    _ if flying.is_empty() => {}
                    2 => { let r = flying.swap_remove(which % flying.len()); answer(&mut window, r, n) }
                    3 => window.interrupted(flying.swap_remove(which % flying.len())),
                    _ => drop(window.failed(flying.swap_remove(which % flying.len()), true, now(), 0.5)),
                }
                out.extend(drain(&mut window));
            }
            let later = now() + Duration::from_secs(3600);
            while !window.is_finished() {
                flying.extend(window.next_range(10, later));
                let r = flying.pop().expect("an unfinished window has something to fetch");
                answer(&mut window, r, 10);
                out.extend(drain(&mut window));
            }
            prop_assert_eq!(out, (start..start + length).collect::<Vec<_>>());
        }
    }
}
