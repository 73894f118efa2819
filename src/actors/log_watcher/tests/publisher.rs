use super::super::publisher::Publisher;
use super::super::retriever::Recovered;
use super::super::unverified::{UnverifiedEntries, VerifiedBatch};
use super::super::verifier::Verified;
use super::*;
use crate::actors::broker::Newest;
use crate::ct::source::LogIdentifier;
use crate::log_client::{DecodeFailure, EntryTexts};
use crate::state::{Between, Decision, MissingRange, Position, Positions};
use tokio::sync::mpsc;
use tokio::time::timeout;

struct Stage {
    shared: Shared,
    publisher: Publisher,
    positions: Arc<Positions>,
    stopped: Rc<Cell<bool>>,
    recovered: mpsc::Sender<Recovered>,
}

fn stage(settings: WatchSettings, positions: Positions) -> Stage {
    let (shared, positions, stopped) = (Shared::new(), Arc::new(positions), Rc::new(Cell::new(false)));
    let (recovered_in, recovered) = mpsc::channel(1);
    let publisher = Publisher {
        settings,
        positions: positions.clone(),
        stopped: stopped.clone(),
        ..shared.publisher(recovered)
    };
    Stage { shared, publisher, positions, stopped, recovered: recovered_in }
}

const URL: &str = "https://log.example";
const LOG: LogIdentifier = LogIdentifier::LogId([1; 32]);

fn broken() -> DecodeFailure {
    let texts = EntryTexts { leaf_input: "AA==".into(), extra_data: String::new() };
    DecodeFailure { reason: "because".into(), texts: Some(texts) }
}

impl Stage {
    fn batches(&mut self, entries: Vec<DecodedEntry>) -> Vec<VerifiedBatch> {
        let cursor = self.publisher.begin(&head(100));
        let mut unverified = UnverifiedEntries::behind(&cursor, true);
        entries.into_iter().for_each(|entry| assert!(unverified.push(entry).is_none()));
        unverified.take_proven()
    }

    fn entries(&self, indexes: std::ops::Range<u64>) -> Vec<DecodedEntry> {
        indexes.map(|index| decoded(index, &self.shared.reporter)).collect()
    }

    /// Passes on the entries of `range`, which were missing.
    fn recover(&self, range: &MissingRange) {
        let before = range.between.as_ref().map(|between| between.before.clone());
        let mut unverified = UnverifiedEntries::after(before, range.start);
        for entry in self.entries(range.start..range.end_exclusive) {
            assert!(unverified.push(entry).is_none());
        }
        let (batches, memory) = (unverified.take_proven(), self.shared.memory.part());
        let recovered = Recovered { range: range.clone(), batches, _memory: memory };
        self.recovered.try_send(recovered).expect("there is room");
    }

    /// Publishes `batches` under the head of 100 entries. Returns whether that came to an end.
    async fn publish(&mut self, batches: Vec<VerifiedBatch>) -> bool {
        let (sender, receiver) = mpsc::channel(100);
        for batch in batches {
            sender.try_send(Verified::Batch { batch, head: Some(head(100)) }).expect("there is room");
        }
        drop(sender);
        timeout(Duration::from_secs(5), self.publisher.run(receiver)).await.is_ok()
    }
}

#[actix::test]
async fn entries_are_sent_and_the_position_moves_with_its_tree_and_head() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let entries = stage.entries(0..30);
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    let saved = stage.positions.get(&LOG).expect("a position");
    assert_eq!((saved.ledger.next, saved.ledger.delivered), (30, 30));
    assert_eq!((saved.tree, saved.head, saved.url.as_str()), (Some(tree_of(30)), Some(head(100)), URL));
    let newest = stage.shared.broker.send(Newest).await.expect("the Broker");
    assert_eq!(newest.last().expect("an entry").index, 29);
}

#[actix::test]
async fn an_entry_that_cannot_be_decoded_is_counted_and_kept() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let mut entries = stage.entries(0..3);
    entries[1].content = Err(broken());
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    let snapshot = stage.shared.status.snapshot();
    assert_eq!((snapshot.position, snapshot.delivered, snapshot.undecodable), (3, 2, 1));
    assert!(stage.shared.dir.path().join("undecodable/log.example-1.json").exists());
}

#[actix::test]
async fn a_batch_without_any_decodable_entry_moves_the_position_too() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let mut entries = stage.entries(0..2);
    entries.iter_mut().for_each(|entry| entry.content = Err(broken()));
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    assert_eq!(stage.positions.get(&LOG).expect("a position").ledger.undecodable, 2);
}

#[actix::test]
async fn entries_out_of_order_are_not_sent() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let mut entries = stage.entries(0..4);
    entries.swap(1, 2);
    let batches = stage.batches(entries);
    assert!(!stage.publish(batches).await, "it never goes on");
    let snapshot = stage.shared.status.snapshot();
    assert!(snapshot.halted.expect("a reason").contains("found index 2, expected 1"));
    assert_eq!((snapshot.position, snapshot.delivered), (0, 0));
}

#[actix::test]
async fn nothing_is_sent_after_a_stop_and_the_position_stays() {
    for undecodable in [false, true] {
        let mut stage = stage(SETTINGS, Positions::in_memory());
        let mut entries = stage.entries(0..4);
        if undecodable {
            entries.iter_mut().for_each(|entry| entry.content = Err(broken()));
        }
        let batches = stage.batches(entries);
        stage.stopped.set(true);
        assert!(!stage.publish(batches).await, "it waits to be dropped");
        assert_eq!(stage.positions.get(&LOG).expect("a position").ledger.next, 0);
        assert!(stage.shared.broker.send(Newest).await.expect("the Broker").is_empty());
    }
}

#[actix::test]
async fn behind_an_entry_that_cannot_be_hashed_the_tree_is_unknown() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let entries = stage.entries(0..5);
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    let (sender, receiver) = mpsc::channel(1);
    let unhashable =
        DecodedEntry { leaf_hash: None, content: Err(broken()), ..decoded(5, &stage.shared.reporter) };
    sender.try_send(Verified::Unhashable(unhashable)).expect("there is room");
    drop(sender);
    stage.publisher.run(receiver).await;
    let cursor = stage.publisher.begin(&head(100));
    assert_eq!((cursor.next(), cursor.missing_tree().map(|missing| missing.size)), (6, Some(6)));
}

#[actix::test]
async fn a_start_is_at_the_head_or_where_the_settings_say_and_later_where_it_ended() {
    for (start, next) in [(Start::Head, 100), (Start::Index(7), 7), (Start::BeforeHead(30), 70)] {
        let mut stage = stage(WatchSettings { start, ..SETTINGS }, Positions::in_memory());
        assert_eq!(stage.publisher.resume().await, None);
        assert_eq!(stage.publisher.begin(&head(100)).next(), next);
        assert_eq!(stage.publisher.begin(&head(150)).next(), next, "a later head changes nothing");
    }
}

#[actix::test]
async fn a_restart_goes_on_where_it_was_and_leaves_out_what_is_beyond_the_limit() {
    for (catch_up, next, skipped) in [(None, 20, 0), (Some(80), 20, 0), (Some(30), 70, 50)] {
        let mut before = stage(SETTINGS, Positions::in_memory());
        let entries = before.entries(0..20);
        let batches = before.batches(entries);
        assert!(before.publish(batches).await);
        let positions = Positions::in_memory();
        positions.set(&LOG, before.positions.get(&LOG).expect("a position"));

        let mut after = stage(WatchSettings { catch_up, ..SETTINGS }, positions);
        assert_eq!(after.publisher.resume().await, Some(head(100)));
        let cursor = after.publisher.begin(&head(100));
        assert_eq!((cursor.next(), cursor.ledger.skipped), (next, skipped));
        assert_eq!(cursor.tree.is_some(), skipped == 0, "the tree before it is known");
    }
}

#[actix::test]
async fn another_key_is_another_log() {
    let mut before = stage(SETTINGS, Positions::in_memory());
    before.publisher.begin(&head(100));
    let positions = Positions::in_memory();
    let saved = before.positions.get(&LOG).expect("a position");
    positions.set(&LogIdentifier::LogId([2; 32]), saved.clone());
    let mut after = stage(SETTINGS, positions);
    assert_eq!(after.publisher.resume().await, None);
    assert_eq!(after.publisher.begin(&head(50)).next(), 0);
    assert_eq!(
        after.positions.get(&LogIdentifier::LogId([2; 32])),
        Some(saved),
        "its position is left alone"
    );
}

#[actix::test]
async fn a_decision_is_applied_once_and_written_down() {
    for is_saved in [true, false] {
        let mut before = stage(SETTINGS, Positions::in_memory());
        let entries = before.entries(0..20);
        let batches = before.batches(entries);
        assert!(before.publish(batches).await);
        let decision = Decision { resume_from: 60, because: "it is\nlost".into() };
        let (of_state, of_config) = if is_saved { (Some(decision), None) } else { (None, Some(decision)) };
        let saved = before.positions.get(&LOG).expect("a position");
        let positions = Positions::in_memory();
        positions.set(&LOG, Position { decision: of_state, ..saved });

        let mut after = stage(SETTINGS, positions);
        after.publisher.decision = of_config.clone();
        after.publisher.resume().await;
        let cursor = after.publisher.begin(&head(100));
        assert_eq!((cursor.next(), cursor.ledger.skipped, cursor.tree), (60, 40, None));
        let saved = after.positions.get(&LOG).expect("a position");
        assert_eq!((saved.decision, saved.skips.len()), (None, 1));
        let shown = after.shared.status.snapshot();
        assert_eq!((shown.skips, shown.skipped), (saved.skips.to_vec(), 40));
        let [file] = std::fs::read_dir(after.shared.dir.path().join("skipped"))
            .expect("a folder")
            .map(|file| file.expect("a file").path())
            .collect::<Vec<_>>()
            .try_into()
            .expect("one file");
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).expect("a record")).expect("JSON");
        assert_eq!((&record["start"], &record["entries"]), (&20.into(), &40.into()));
        assert_eq!((&record["because"], &record["verified_tree"][0]), (&"it is\nlost".into(), &20.into()));

        after.publisher.began = false;
        after.publisher.decision = of_config;
        assert_eq!(after.publisher.begin(&head(100)).skips.len(), 1, "once");
    }
}

#[actix::test]
async fn a_decision_beyond_the_end_of_the_log_is_not_applied() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    stage.publisher.decision = Some(Decision { resume_from: 101, because: "of a typo".into() });
    let cursor = stage.publisher.begin(&head(100));
    assert_eq!((cursor.next(), cursor.skips.len()), (0, 0));
}

#[actix::test]
async fn missing_entries_are_in_the_account_until_they_come_also_over_a_restart() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let entries = stage.entries(0..5);
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    let (sender, receiver) = mpsc::channel(1);
    let range = super::retriever::missing_range(5);
    sender
        .try_send(Verified::Missing { range: range.clone(), tree: Some(tree_of(6)) })
        .expect("there is room");
    drop(sender);
    stage.publisher.run(receiver).await;
    let saved = stage.positions.get(&LOG).expect("a position");
    assert_eq!(
        (saved.ledger.next, saved.ledger.missing, &saved.missing),
        (6, 1, &Arc::new(vec![range.clone()]))
    );
    assert_eq!(saved.tree, Some(tree_of(6)));

    let positions = Positions::in_memory();
    positions.set(&LOG, saved);
    let mut after = self::stage(SETTINGS, positions);
    after.publisher.resume().await;
    after.publisher.begin(&head(100));
    assert_eq!(after.shared.missing.all(), [range]);
    after.recover(&super::retriever::missing_range(5));
    let (_sender, receiver) = mpsc::channel(1);
    assert!(timeout(Duration::from_secs(5), after.publisher.run(receiver)).await.is_err(), "it goes on");
    after.recover(&super::retriever::missing_range(5));
    let (_sender, receiver) = mpsc::channel(1);
    assert!(timeout(Duration::from_secs(5), after.publisher.run(receiver)).await.is_err(), "it goes on");
    let saved = after.positions.get(&LOG).expect("a position");
    assert_eq!((saved.ledger.next, saved.ledger.delivered, saved.ledger.missing), (6, 6, 0), "each once");
    assert!(saved.missing.is_empty() && after.shared.missing.all().is_empty());
    let newest = after.shared.broker.send(Newest).await.expect("the Broker");
    assert_eq!(newest.iter().map(|entry| entry.index).collect::<Vec<_>>(), [5]);
}

/// A tile may have messages of many megabytes. A stop in the middle must neither lose nor repeat a part of them.
#[actix::test]
async fn a_missing_range_is_published_in_batches_and_shrinks_with_each() {
    // The journal may be so quick that all are published before this thread stops the stage.
    for _ in 0..50 {
        if is_stopped_in_the_middle_of_a_missing_range().await {
            return;
        }
    }
    panic!("it was never stopped in the middle");
}

/// Returns whether only a part was published.
async fn is_stopped_in_the_middle_of_a_missing_range() -> bool {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    stage.publisher.begin(&head(300));
    let between = Between { before: tree_of(0), root_after: tree_of(256).root() };
    let range = MissingRange { start: 0, end_exclusive: 256, between: Some(between) };
    stage.publisher.miss(range.clone(), Some(tree_of(256))).await;
    stage.recover(&range);
    let (_sender, receiver) = mpsc::channel(1);
    let (stopped, status, positions) = (stage.stopped.clone(), stage.shared.status.clone(), &stage.positions);
    let stop = async {
        while positions.get(&LOG).expect("a position").ledger.missing == 256 {
            tokio::task::yield_now().await;
        }
        stopped.set(true);
        sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        biased;
        () = stop => {}
        _ = stage.publisher.run(receiver) => panic!("it ended"),
    }
    let saved = stage.positions.get(&LOG).expect("a position");
    let sent = stage.shared.broker.send(Newest).await.expect("the Broker").len() as u64;
    assert!(sent > 0 && sent <= 256, "{sent}");
    assert_eq!((saved.ledger.delivered, saved.ledger.missing, saved.ledger.next), (sent, 256 - sent, 256));
    assert_eq!(status.snapshot().missing, 256 - sent);
    if sent == 256 {
        return false;
    }
    let rest = saved.missing.first().expect("the rest");
    assert_eq!((rest.start, rest.end_exclusive), (sent, 256));
    assert_eq!(rest.between.as_ref().expect("the trees").before, tree_of(sent));
    assert_eq!(*saved.missing, stage.shared.missing.all());
    true
}

/// The disk is full, for example. Clients get the entries now, and once more after a restart, rather than never.
#[actix::test]
async fn the_saved_position_stays_before_entries_that_the_journal_does_not_have() {
    let mut stage = stage(SETTINGS, Positions::in_memory());
    let entries = stage.entries(0..10);
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    stage.shared.journal.close().expect("a journal in memory");
    let entries = stage.entries(10..20);
    let batches = stage.batches(entries);
    assert!(stage.publish(batches).await);
    assert_eq!(stage.positions.get(&LOG).expect("a position").ledger.next, 10);
    assert_eq!(stage.shared.status.snapshot().position, 20);
    let newest = stage.shared.broker.send(Newest).await.expect("the Broker");
    assert_eq!(newest.last().expect("an entry").index, 19, "it was sent");
}
