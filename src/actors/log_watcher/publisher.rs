//! The last stage: gives every index its place in the ledger, and appends the entries to the journal together with the
//! position of the log behind them. The journal publishes them.

use super::head_board::HeadBoard;
use super::log_cursor::LogCursor;
use super::malformed::{keep_undecodable, look_at};
use super::missing_board::MissingBoard;
use super::report::Reporter;
use super::retriever::{Recovered, named};
use super::unverified::{DecodedEntry, VerifiedBatch};
use super::verifier::Verified;
use crate::actors::outlet::Outlet;
use crate::clock;
use crate::config::{Start, WatchSettings};
use crate::ct::entry::Content;
use crate::ct::head::Head;
use crate::ct::merkle::CompactTree;
use crate::ct::source::LogIdentifier;
use crate::digest::Topic;
use crate::journal::{Append, AppendBlocks, Appended, block};
use crate::log_client::AnswerMemory;
use crate::log_client::Issuers;
use crate::message::EntryBatch;
use crate::printable::{MAX_CHARS, escaped};
use crate::state::{
    Decision, Ledger, MissingRange, OutOfTurn, Position, Positions, Skip, SkipRecord, SkippedFolder,
    UndecodableFolder, encode_position, parse_position,
};
use base64_simd::STANDARD;
use log::Level;
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Why publishing ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    /// Everything was published.
    All,
    /// Another server has published entries of this log.
    Superseded,
}

/// Publishes the entries of one log.
pub(super) struct Publisher {
    pub(super) reporter: Rc<Reporter>,
    pub(super) board: Rc<HeadBoard>,
    pub(super) memory: Arc<AnswerMemory>,
    pub(super) settings: WatchSettings,
    pub(super) undecodable: Arc<UndecodableFolder>,
    pub(super) positions: Arc<Positions>,
    pub(super) skipped: Arc<SkippedFolder>,
    /// The decision to pass entries over, from the configuration, until it is applied.
    pub(super) decision: Option<Decision>,
    pub(super) journal: Arc<dyn AppendBlocks>,
    pub(super) issuers: Arc<Issuers>,
    /// `None` if this process has no clients.
    pub(super) outlet: Option<Outlet>,
    /// When the clients of the last run have had time to come back.
    pub(super) grace_end: Instant,
    /// Set when no more entries may be published.
    pub(super) stopped: Rc<Cell<bool>>,
    /// Entries that the log did not serve before.
    pub(super) recovered: mpsc::Receiver<Recovered>,
    pub(super) missing: Rc<MissingBoard>,
    /// What clients have yet to be told about skips: a text for people, and the first index.
    pub(super) announcements: Vec<(String, u64)>,
    /// The position; `None` until the first head.
    pub(super) cursor: Option<LogCursor>,
    /// Whether the first head has been processed.
    pub(super) began: bool,
    /// Whether the newest entries are in the journal.
    pub(super) is_kept: bool,
    /// Whether another process has published entries of this log, so that the position is to be taken over anew.
    pub(super) is_superseded: bool,
}

impl Publisher {
    /// Takes over the position, from the journal or as it was saved. Returns the head that it was verified against.
    pub(super) async fn resume(&mut self) -> Option<Head> {
        let (name, source) = (self.reporter.name(), self.reporter.status().source().clone());
        self.ask_journal(&source.identity()).await;
        if std::mem::take(&mut self.is_superseded) {
            self.missing.clear();
            self.cursor = None;
        }
        let Some(saved) = self.positions.resume(&source) else {
            if let Some(other) = self.positions.at_url(source.url()) {
                log::warn!(
                    "{name}: the key of this URL has changed, so this is another log than before, and it is watched as \
                     a new one; the position of the log {other} is kept"
                );
            }
            return None;
        };
        if saved.url != source.url() {
            let (old, next) = (escaped(&saved.url, MAX_CHARS), saved.ledger.next);
            log::info!("{name}: its URL was {old}; going on at index {next} at {}", source.url());
        }
        self.board.restore(&saved.unreconciled);
        let head = saved.head.clone();
        saved.missing.iter().cloned().for_each(|range| self.missing.add(range));
        self.cursor = Some(LogCursor::saved(saved));
        head
    }

    /// Takes over the position that the journal has, if others append to it as well.
    async fn ask_journal(&self, log: &LogIdentifier) {
        let Some(encoded) = self.journal.position(log).await else { return };
        let Some(mut position) = parse_position(&encoded) else {
            let why = "the journal's position of this log was written by another version of this program";
            return self.reporter.halt(&format!("{why}; use the same version on all servers")).await;
        };
        // It was made for this process.
        position.decision = self.positions.get(log).and_then(|saved| saved.decision);
        self.positions.set(log, position);
    }

    /// The current position. The first head determines it unless a position was saved.
    pub(super) fn begin(&mut self, head: &Head) -> LogCursor {
        self.missing.requeue();
        let name = self.reporter.name();
        let is_new = self.cursor.is_none();
        let cursor = self.cursor.get_or_insert_with(|| {
            let next = match self.settings.start {
                Start::Head => head.tree_size,
                Start::Index(index) => index,
                Start::BeforeHead(count) => head.tree_size.saturating_sub(count),
            };
            log::info!("{name}: watching from index {next}, tree size {}", head.tree_size);
            LogCursor::starting(next, head)
        });
        if !self.began {
            self.began = true;
            if !is_new {
                limit_catch_up(name, cursor, head, self.settings.catch_up);
            }
            if cursor.next() > head.tree_size {
                let next = cursor.next();
                log::warn!("{name}: the log ends before index {next}; waiting for it to grow");
            }
        }
        let decisions = [cursor.decision.take(), self.decision.take()];
        decisions.into_iter().flatten().for_each(|decision| self.apply(decision, head));
        self.note_position();
        self.tell_missing();
        self.cursor.clone().unwrap_or_else(|| LogCursor::starting(head.tree_size, head))
    }

    /// Applies the decision to pass entries over.
    fn apply(&mut self, decision: Decision, head: &Head) {
        let (reporter, now_us) = (self.reporter.clone(), clock::unix_us());
        let (name, index, size) = (reporter.name(), decision.resume_from, head.tree_size);
        if index > size {
            return log::error!("{name}: not resuming from index {index}: the log has only {size} entries");
        }
        let Some(cursor) = &mut self.cursor else { return };
        let before = (cursor.tree.clone(), cursor.head.clone(), cursor.missing.clone());
        let Some(skip) = cursor.pass_over(decision, now_us / 1000) else { return };
        let (tree, head, missing) = before;
        let given_up = missing.iter().filter(|range| !cursor.missing.contains(range));
        given_up.for_each(|range| self.missing.replace(range.start, None));
        let base64 = |bytes: &[u8]| STANDARD.encode_to_string(bytes);
        let (status, snapshot) = (reporter.status(), reporter.status().snapshot());
        let record = SkipRecord {
            url: status.source().url(),
            log_id: status.source().log_id().map(|id| base64(&id)),
            skip: &skip,
            last_failure: snapshot.last_error_detail,
            last_misbehaviour: snapshot.last_misbehaviour_detail,
            verified_tree: tree.map(|tree| (tree.size(), base64(&tree.root()))),
            head: head.map(|head| String::from_utf8_lossy(&head.bytes).into_owned()),
        };
        let kept = match self.skipped.keep(&record) {
            Ok(path) => format!("what was known is in {}", path.display()),
            Err(error) => format!("failed to write down what was known: {error}"),
        };
        let Skip { start, end_exclusive, entries, because, .. } = &skip;
        let because = escaped(because, MAX_CHARS);
        let text =
            format!("{entries} of the entries {start} to {} are skipped: {because}", end_exclusive - 1);
        log::warn!("{name}: {text}; {kept}");
        self.announcements.push((text, *start));
    }

    /// Publishes what arrives in `verified`, until its sender is closed, or another server has published entries of this log.
    pub(super) async fn run(&mut self, mut verified: mpsc::Receiver<Verified>) -> Published {
        let mut heads = self.board.unreconciled_changes();
        loop {
            let verified = tokio::select! {
                verified = verified.recv() => verified,
                Some(recovered) = self.recovered.recv() => {
                    self.publish_recovered(recovered).await;
                    if self.is_superseded {
                        return Published::Superseded;
                    }
                    continue;
                }
                // The board outlives this stage, so the channel is not closed.
                _ = heads.changed() => {
                    self.note_position();
                    continue;
                }
                () = sleep_until(self.grace_end), if !self.announcements.is_empty() => {
                    for (text, start) in self.announcements.drain(..) {
                        self.reporter.alert("skipped", &text, Some(start), clock::unix_us());
                    }
                    continue;
                }
            };
            match verified {
                Some(Verified::Batch { batch, head }) => {
                    if let (Some(cursor), Some(head)) = (&mut self.cursor, head) {
                        cursor.head = Some(head);
                    }
                    self.publish(batch).await;
                }
                Some(Verified::Unhashable(entry)) => self.pass_over(&entry).await,
                Some(Verified::Missing { range, tree }) => self.miss(range, tree).await,
                None => return Published::All,
            }
            if self.is_superseded {
                return Published::Superseded;
            }
        }
    }

    /// Publishes a batch.
    async fn publish(&mut self, batch: VerifiedBatch) {
        let ledger = self.accounted(&batch.entries).await;
        let tree = batch.tree.clone();
        let count = self.send_batch(batch, |cursor| (cursor.ledger, cursor.tree) = (ledger, tree)).await;
        self.reporter.status().sent(ledger.next, count, Instant::now().into_std());
    }

    /// Publishes entries that were missing. The position does not move; what is missing shrinks with each batch.
    async fn publish_recovered(&mut self, recovered: Recovered) {
        let Recovered { mut range, batches, _memory } = recovered;
        let is_missing = |cursor: &LogCursor| cursor.missing.contains(&range);
        if !self.cursor.as_ref().is_some_and(is_missing) {
            // They have come a second time.
            return self.missing.replace(range.start, None);
        }
        let (start, count) = (range.start, range.count());
        for batch in batches {
            let undecodable = batch.entries.iter().filter(|entry| entry.content.is_err()).count() as u64;
            let delivered = batch.entries.len() as u64 - undecodable;
            let rest = range.rest(delivered + undecodable, batch.tree.clone());
            self.send_batch(batch, |cursor| {
                cursor.ledger.recover(delivered, undecodable);
                let missing = Arc::make_mut(&mut cursor.missing);
                match missing.iter().position(|missing| missing.start == range.start) {
                    Some(at) => drop(missing.splice(at..=at, rest.clone())),
                    None => missing.extend(rest.clone()),
                }
            })
            .await;
            if self.is_superseded {
                return;
            }
            self.missing.replace(range.start, rest.clone());
            let Some(rest) = rest else { break };
            range = rest;
        }
        self.tell_missing();
        log::info!("{}: {count} missing entries from index {start} on have come", self.reporter.name());
    }

    /// Appends a batch to the journal together with the position behind it, to which `advance` moves the cursor. The journal
    /// publishes it. Returns the number of entries.
    async fn send_batch(&mut self, batch: VerifiedBatch, advance: impl FnOnce(&mut LogCursor)) -> u64 {
        let _turn = match batch.is_large() {
            true => self.memory.turn_for_large_batch().await,
            false => None,
        };
        let mut decoded = Vec::with_capacity(batch.entries.len());
        for arrived in batch.entries {
            match arrived.content {
                Ok(entry) => {
                    if let Content::Entry(whole) = &entry.content {
                        self.reporter.status().sent_one(whole.entry_type);
                    }
                    look_at(&self.reporter, &entry, arrived.evidence);
                    decoded.push(entry);
                }
                Err(broken) => keep_undecodable(&self.reporter, &self.undecodable, &broken, arrived.index),
            }
        }
        self.unless_stopped().await;
        let Some(mut cursor) = self.cursor.clone() else { return 0 };
        advance(&mut cursor);
        let count = decoded.len();
        if count > 0 {
            let position = self.position(&cursor);
            match self.append(EntryBatch::new(decoded), position).await {
                Appended::Kept => self.is_kept = true,
                Appended::NotKept => self.is_kept = false,
                Appended::Superseded => {
                    let name = self.reporter.name();
                    log::info!(
                        "{name}: its newest block is not the one from here; going on where the cluster is"
                    );
                    self.is_superseded = true;
                    return 0;
                }
            }
        }
        self.cursor = Some(cursor);
        if count > 0 {
            // The block has the position.
            self.show_position();
        } else {
            self.note_position();
        }
        count as u64
    }

    /// Appends a batch to the journal. Its thread moves the saved position and publishes the batch, so that a stop of this
    /// stage separates neither from the block.
    async fn append(&self, mut batch: EntryBatch, position: Position) -> Appended {
        let outlet = self.outlet.clone();
        outlet.iter().for_each(|outlet| outlet.prepare(&batch));
        let source = self.reporter.status().source();
        let (log, encoded) = (source.identity(), encode_position(&position));
        let block = block::encode(source, &encoded, batch.entries(), |issuer| {
            self.journal.has_issuers() && self.issuers.keep(issuer)
        });
        let (count, next_index) = (batch.len() as u32, position.ledger.next);
        let first_index = batch.entries().first().map_or(next_index, |entry| entry.index);
        let (positions, moved) = (self.positions.clone(), log.clone());
        let publish = Box::new(move |first_seq: u64, is_kept: bool| {
            let end_seq = first_seq + u64::from(count);
            if is_kept {
                positions.moved(&moved, position, end_seq);
            }
            let Some(outlet) = outlet else { return };
            batch.number(first_seq);
            // What is not kept is fetched again, with other numbers.
            if is_kept {
                outlet.record(&batch);
            }
            outlet.publish(batch, end_seq);
        });
        let (done, taken) = oneshot::channel();
        self.journal.append(Append { log, block, count, first_index, next_index, publish, done }).await;
        // The thread stops only with the whole system, which also drops this future.
        match taken.await {
            Ok(appended) => appended,
            Err(_) => pending().await,
        }
    }

    /// Moves the position past entries that the log does not serve.
    pub(super) async fn miss(&mut self, range: MissingRange, tree: Option<CompactTree>) {
        let Some(mut ledger) = self.cursor.as_ref().map(|cursor| cursor.ledger) else { return };
        if let Err(error) = ledger.miss(range.start, range.end_exclusive) {
            return self.out_of_order(error).await;
        }
        self.unless_stopped().await;
        self.reporter.tell(Level::Warn, Topic { about: "entry", problem: "missing" }, |name| {
            format!(
                "{name}: {} not served by the log; going on behind, and requesting again later",
                named(&range)
            )
        });
        self.missing.add(range.clone());
        if let Some(cursor) = &mut self.cursor {
            Arc::make_mut(&mut cursor.missing).push(range);
        }
        self.move_to(ledger, tree);
        self.tell_missing();
    }

    /// Writes the missing entries to the status.
    fn tell_missing(&self) {
        if let Some(cursor) = &self.cursor {
            self.reporter.status().miss(&cursor.missing);
        }
    }

    /// The ledger with `entries` added. Never returns if that would leave a gap or a repetition.
    async fn accounted(&self, entries: &[DecodedEntry]) -> Ledger {
        let Some(mut ledger) = self.cursor.as_ref().map(|cursor| cursor.ledger) else {
            return self.reporter.halt("internal error: entries arrived before the first tree head").await;
        };
        let each = |arrived: &DecodedEntry| match arrived.content {
            Ok(_) => ledger.deliver(arrived.index),
            Err(_) => ledger.pass_over(arrived.index),
        };
        match entries.iter().try_for_each(each) {
            Ok(()) => ledger,
            Err(error) => self.out_of_order(error).await,
        }
    }

    async fn out_of_order<T>(&self, error: OutOfTurn) -> T {
        let why = "internal error, the entries are out of order";
        self.reporter.halt(&format!("{why}: {error}; no more entries of this log are sent")).await
    }

    /// Never returns once nothing more may be published.
    async fn unless_stopped(&self) {
        if self.stopped.get() {
            pending::<()>().await;
        }
    }

    /// Moves the position past the published entries.
    fn move_to(&mut self, ledger: Ledger, tree: Option<CompactTree>) {
        if let Some(cursor) = &mut self.cursor {
            (cursor.ledger, cursor.tree) = (ledger, tree);
        }
        self.note_position();
    }

    /// Writes the position to the status and to the saved positions.
    fn note_position(&self) {
        self.show_position();
        // What is not in the journal is fetched again after a restart.
        if let Some(cursor) = self.cursor.as_ref().filter(|_| self.is_kept) {
            let (log, position) = (self.reporter.status().source().identity(), self.position(cursor));
            self.journal.moved(&log, &|| encode_position(&position));
            self.positions.set(&log, position);
        }
    }

    /// Writes the position to the status.
    fn show_position(&self) {
        if let Some(cursor) = &self.cursor {
            let status = self.reporter.status();
            status.account(cursor.ledger);
            status.skip(&cursor.skips);
        }
    }

    /// The position to be saved.
    fn position(&self, cursor: &LogCursor) -> Position {
        let url = self.reporter.status().source().url();
        Position { unreconciled: self.board.unreconciled(), ..cursor.to_save(url) }
    }

    /// Skips an entry that cannot be hashed. The tree behind it is unknown.
    async fn pass_over(&mut self, arrived: &DecodedEntry) {
        if let Err(broken) = &arrived.content {
            keep_undecodable(&self.reporter, &self.undecodable, broken, arrived.index);
        }
        let ledger = self.accounted(std::slice::from_ref(arrived)).await;
        self.unless_stopped().await;
        self.move_to(ledger, None);
        if let Some(cursor) = &mut self.cursor {
            cursor.reset_tree();
        }
    }
}

/// Logs how far the position is behind the head after a restart, and skips entries beyond the limit `most`.
fn limit_catch_up(name: &str, cursor: &mut LogCursor, head: &Head, most: Option<u64>) {
    let (next, behind) = (cursor.next(), head.tree_size.saturating_sub(cursor.next()));
    log::info!("{name}: resuming at index {next}, {behind} entries behind the head");
    if let Some(most) = most.filter(|most| behind > *most) {
        let from = head.tree_size - most;
        log::warn!("{name}: skipping entries {next} to {}, because fetch.catch_up is {most}", from - 1);
        cursor.skip_to(from);
    }
}
