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
    assert_eq!(window.next_range(10, now()), Some(Range { start: 3, end_exclusive: 10, confirming: false }));
    assert_eq!(window.next_range(10, now()).unwrap().start, 20);
}

#[test]
fn a_failed_range_is_asked_for_again_in_the_size_that_is_right_then() {
    let mut window = window(0, 100, 100, 1);
    let first = window.next_range(10, now()).unwrap();
    window.interrupted(first);
    assert_eq!(window.next_range(4, now()).unwrap().end_exclusive, 4);
    assert_eq!(window.next_range(10, now()), Some(Range { start: 4, end_exclusive: 10, confirming: false }));
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
fn no_range_begins_further_ahead_than_the_span() {
    let mut window = window(0, 1000, 25, 1);
    let ranges: Vec<_> = std::iter::from_fn(|| window.next_range(10, now())).collect();
    assert_eq!(ranges.last().unwrap().end_exclusive, 30, "it is not cut off");
    window.arrived(ranges[1], entries(ranges[1]));
    assert_eq!(window.next_range(10, now()), None, "the front is still missing");
    window.arrived(ranges[0], entries(ranges[0]));
    drain(&mut window);
    assert_eq!(window.next_range(10, now()).unwrap().start, 30);
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

#[test]
fn no_tile_is_cut_off_by_the_span() {
    let mut window = window(0, 10_000, 1000, 256);
    for _ in 0..30 {
        let Some(range) = window.next_range(1000, now()) else { break };
        assert_eq!((range.start % 256, range.count()), (0, 256));
        if range.start >= 768 {
            let first =
                Range { start: range.start - 768, end_exclusive: range.start - 512, confirming: false };
            window.arrived(first, entries(first));
            drain(&mut window);
        }
    }
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
