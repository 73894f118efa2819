use super::super::fetcher::{FetchedPage, Fetcher};
use super::super::missing_board::MAX_RANGES;
use super::super::page_size::PROBE_AFTER;
use super::super::window::HALVE_AFTER;
use super::retriever::missing_range;
use super::*;
use crate::config::WatchSettings;
use crate::http_client::HttpError;
use tokio::sync::mpsc;
use tokio::time::timeout;

fn fetcher(log: &Rc<FakeLog>, shared: &Shared, settings: WatchSettings) -> Fetcher<FakeLog> {
    let Shared { board, missing, reporter, memory, .. } = shared;
    Fetcher::new(log.clone(), board.clone(), missing.clone(), reporter.clone(), memory.clone(), settings)
}

/// The indexes of the next pages up to one that completes a head.
async fn completed(pages: &mut mpsc::Receiver<FetchedPage>) -> Vec<u64> {
    let mut indexes = Vec::new();
    loop {
        let page: FetchedPage = pages.recv().await.expect("a page");
        indexes.extend(page.entries.iter().map(|entry| entry.index));
        if page.completes {
            return indexes;
        }
    }
}

#[actix::test]
async fn all_entries_under_each_head_are_passed_on_in_order() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(95), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    let heads = async {
        shared.board.publish(head(42));
        assert_eq!(completed(&mut pages).await, (5..42).collect::<Vec<_>>());
        shared.board.publish(head(95));
        assert_eq!(completed(&mut pages).await, (42..95).collect::<Vec<_>>());
        assert!(timeout(Duration::from_secs(60), pages.recv()).await.is_err(), "there is no more");
    };
    tokio::select! {
        () = fetcher.run(5, sender) => panic!("it ended"),
        () = heads => {}
    }
    let ranges = log.ranges.borrow();
    assert_eq!(ranges.iter().map(|(start, end, _)| end - start).sum::<u64>(), 90, "each is fetched once");
    assert!(ranges.iter().all(|(start, end, _)| end - start <= SETTINGS.page_size));
    assert_eq!(ranges[0].2, ranges[3].2, "four requests run at the same time");
}

#[actix::test]
async fn a_page_completes_a_head_although_larger_heads_have_come() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(200), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    let heads = async {
        shared.board.publish(head(40));
        sleep(ANSWER_TIME / 2).await;
        shared.board.publish(head(200));
        assert_eq!(completed(&mut pages).await, (0..40).collect::<Vec<_>>());
        assert_eq!(completed(&mut pages).await, (40..200).collect::<Vec<_>>());
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = heads => {}
    }
}

#[actix::test]
async fn nothing_more_is_fetched_while_nobody_takes_what_has_come() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    shared.board.publish(head(1000));
    let stalled = async {
        sleep(Duration::from_secs(600)).await;
        let span = SETTINGS.page_size * SETTINGS.in_flight as u64;
        let fetched = log.ranges.borrow().last().expect("requests").1;
        assert!(fetched <= span + 2 * SETTINGS.page_size, "{fetched}");
        assert_eq!(completed(&mut pages).await, (0..1000).collect::<Vec<_>>(), "nothing is lost");
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = stalled => {}
    }
    drop(pages);
}

#[actix::test]
async fn memory_is_counted_until_the_next_stage_has_dropped_the_page() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(10), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    shared.board.publish(head(10));
    let page = tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        page = pages.recv() => page.expect("a page"),
    };
    let bytes: usize = page.entries.iter().map(DecodedEntry::bytes).sum();
    assert!(bytes > 0 && shared.memory.bytes() == bytes, "{bytes}");
    drop(page);
    assert_eq!(shared.memory.bytes(), 0);
}

#[actix::test]
async fn a_log_that_cannot_be_reached_is_asked_ever_more_rarely_and_once_at_a_time() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(100), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    shared.board.publish(head(100));
    let failing = Rc::new(Cell::new(true));
    let fails = failing.clone();
    let unreachable = || HttpError::Send("connection refused".into()).into();
    *log.refuses_entries.borrow_mut() = Box::new(move |_| fails.get().then(unreachable));
    let recovers = async {
        sleep(Duration::from_secs(100)).await;
        let tried = log.ranges.borrow().len();
        assert!((8..14).contains(&tried), "{tried} requests");
        failing.set(false);
        assert_eq!(completed(&mut pages).await, (0..100).collect::<Vec<_>>());
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = recovers => {}
    }
    assert!(shared.status.snapshot().failures >= 5);
}

#[actix::test]
async fn a_log_that_refuses_every_range_is_asked_ever_more_rarely_too() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(100_000), Shared::new());
    let (sender, _pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, WatchSettings { page_size: 1000, ..SETTINGS });
    shared.board.publish(head(5000));
    *log.refuses_entries.borrow_mut() = Box::new(|_| Some(refused(500)));
    assert!(timeout(Duration::from_secs(2 * 3600), fetcher.run(0, sender)).await.is_err());
    let ranges = log.ranges.borrow();
    let within =
        |from: u64, to: u64| ranges.iter().filter(|(.., at)| (from..to).contains(&at.as_secs())).count();
    assert!(within(0, 60) < 45, "{} requests in the first minute", within(0, 60));
    let later = within(3600, 7200);
    assert!((10..=26).contains(&later), "{later} requests in an hour");
}

#[actix::test]
async fn an_entry_that_the_log_cannot_serve_is_requested_alone_and_those_before_it_are_passed_on() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, WatchSettings { page_size: 100, ..SETTINGS });
    shared.board.publish(head(1000));
    let mended = Rc::new(Cell::new(false));
    let is_mended = mended.clone();
    *log.refuses_entries.borrow_mut() = Box::new(move |range| {
        let fails = (range.start..range.end_exclusive).contains(&137) && !is_mended.get();
        fails.then(|| refused(500))
    });
    (0..MAX_RANGES as u64).for_each(|start| shared.missing.add(missing_range(start)));
    let waits = async {
        assert_eq!(completed(&mut pages).await.last(), Some(&99), "the range behind has failed");
        while completed(&mut pages).await.last() != Some(&136) {}
        sleep(Duration::from_secs(3600)).await;
        assert!(pages.try_recv().is_err(), "nothing behind it is passed on, because too much is missing");
        let alone = log.ranges.borrow().iter().filter(|(start, end, _)| (*start, *end) == (137, 138)).count();
        assert!((14..=30).contains(&alone), "{alone} requests in an hour");
        let error = shared.status.snapshot().last_error_detail.expect("a failure");
        assert!(error.contains("status 500"), "{error}");
        mended.set(true);
        assert_eq!(completed(&mut pages).await, (137..1000).collect::<Vec<_>>());
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = waits => {}
    }
    let ranges = log.ranges.borrow();
    let fetched: Vec<_> = ranges.iter().filter(|(start, end, _)| !(*start..*end).contains(&137)).collect();
    assert_eq!(fetched.iter().map(|(start, end, _)| end - start).sum::<u64>(), 999, "each is fetched once");
}

#[actix::test]
async fn behind_an_entry_that_the_log_does_not_serve_it_goes_on() {
    tokio::time::pause();
    for (alignment, bad, from, to) in [(1, 137, 137, 138), (10, 137, 130, 140)] {
        let (log, shared) = (FakeLog::of(1000), Shared::new());
        log.alignment.set(alignment);
        let (sender, mut pages) = mpsc::channel(1);
        let mut fetcher = fetcher(&log, &shared, WatchSettings { page_size: 100, ..SETTINGS });
        shared.board.publish(head(1000));
        *log.refuses_entries.borrow_mut() =
            Box::new(move |range| (range.start..range.end_exclusive).contains(&bad).then(|| refused(500)));
        let (mut indexes, mut missing) = (Vec::new(), Vec::new());
        let all = async {
            while indexes.last() != Some(&999) {
                let page: FetchedPage = pages.recv().await.expect("a page");
                indexes.extend(page.entries.iter().map(|entry| entry.index));
                if let Some(range) = page.missing {
                    assert!(page.completes && page.entries.is_empty());
                    assert_eq!(indexes.last(), Some(&(range.start - 1)), "it is in its place");
                    missing.push((range.start, range.end_exclusive));
                }
            }
        };
        let begin = Instant::now();
        tokio::select! {
            () = fetcher.run(0, sender) => panic!("it ended"),
            () = all => {}
        }
        assert_eq!(missing, [(from, to)]);
        assert_eq!(indexes, (0..from).chain(to..1000).collect::<Vec<_>>());
        assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    }
}

/// Nothing shows that it is the range and not the log.
#[actix::test]
async fn the_newest_entries_are_waited_for() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(100), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    shared.board.publish(head(100));
    *log.refuses_entries.borrow_mut() = Box::new(|range| (range.end_exclusive > 95).then(|| refused(404)));
    let waits = async {
        while completed(&mut pages).await.last() != Some(&94) {}
        assert!(timeout(Duration::from_secs(3600), pages.recv()).await.is_err());
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = waits => {}
    }
}

#[actix::test]
async fn a_log_that_refuses_large_ranges_is_asked_for_smaller_ones() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(5000), Shared::new());
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, WatchSettings { page_size: 1000, ..SETTINGS });
    shared.board.publish(head(5000));
    *log.refuses_entries.borrow_mut() = Box::new(|range| (range.count() > 32).then(|| refused(400)));
    let all = async {
        let mut next = 0;
        while next < 5000 {
            let page: FetchedPage = pages.recv().await.expect("a page");
            for entry in page.entries {
                assert_eq!(entry.index, next);
                next += 1;
            }
        }
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = all => {}
    }
    let failed: Vec<bool> = log.ranges.borrow().iter().map(|(start, end, _)| end - start > 32).collect();
    let served = failed.iter().filter(|failed| !**failed).count();
    // The size that is learned is at least half of the limit.
    assert!(served < 350, "{served} requests");
    // A larger size is tried after so many full pages, by all requests that are in flight.
    let mut pages = 0;
    let is_probe = |failed: &&bool| {
        pages += usize::from(!**failed);
        **failed && pages >= PROBE_AFTER as usize
    };
    let probes = failed.iter().filter(is_probe).count();
    let learning = failed.len() - served - probes;
    assert!(
        probes <= SETTINGS.in_flight * (served / PROBE_AFTER as usize),
        "{probes} failed beside {served} pages"
    );
    // Of each size that is too large (1000, 500, 250, 125, 62), those in flight fail, until they are halved.
    assert!(learning <= 5 * SETTINGS.in_flight * HALVE_AFTER as usize, "{learning} failed at first");
}

#[actix::test]
async fn a_partial_tile_is_waited_for_and_then_fetched() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(25), Shared::new());
    log.alignment.set(10);
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    let begin = Instant::now();
    shared.board.publish(head(25));
    let tiles = async {
        assert_eq!(completed(&mut pages).await, (0..20).collect::<Vec<_>>());
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert_eq!(completed(&mut pages).await, (20..25).collect::<Vec<_>>());
        let waited = begin.elapsed();
        assert!(
            waited >= SETTINGS.partial_tile_wait && waited < SETTINGS.partial_tile_wait * 2,
            "{waited:?}"
        );
        log.size.set(30);
        shared.board.publish(head(30));
        assert_eq!(completed(&mut pages).await, (25..30).collect::<Vec<_>>());
        assert!(begin.elapsed() - waited < Duration::from_secs(1), "the tile is full");
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = tiles => {}
    }
}

/// The wait counts from the head that first had the entries, and anew for those that come after a partial tile.
#[actix::test]
async fn a_partial_tile_is_waited_for_once_however_long_a_catch_up_takes() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1005), Shared::new());
    log.alignment.set(10);
    let (sender, mut pages) = mpsc::channel(1);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    let begin = Instant::now();
    shared.board.publish(head(1005));
    let tiles = async {
        while begin.elapsed() < SETTINGS.partial_tile_wait * 2 {
            sleep(Duration::from_millis(500)).await;
            pages.recv().await.expect("a page");
        }
        let caught_up = Instant::now();
        while completed(&mut pages).await.last() != Some(&1004) {}
        assert!(caught_up.elapsed() < Duration::from_secs(1), "{:?}", caught_up.elapsed());
        for size in [1006, 1007] {
            log.size.set(size);
            shared.board.publish(head(size));
            sleep(SETTINGS.partial_tile_wait / 4).await;
        }
        let grown = Instant::now();
        assert_eq!(completed(&mut pages).await, [1005, 1006], "one request for both");
        assert!(grown.elapsed() >= SETTINGS.partial_tile_wait / 4);
    };
    tokio::select! {
        () = fetcher.run(0, sender) => panic!("it ended"),
        () = tiles => {}
    }
}

#[actix::test]
async fn it_ends_when_the_next_stage_has_ended() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(25), Shared::new());
    let (sender, pages) = mpsc::channel(1);
    drop(pages);
    let mut fetcher = fetcher(&log, &shared, SETTINGS);
    assert!(timeout(Duration::from_secs(1), fetcher.run(0, sender)).await.is_ok());
}
