use super::super::fetcher::FetchedPage;
use super::super::log_cursor::LogCursor;
use super::super::verifier::{VerificationEnd, Verified, Verifier};
use super::*;
use crate::state::{Between, MissingRange};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A Verifier, the channel to it, and the channel from it.
struct Stage {
    log: Rc<FakeLog>,
    shared: Shared,
    verifier: Verifier<FakeLog>,
    to: mpsc::Sender<FetchedPage>,
    from: mpsc::Receiver<Verified>,
    ends: (mpsc::Receiver<FetchedPage>, mpsc::Sender<Verified>),
}

fn stage(size: u64) -> Stage {
    let (log, shared) = (FakeLog::of(size), Shared::new());
    let (board, reporter, memory) = (shared.board.clone(), shared.reporter.clone(), shared.memory.clone());
    let verifier = Verifier::new(log.clone(), board, reporter, memory, false);
    let ((to, pages), (verified, from)) = (mpsc::channel(100), mpsc::channel(100));
    Stage { log, shared, verifier, to, from, ends: (pages, verified) }
}

impl Stage {
    /// Passes entries on as one page.
    fn send(&self, indexes: std::ops::Range<u64>, completes: bool) {
        let page = FetchedPage {
            entries: indexes.map(|index| decoded(index, &self.shared.reporter)).collect(),
            missing: None,
            completes,
            _memory: self.shared.memory.part(),
        };
        self.to.try_send(page).expect("there is room");
    }

    /// Runs the stage for `time`. Returns how it ended, the published indexes, and the heads that they led to.
    async fn run(self, next: u64, time: Duration) -> (Option<VerificationEnd>, Vec<u64>, Vec<u64>) {
        let Stage { mut verifier, to: _to, mut from, ends: (pages, verified), .. } = self;
        let cursor = LogCursor::starting(next, &head(1000));
        let end = timeout(time, verifier.run(cursor, pages, verified)).await.ok();
        let (mut indexes, mut heads) = (Vec::new(), Vec::new());
        while let Ok(Verified::Batch { batch, head }) = from.try_recv() {
            indexes.extend(batch.entries.iter().map(|entry| entry.index));
            heads.extend(head.map(|head| head.tree_size));
        }
        (end, indexes, heads)
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[actix::test]
async fn entries_are_passed_on_once_they_are_proven_under_the_newest_head() {
    tokio::time::pause();
    let stage = stage(50);
    stage.shared.board.publish(head(50));
    stage.send(0..20, false);
    stage.send(20..40, true);
    stage.send(40..45, false);
    let (log, status) = (stage.log.clone(), stage.shared.status.clone());
    let (end, indexes, heads) = stage.run(0, LONG).await;
    assert_eq!((end, heads), (None, vec![50]));
    assert_eq!(indexes, (0..40).collect::<Vec<_>>(), "the others do not complete a head");
    assert_eq!(log.proofs.borrow().iter().map(|(size, ..)| *size).collect::<Vec<_>>(), [40]);
    assert_eq!(status.snapshot().verified_size, 50);
}

/// The log knows a head and refuses the proof to it for good; proofs to later heads work.
#[actix::test]
async fn a_head_whose_proof_is_refused_is_replaced_by_the_next() {
    tokio::time::pause();
    let stage = stage(60);
    *stage.log.refuses_proof.borrow_mut() = Box::new(|_, head| (head < 60).then(|| refused(400)));
    stage.shared.board.publish(head(40));
    stage.send(0..40, true);
    let (board, log, shared) = (stage.shared.board.clone(), stage.log.clone(), stage.shared.status.clone());
    let grows = async {
        sleep(Duration::from_secs(100)).await;
        board.publish(head(50));
        sleep(Duration::from_secs(1)).await;
        board.publish(head(60));
        std::future::pending::<()>().await;
    };
    let (end, indexes, heads) = tokio::select! {
        ended = stage.run(0, LONG) => ended,
        () = grows => unreachable!(),
    };
    assert_eq!((end, indexes.len(), heads), (None, 40, vec![60]));
    let proofs = log.proofs.borrow();
    let at = |size| proofs.iter().find(|(_, head, _)| *head == size).expect("a proof").2;
    assert!(at(50) < Duration::from_millis(100_100), "a new head is tried at once");
    assert!(at(60) < Duration::from_millis(101_200));
    assert_eq!(shared.misbehaviours().filter(|(_, count)| *count > 0).count(), 0, "it is no misbehaviour");
}

#[actix::test]
async fn a_log_that_asks_for_fewer_requests_gets_them_although_new_heads_come() {
    tokio::time::pause();
    let stage = stage(1000);
    *stage.log.refuses_proof.borrow_mut() = Box::new(|_, _| Some(refused(429)));
    stage.shared.board.publish(head(40));
    stage.send(0..40, true);
    let (board, log) = (stage.shared.board.clone(), stage.log.clone());
    let grows = async {
        for size in 41..1000 {
            sleep(Duration::from_millis(100)).await;
            board.publish(head(size));
        }
    };
    let run = stage.run(0, Duration::from_secs(60));
    let ((end, indexes, _), ()) = tokio::join!(run, grows);
    assert_eq!((end, indexes.len()), (None, 0));
    let tried = log.proofs.borrow().len();
    assert!((4..=8).contains(&tried), "{tried} proofs in a minute");
}

#[actix::test]
async fn entries_that_do_not_lead_to_the_head_are_evidence_and_not_passed_on() {
    tokio::time::pause();
    let stage = stage(50);
    stage.shared.board.publish(head(50));
    stage.send(0..20, true);
    let page = FetchedPage {
        entries: vec![DecodedEntry { leaf_hash: Some([9; 32]), ..decoded(20, &stage.shared.reporter) }],
        missing: None,
        completes: true,
        _memory: stage.shared.memory.part(),
    };
    stage.to.try_send(page).expect("there is room");
    let (board, status) = (stage.shared.board.clone(), stage.shared.status.clone());
    let (end, indexes, _) = stage.run(0, LONG).await;
    assert!(matches!(end, Some(VerificationEnd::Contradicted(wait)) if !wait.is_zero()), "{end:?}");
    assert_eq!(indexes, (0..20).collect::<Vec<_>>());
    assert_eq!(board.newest(), None, "the head is not used any more");
    let counts: Vec<_> = status.misbehaviours().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [("inconsistent", 1)]);
}

/// The tree before the position is proven by the log's proofs, once a head is larger.
#[actix::test]
async fn a_start_in_the_middle_waits_for_a_head_that_proves_its_tree() {
    tokio::time::pause();
    let stage = stage(1010);
    stage.shared.board.publish(head(1000));
    stage.send(1000..1010, true);
    let (board, log) = (stage.shared.board.clone(), stage.log.clone());
    let grows = async {
        sleep(Duration::from_secs(10)).await;
        assert!(log.proofs.borrow().is_empty(), "a proof from a tree to itself proves nothing");
        board.publish(head(1010));
        std::future::pending::<()>().await;
    };
    let (_, indexes, heads) = tokio::select! {
        ended = stage.run(1000, LONG) => ended,
        () = grows => unreachable!(),
    };
    assert_eq!((indexes, heads), ((1000..1010).collect::<Vec<_>>(), vec![1010]));
    assert_eq!(log.proofs.borrow().iter().map(|(size, ..)| *size).collect::<Vec<_>>(), [1000, 1010]);
}

#[actix::test]
async fn an_entry_that_cannot_be_hashed_is_passed_on_behind_those_before_it() {
    tokio::time::pause();
    let mut stage = stage(50);
    stage.shared.board.publish(head(50));
    let broken = crate::log_client::DecodeFailure { reason: "no base64".into(), texts: None };
    let mut entries: Vec<_> = (0..5).map(|index| decoded(index, &stage.shared.reporter)).collect();
    entries.push(DecodedEntry {
        leaf_hash: None,
        content: Err(broken),
        ..decoded(5, &stage.shared.reporter)
    });
    let page = FetchedPage { entries, missing: None, completes: true, _memory: stage.shared.memory.part() };
    stage.to.try_send(page).expect("there is room");
    let (pages, verified) = stage.ends;
    let end = stage.verifier.run(LogCursor::starting(0, &head(50)), pages, verified).await;
    assert_eq!(end, VerificationEnd::TreeLost);
    assert!(matches!(stage.from.try_recv(), Ok(Verified::Batch { batch, .. }) if batch.entries.len() == 5));
    assert!(matches!(stage.from.try_recv(), Ok(Verified::Unhashable(entry)) if entry.index == 5));
}

/// The trees on both sides are proven under one head, also where a proof leaves out the root of the tree behind.
#[actix::test]
async fn entries_behind_missing_ones_are_verified() {
    tokio::time::pause();
    for (start, end_exclusive) in [(5, 6), (6, 7), (7, 8), (3, 8)] {
        let mut stage = stage(50);
        stage.shared.board.publish(head(50));
        stage.send(0..start, true);
        let range = Range { start, end_exclusive, confirming: false };
        let memory = stage.shared.memory.part();
        let page =
            FetchedPage { entries: Vec::new(), missing: Some(range), completes: true, _memory: memory };
        stage.to.try_send(page).expect("there is room");
        stage.send(end_exclusive..20, true);
        let (pages, verified) = stage.ends;
        let run = stage.verifier.run(LogCursor::starting(0, &head(50)), pages, verified);
        assert!(timeout(LONG, run).await.is_err(), "it goes on");
        assert!(
            matches!(stage.from.try_recv(), Ok(Verified::Batch { batch, .. }) if batch.entries.len() as u64 == start)
        );
        let Ok(Verified::Missing { range, tree }) = stage.from.try_recv() else {
            panic!("nothing is missing")
        };
        let between = Between { before: tree_of(start), root_after: tree_of(end_exclusive).root() };
        assert_eq!(range, MissingRange { start, end_exclusive, between: Some(between) });
        assert_eq!(tree, Some(tree_of(end_exclusive)));
        let Ok(Verified::Batch { batch, .. }) = stage.from.try_recv() else { panic!("no batch") };
        assert_eq!(batch.tree, Some(tree_of(20)));
        let proofs = stage.log.proofs.borrow();
        assert!(proofs.iter().all(|(_, head, _)| *head == 50), "{proofs:?}");
    }
}

/// The log refuses one of the two proofs to a head for good.
#[actix::test]
async fn a_head_that_proves_only_one_side_of_missing_entries_is_replaced_by_the_next() {
    tokio::time::pause();
    for refuses in [5, 6] {
        let stage = stage(60);
        *stage.log.refuses_proof.borrow_mut() =
            Box::new(move |size, head| (size == refuses && head == 50).then(|| refused(400)));
        stage.shared.board.publish(head(50));
        let memory = stage.shared.memory.part();
        let range = Range { start: 5, end_exclusive: 6, confirming: false };
        let page =
            FetchedPage { entries: Vec::new(), missing: Some(range), completes: true, _memory: memory };
        stage.to.try_send(page).expect("there is room");
        let board = stage.shared.board.clone();
        let Stage { mut verifier, mut from, ends: (pages, verified), to: _to, .. } = stage;
        let mut cursor = LogCursor::starting(5, &head(1000));
        cursor.tree = Some(tree_of(5));
        let grows = async {
            sleep(Duration::from_secs(30)).await;
            board.publish(head(60));
            std::future::pending::<()>().await;
        };
        let passed = async {
            let Some(Verified::Missing { tree, .. }) = from.recv().await else {
                panic!("nothing is missing")
            };
            tree
        };
        let tree = tokio::select! {
            _ = verifier.run(cursor, pages, verified) => panic!("it ended"),
            () = grows => unreachable!(),
            tree = timeout(LONG, passed) => tree.expect("it goes on under the next head"),
        };
        assert_eq!(tree, Some(tree_of(6)));
    }
}

/// It came while the entries were being verified.
#[actix::test]
async fn a_newer_head_is_kept_when_an_older_one_is_refuted() {
    let shared = Shared::new();
    shared.board.publish(head(50));
    shared.board.publish(head(60));
    shared.board.disbelieve(&head(50));
    assert_eq!(shared.board.newest(), Some(head(60)));
    shared.board.disbelieve(&head(60));
    assert_eq!(shared.board.newest(), None);
}
