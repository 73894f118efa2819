use super::super::reconciler::Reconciler;
use super::super::unreconciled::PATIENCE;
use super::*;
use crate::state::Ledger;

/// Runs the stage for `seconds` with the heads of `sizes`, at the position before `next`.
async fn run(log: &Rc<FakeLog>, shared: &Shared, sizes: &[u64], next: u64, seconds: u64) {
    shared.status.account(Ledger::from(next));
    for size in sizes {
        let head = head(*size);
        shared.board.judge(&head);
        if shared.board.newest().is_none_or(|newest| newest.tree_size < head.tree_size) {
            shared.board.publish(head);
        }
    }
    go_on(log, shared, seconds).await;
}

async fn go_on(log: &Rc<FakeLog>, shared: &Shared, seconds: u64) {
    let mut stage = Reconciler::new(log.clone(), shared.board.clone(), shared.reporter.clone(), 100);
    let _ = tokio::time::timeout(Duration::from_secs(seconds), stage.run()).await;
}

fn waiting(shared: &Shared) -> Vec<u64> {
    shared.board.unreconciled().iter().map(|head| head.tree_size).collect()
}

fn pairs(log: &FakeLog) -> Vec<(u64, u64)> {
    log.proofs.borrow().iter().map(|(old, new, _)| (*old, *new)).collect()
}

#[actix::test]
async fn while_the_log_is_caught_up_with_each_head_is_compared_with_the_next_one_at_once() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    run(&log, &shared, &[500, 600, 700], 10, 1).await;
    assert_eq!((pairs(&log), waiting(&shared)), (vec![(500, 600), (600, 700)], vec![700]));
    assert_eq!(shared.misbehaviours(), []);
}

#[actix::test]
async fn a_head_that_is_reached_soon_is_left_to_the_entries() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    run(&log, &shared, &[20, 30], 10, PATIENCE.as_secs() - 1).await;
    assert_eq!((pairs(&log), waiting(&shared)), (vec![], vec![20, 30]));
    go_on(&log, &shared, 3).await;
    assert_eq!((pairs(&log), waiting(&shared)), (vec![(20, 30)], vec![30]), "but not for ever");
}

#[actix::test]
async fn an_old_head_is_compared_with_the_proven_one() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    shared.board.know(head(50));
    run(&log, &shared, &[20, 30, 40], 50, 5).await;
    assert_eq!((pairs(&log), waiting(&shared)), (vec![(20, 50)], vec![30, 40]), "one after the other");
    go_on(&log, &shared, 25).await;
    assert_eq!((pairs(&log), waiting(&shared)), (vec![(20, 50), (30, 50), (40, 50)], vec![]));
    assert_eq!(shared.misbehaviours(), []);
}

#[actix::test]
async fn a_head_of_another_tree_is_evidence() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    shared.board.judge(&Head { root_hash: [7; 32], ..head(600) });
    run(&log, &shared, &[500, 700], 10, 1).await;
    assert_eq!((pairs(&log), waiting(&shared)), (vec![(500, 600), (600, 700)], vec![700]));
    assert_eq!(shared.misbehaviours(), [("inconsistent", 2)]);
    let files: Vec<_> = std::fs::read_dir(shared.dir.path().join("evidence/")).expect("a folder").collect();
    let text = std::fs::read_to_string(files[0].as_ref().expect("a file").path()).expect("a text");
    assert!(text.contains(r#""beginning": {"#) && text.contains(r#""head": {"#), "{text}");
}

#[actix::test]
async fn without_verification_no_heads_are_kept() {
    let shared = Shared::new();
    shared.board.switch_off();
    shared.board.restore(&[head(500)]);
    shared.board.judge(&head(600));
    assert!(waiting(&shared).is_empty());
}

#[actix::test]
async fn a_proof_that_is_refused_is_requested_again_and_the_head_stays() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1000), Shared::new());
    *log.refuses_proof.borrow_mut() = Box::new(|_, new| (new == 600).then(|| refused(400)));
    run(&log, &shared, &[500, 600], 10, 4).await;
    assert!((2..6).contains(&pairs(&log).len()), "{:?}", pairs(&log));
    assert_eq!((waiting(&shared), shared.misbehaviours()), (vec![500, 600], vec![]));
    *log.refuses_proof.borrow_mut() = Box::new(|_, _| None);
    go_on(&log, &shared, 1).await;
    assert_eq!(waiting(&shared), [600]);
}
