use super::super::head_tracker::HeadTracker;
use super::*;
use crate::log_client::FetchError;
use tokio::time::timeout;

/// Runs a tracker of `log` for `time`.
async fn track(log: &Rc<FakeLog>, shared: &Shared, time: Duration) {
    let (board, reporter) = (shared.board.clone(), shared.reporter.clone());
    let mut tracker = HeadTracker::new(log.clone(), board, reporter, SETTINGS.poll_interval);
    assert!(timeout(time, tracker.run()).await.is_err(), "it never ends");
}

#[actix::test]
async fn the_newest_head_is_published_and_one_that_lags_behind_is_not() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(20), Shared::new());
    log.heads.borrow_mut().extend([10, 20, 15].map(|size| Ok(Some(head(size)))));
    track(&log, &shared, Duration::from_secs(5)).await;
    assert_eq!(shared.board.newest(), Some(head(20)));
    assert!(log.polls.borrow().len() > 4, "{:?}", log.polls);
    assert_eq!(shared.status.snapshot().tree_size, 20);
    assert_eq!(shared.misbehaviours(), []);
}

/// No other stage runs here: nothing depends on what they do.
#[actix::test]
async fn heads_are_requested_at_the_logs_interval_all_the_time() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(1), Shared::new());
    let grows = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            log.size.set(log.size.get() + 1);
        }
    };
    tokio::select! {
        () = track(&log, &shared, Duration::from_secs(600)) => {}
        () = grows => {}
    }
    let polls = log.polls.borrow();
    let late = polls.iter().zip(polls.iter().skip(1)).skip(20).map(|(before, after)| *after - *before).max();
    assert!(late.expect("polls") < Duration::from_millis(1500), "{late:?}");
    assert!(polls.len() < 1500, "{} polls for 600 heads", polls.len());
    assert!(shared.board.newest().expect("a head").tree_size >= 598);
}

#[actix::test]
async fn a_log_that_fails_is_asked_ever_more_rarely_and_then_again() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(10), Shared::new());
    log.heads.borrow_mut().extend((0..6).map(|_| Err(refused(500))));
    track(&log, &shared, Duration::from_secs(120)).await;
    let polls = log.polls.borrow();
    // The delays are 1, 2, 4, 8, 16 and 32 s, reduced by up to half.
    for (n, (before, after)) in polls.iter().zip(polls.iter().skip(1)).take(6).enumerate() {
        let (waited, longest) = ((*after - *before).as_secs_f64(), f64::from(1 << n));
        assert!(waited >= longest / 2.0 && waited <= longest + 0.1, "{n}: {waited}");
    }
    assert_eq!(shared.board.newest(), Some(head(10)));
    assert_eq!(shared.status.snapshot().failures, 6);
}

#[actix::test]
async fn a_fork_is_evidence_and_is_not_published() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(20), Shared::new());
    let fork = Head { root_hash: [7; 32], bytes: "fork".into(), ..head(10) };
    log.heads.borrow_mut().extend([head(10), fork].map(|head| Ok(Some(head))));
    let mut seen = shared.board.subscribe();
    let published = async {
        loop {
            seen.changed().await.expect("the board is there");
            let newest = seen.borrow_and_update().clone();
            assert_ne!(newest.expect("a head").root_hash, [7; 32]);
        }
    };
    tokio::select! {
        () = track(&log, &shared, Duration::from_secs(20)) => {}
        () = published => {}
    }
    assert_eq!(shared.misbehaviours(), [("fork", 1)]);
    assert_eq!(shared.board.newest(), Some(head(20)), "the next head is used");
    let evidence = std::fs::read_dir(shared.dir.path().join("evidence")).expect("the folder").count();
    assert_eq!(evidence, 1);
}

#[actix::test]
async fn a_rollback_and_a_head_that_is_not_signed_are_evidence() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(20), Shared::new());
    let rollback = Head { timestamp_ms: 99_000, ..head(15) };
    let not_signed = FetchError::NotSigned { reason: "no signature".into(), bytes: "x".into() };
    log.heads.borrow_mut().extend([Ok(Some(head(20))), Ok(Some(rollback)), Err(not_signed)]);
    track(&log, &shared, Duration::from_secs(20)).await;
    assert_eq!(shared.misbehaviours(), [("bad_signature", 1), ("rollback", 1)]);
    assert_eq!(shared.board.newest(), Some(head(20)));
}

#[actix::test]
async fn a_head_that_has_not_changed_counts_as_heard() {
    tokio::time::pause();
    let (log, shared) = (FakeLog::of(20), Shared::new());
    assert_eq!(shared.status.snapshot().heard_seconds, None);
    log.heads.borrow_mut().extend((0..100).map(|_| Ok(None)));
    track(&log, &shared, Duration::from_secs(1)).await;
    assert!(shared.status.snapshot().heard_seconds.is_some());
    assert_eq!(shared.board.newest(), None);
}
