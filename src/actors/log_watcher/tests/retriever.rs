use super::super::missing_board::{MAX_RANGES, MissingBoard};
use super::super::retriever::{Recovered, Retriever};
use super::*;
use crate::ct::source::LogIdentifier;
use crate::state::{Between, MissingRange, Position};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Entry `start` is missing.
pub(super) fn missing_range(start: u64) -> MissingRange {
    let between = Between { before: tree_of(start), root_after: tree_of(start + 1).root() };
    MissingRange { start, end_exclusive: start + 1, between: Some(between) }
}

/// Runs a retriever for `time`. Returns what it has recovered.
async fn retrieve(log: &Rc<FakeLog>, shared: &Shared, time: Duration) -> Vec<Recovered> {
    let (sender, mut recovered) = mpsc::channel(100);
    let Shared { missing, reporter, memory, .. } = shared;
    let mut retriever = Retriever {
        log: log.clone(),
        missing: missing.clone(),
        reporter: reporter.clone(),
        memory: memory.clone(),
        recovered: sender,
    };
    assert!(timeout(time, retriever.run()).await.is_err(), "it never ends");
    std::iter::from_fn(|| recovered.try_recv().ok()).collect()
}

const HOUR: Duration = Duration::from_secs(3600);

#[actix::test]
async fn missing_entries_are_requested_ever_more_rarely_until_they_come() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(100), Shared::new());
    [7, 20].into_iter().for_each(|start| shared.missing.add(missing_range(start)));
    *log.refuses_entries.borrow_mut() = Box::new(|_| Some(refused(500)));
    assert!(retrieve(&log, &shared, HOUR).await.is_empty());
    let tried = log.ranges.borrow().len();
    assert!((24..=60).contains(&tried), "{tried} requests for two entries in an hour");
    assert!(log.ranges.borrow()[0].2 >= Duration::from_secs(8), "it was requested a moment ago");

    *log.refuses_entries.borrow_mut() = Box::new(|_| None);
    let recovered = retrieve(&log, &shared, HOUR).await;
    let mut starts: Vec<_> = recovered.iter().map(|recovered| recovered.range.start).collect();
    starts.sort_unstable();
    assert_eq!(starts, [7, 20], "each once");
    assert!(recovered.iter().all(|recovered| recovered.batches[0].entries[0].index == recovered.range.start));
    assert_eq!(shared.missing.all().len(), 2, "they are missing until they are published");
    shared.missing.replace(7, None);
    assert_eq!(shared.missing.all(), [missing_range(20)]);
    assert!(retrieve(&log, &shared, HOUR).await.is_empty(), "it is being published");
    shared.missing.requeue();
    assert_eq!(retrieve(&log, &shared, HOUR).await.len(), 1, "the Publisher has failed");
}

#[actix::test]
async fn what_is_not_in_the_tree_is_not_taken_for_a_missing_entry() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(100), Shared::new());
    shared.missing.add(missing_range(7));
    log.altered.set(Some(7));
    assert!(retrieve(&log, &shared, HOUR).await.is_empty());
    log.altered.set(None);
    log.unhashable.set(Some(7));
    assert!(retrieve(&log, &shared, HOUR).await.is_empty());
    log.unhashable.set(None);
    assert_eq!(retrieve(&log, &shared, HOUR).await.len(), 1);
}

#[actix::test]
async fn a_range_that_becomes_missing_while_nothing_is_due_is_requested_too() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(100), Shared::new());
    let later = async {
        sleep(Duration::from_secs(60)).await;
        let range = MissingRange { start: 3, end_exclusive: 6, between: None };
        shared.missing.add(range);
    };
    let (recovered, ()) = tokio::join!(retrieve(&log, &shared, HOUR), later);
    assert_eq!(
        recovered[0].batches[0].entries.iter().map(|entry| entry.index).collect::<Vec<_>>(),
        [3, 4, 5]
    );
}

#[actix::test]
async fn missing_entries_are_limited_for_each_log_and_for_all() {
    let shared = Shared::new();
    (0..MAX_RANGES as u64).for_each(|start| {
        assert!(shared.missing.has_room(0));
        assert!(!shared.missing.has_room(MAX_RANGES - start as usize), "others wait to be added");
        shared.missing.add(missing_range(start));
    });
    assert!(!shared.missing.has_room(0));

    let positions = Arc::new(Positions::in_memory());
    let board = MissingBoard::new(positions.clone());
    assert!(board.has_room(0));
    let missing = vec![missing_range(1); crate::state::positions::MAX_MISSING_RANGES];
    let other = Position { missing: missing.into(), ..Position::at("https://other.example", 9) };
    positions.set(&LogIdentifier::Url(other.url.clone()), other);
    assert!(!board.has_room(0));
}
