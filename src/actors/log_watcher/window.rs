//! Plans which ranges of a log to fetch, and restores the order of the fetched entries. Pure.
//!
//! Several ranges are in flight at once. Their answers arrive in any order, possibly short or not at all. The window
//! guarantees that every index leaves it exactly once, in order.

use crate::log_client::Range;
use std::collections::VecDeque;

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
}

#[derive(Debug)]
enum State<T> {
    Waiting,
    InFlight,
    DecodedEntry(Vec<T>),
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

    /// The next range to request, of at most `most` indexes. Ranges to be retried come first, lowest first.
    pub(super) fn next_range(&mut self, most: u64) -> Option<Range> {
        let most = most.max(1);
        if let Some(i) = self.segments.iter().position(|s| matches!(s.state, State::Waiting)) {
            return self.start_waiting(i, most);
        }
        let limit = self.end_exclusive.min(self.position.saturating_add(self.span));
        if self.planned >= limit {
            return None;
        }
        let end_exclusive = limit.min(self.planned.saturating_add(most)).min(self.border_after(self.planned));
        let range = Range { start: self.planned, end_exclusive, confirming: false };
        self.segments.push_back(Segment { range, state: State::InFlight });
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
            let rest = Range { start: range.end_exclusive, ..whole };
            self.segments.insert(i + 1, Segment { range: rest, state: State::Waiting });
        }
        Some(range)
    }

    /// Records that the request for `range` failed; the range will be requested again.
    pub(super) fn failed(&mut self, range: Range) {
        if let Some(segment) = self.in_flight(range).and_then(|i| self.segments.get_mut(i)) {
            segment.state = State::Waiting;
        }
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
            parts.push(Segment { range: rest, state: State::Waiting });
        }
        for (i, part) in parts.into_iter().enumerate() {
            self.segments.insert(at + i, part);
        }
    }

    fn in_flight(&self, range: Range) -> Option<usize> {
        self.segments.iter().position(|s| s.range == range && matches!(s.state, State::InFlight))
    }

    /// Whether the next entries in order have arrived.
    pub(super) fn has_arrived(&self) -> bool {
        self.segments.front().is_some_and(|first| matches!(first.state, State::DecodedEntry(_)))
    }

    /// The next entries in order, if they have arrived. The position moves past them.
    pub(super) fn take_arrived(&mut self) -> Option<Vec<T>> {
        match self.segments.pop_front()? {
            Segment { range, state: State::DecodedEntry(entries) } => {
                self.position = range.end_exclusive;
                Some(entries)
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
            parts.push(Segment { range: Range { start, end_exclusive: start, confirming: again }, state });
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

    fn drain(window: &mut Window<u64>) -> Vec<u64> {
        std::iter::from_fn(|| window.take_arrived()).flatten().collect()
    }

    fn entries(range: Range) -> Vec<Option<u64>> {
        (range.start..range.end_exclusive).map(Some).collect()
    }

    #[test]
    fn ranges_that_come_back_in_any_order_leave_in_order() {
        let mut window = window(5, 35, 100, 1);
        let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(10)).collect();
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
        let first = window.next_range(10).unwrap();
        window.next_range(10).unwrap();
        window.arrived(first, vec![Some(0), Some(1), Some(2)]);
        assert_eq!(window.next_range(10), Some(Range { start: 3, end_exclusive: 10, confirming: false }));
        assert_eq!(window.next_range(10).unwrap().start, 20);
    }

    #[test]
    fn a_failed_range_is_asked_for_again_in_the_size_that_is_right_then() {
        let mut window = window(0, 100, 100, 1);
        let first = window.next_range(10).unwrap();
        window.failed(first);
        assert_eq!(window.next_range(4).unwrap().end_exclusive, 4);
        assert_eq!(window.next_range(10), Some(Range { start: 4, end_exclusive: 10, confirming: false }));
    }

    #[test]
    fn what_has_to_be_confirmed_is_asked_for_once_more() {
        let mut window = window(0, 5, 100, 1);
        let page = window.next_range(10).unwrap();
        window.arrived(page, vec![Some(0), None, None, Some(3), Some(4)]);
        assert_eq!(drain(&mut window), [0]);
        let again = window.next_range(10).unwrap();
        assert_eq!(again, Range { start: 1, end_exclusive: 3, confirming: true });
        window.arrived(again, vec![Some(1), Some(2)]);
        assert_eq!(drain(&mut window), [1, 2, 3, 4]);
        assert!(window.is_finished());
    }

    #[test]
    fn nothing_is_fetched_further_ahead_than_the_span() {
        let mut window = window(0, 1000, 25, 1);
        let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(10)).collect();
        assert_eq!(ranges.last().unwrap().end_exclusive, 25);
        window.arrived(ranges[1], entries(ranges[1]));
        assert_eq!(window.next_range(10), None, "the front is still missing");
        window.arrived(ranges[0], entries(ranges[0]));
        drain(&mut window);
        assert_eq!(window.next_range(10).unwrap().start, 25);
    }

    #[test]
    fn a_window_that_is_extended_goes_on_where_it_ended() {
        let mut window = window(0, 5, 100, 1);
        let first = window.next_range(10).unwrap();
        window.extend_to(3);
        window.extend_to(8);
        let second = window.next_range(10).unwrap();
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

    #[test]
    fn ranges_end_at_the_borders_of_tiles() {
        let mut window = window(1000, 2000, 5000, 256);
        let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(1000)).collect();
        let ends: Vec<_> = ranges.iter().map(|r| r.end_exclusive).collect();
        assert_eq!(ends, [1024, 1280, 1536, 1792, 2000]);
    }

    proptest! {
        /// Whatever a log returns, each index leaves exactly once and in order.
        #[test]
        fn every_index_leaves_exactly_once_and_in_order(
            start in 0u64..50, length in 0u64..300, span in 1u64..120,
            steps in prop::collection::vec((0u8..4, 0usize..8, 1u64..40, 0u64..40), 1..200),
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
                    0 | 1 => flying.extend(window.next_range(size)),
                    _ if flying.is_empty() => {}
                    2 => { let r = flying.swap_remove(which % flying.len()); answer(&mut window, r, n) }
                    _ => window.failed(flying.swap_remove(which % flying.len())),
                }
                out.extend(drain(&mut window));
            }
            while !window.is_finished() {
                flying.extend(window.next_range(10));
                let r = flying.pop().expect("an unfinished window has something to fetch");
                answer(&mut window, r, 10);
                out.extend(drain(&mut window));
            }
            prop_assert_eq!(out, (start..start + length).collect::<Vec<_>>());
        }
    }
}
