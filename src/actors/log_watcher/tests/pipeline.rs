//! All stages together.

use super::super::fetcher::Fetcher;
use super::super::head_tracker::HeadTracker;
use super::super::pipeline::{EntryStages, Pipeline};
use super::super::reconciler::Reconciler;
use super::super::retriever::Retriever;
use super::super::verifier::Verifier;
use super::*;
use crate::actors::broker::Newest;
use crate::ct::source::LogIdentifier;
use tokio::sync::mpsc;

/// Runs the stages until the position is `end`.
async fn run_to(end: u64, log: &Rc<FakeLog>, shared: &Shared) {
    let (board, reporter, memory) = (&shared.board, &shared.reporter, &shared.memory);
    let (recovered_in, recovered) = mpsc::channel(1);
    let pipeline = Pipeline {
        retriever: Retriever {
            log: log.clone(),
            missing: shared.missing.clone(),
            reporter: reporter.clone(),
            memory: memory.clone(),
            recovered: recovered_in,
        },
        reconciler: Reconciler::new(log.clone(), board.clone(), reporter.clone(), 40),
        reporter: reporter.clone(),
        board: board.clone(),
        tracker: HeadTracker::new(log.clone(), board.clone(), reporter.clone(), SETTINGS.poll_interval),
        entries: EntryStages {
            fetcher: Fetcher::new(
                log.clone(),
                board.clone(),
                shared.missing.clone(),
                reporter.clone(),
                memory.clone(),
                SETTINGS,
            ),
            verifier: Verifier::new(log.clone(), board.clone(), reporter.clone(), memory.clone(), false),
            publisher: shared.publisher(recovered),
            verifies: true,
        },
    };
    let reached = async {
        while shared.status.position() != Some(end) || shared.status.snapshot().missing > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = pipeline.run() => unreachable!(),
        () = reached => {}
        () = sleep(Duration::from_secs(120)) => panic!("it stays at {:?}", shared.status.position()),
    }
}

async fn newest(shared: &Shared) -> Vec<u64> {
    let newest = shared.broker.send(Newest).await.expect("the Broker");
    newest.iter().map(|entry| entry.index).collect()
}

#[actix::test]
async fn what_contradicts_the_head_is_fetched_again_and_nothing_is_lost_or_repeated() {
    let (log, shared) = (FakeLog::of(30), Shared::new());
    log.altered.set(Some(17));
    let mended = async {
        while shared.misbehaviours().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(shared.status.position(), Some(0), "nothing of it is published");
        log.altered.set(None);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run_to(30, &log, &shared) => {}
        () = mended => {}
    }
    let mut indexes = newest(&shared).await;
    indexes.sort_unstable();
    assert_eq!(indexes, (0..30).collect::<Vec<_>>());
    assert_eq!(shared.status.snapshot().delivered, 30);
}

#[actix::test]
async fn behind_an_entry_that_cannot_be_hashed_the_log_goes_on() {
    let (log, shared) = (FakeLog::of(30), Shared::new());
    log.unhashable.set(Some(11));
    run_to(30, &log, &shared).await;
    let snapshot = shared.status.snapshot();
    assert_eq!((snapshot.delivered, snapshot.undecodable), (29, 1));
    assert!(!newest(&shared).await.contains(&11));
}

/// Heads are requested while the log is caught up with, so a fork is evidence at once.
#[actix::test]
async fn a_fork_during_a_catch_up_is_noticed_before_the_end_of_it() {
    let (log, shared) = (FakeLog::of(2000), Shared::new());
    log.heads.borrow_mut().push_back(Ok(Some(head(2000))));
    let fork = Head { root_hash: [7; 32], bytes: "fork".into(), ..head(2000) };
    log.heads.borrow_mut().push_back(Ok(Some(fork)));
    let noticed = async {
        while shared.misbehaviours().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        let position = shared.status.position().expect("a position");
        assert!(position < 2000, "{position}");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run_to(2000, &log, &shared) => {}
        () = noticed => {}
    }
    assert_eq!(shared.misbehaviours(), [("fork", 1)]);
    assert_eq!(shared.status.snapshot().delivered, 2000, "the entries lead to the first head");
}

/// All others are published, in order, while one is missing; it is published when it comes, once.
#[actix::test]
async fn an_entry_that_comes_late_is_published_late_and_holds_nothing_up() {
    let (log, shared) = (FakeLog::of(60), Shared::new());
    let mended = Rc::new(Cell::new(false));
    let is_mended = mended.clone();
    *log.refuses_entries.borrow_mut() = Box::new(move |range| {
        let fails = (range.start..range.end_exclusive).contains(&17) && !is_mended.get();
        fails.then(|| refused(500))
    });
    let mend = async {
        while shared.status.position() != Some(60) {
            sleep(Duration::from_millis(5)).await;
        }
        let snapshot = shared.status.snapshot();
        assert_eq!((snapshot.delivered, snapshot.missing, snapshot.pending), (59, 1, 0));
        assert_eq!(snapshot.missing_indexes, ["17"]);
        let saved = shared.positions.get(&LogIdentifier::LogId([1; 32])).expect("a position");
        assert_eq!(*saved.missing, [super::retriever::missing_range(17)]);
        mended.set(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run_to(60, &log, &shared) => {}
        () = mend => {}
    }
    let indexes = newest(&shared).await;
    let expected: Vec<_> = (0..17).chain(18..60).chain([17]).collect();
    assert_eq!(indexes, expected);
    let saved = shared.positions.get(&LogIdentifier::LogId([1; 32])).expect("a position");
    assert_eq!((saved.ledger.delivered, saved.ledger.missing, saved.missing.len()), (60, 0, 0));
    assert!(saved.ledger.adds_up());
    assert_eq!(shared.misbehaviours(), []);
}
