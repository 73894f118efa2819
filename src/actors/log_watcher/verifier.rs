//! The third stage: verifies that the fetched entries lead to a head that the log has signed, and passes them on only
//! then.
//!
//! The proof is requested for the newest head. If the log refuses it, the next head takes its place: front ends that lag
//! behind each other may know a head and not yet its proof. Only a proof that contradicts a signed head is misbehaviour.

use super::fetcher::FetchedPage;
use super::head_board::HeadBoard;
use super::head_tracker::described;
use super::log_cursor::{LogCursor, Missing};
use super::log_requests::LogRequests;
use super::report::Reporter;
use super::unverified::{DecodedEntry, UnverifiedEntries, VerifiedBatch};
use crate::backoff::Backoff;
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::digest::Topic;
use crate::evidence::{Misbehaviour, OldTree};
use crate::log_client::{AnswerMemory, FetchError, ProofFailure, Range};
use crate::state::{Between, MissingRange};
use log::Level;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Entries that may be published.
#[derive(Debug)]
pub(super) enum Verified {
    /// Entries that lead to `head`; `None` without verification.
    Batch { batch: VerifiedBatch, head: Option<Head> },
    /// The next entry, which has no bytes that could be hashed, so that the tree behind it is unknown.
    Unhashable(DecodedEntry),
    /// The next entries, which the log does not serve, and the verified tree behind them; `None` without verification.
    Missing { range: MissingRange, tree: Option<CompactTree> },
}

/// Why verification ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum VerificationEnd {
    /// The log's data contradicts its head. The entries have to be fetched again after this delay.
    Contradicted(Duration),
    /// The tree has to be built anew from the log's proofs.
    TreeLost,
    /// Another stage has ended.
    Closed,
}

/// Verifies the entries of one log.
pub(super) struct Verifier<L> {
    log: Rc<L>,
    board: Rc<HeadBoard>,
    reporter: Rc<Reporter>,
    memory: Arc<AnswerMemory>,
    is_off: bool,
    backoff: Backoff,
    /// The sizes of heads that the tree has grown to, and its roots there, which are not proven yet.
    passed: Vec<(u64, Hash)>,
}

impl<L: LogRequests> Verifier<L> {
    /// With `is_off`, entries are passed on unverified.
    pub(super) fn new(
        log: Rc<L>,
        board: Rc<HeadBoard>,
        reporter: Rc<Reporter>,
        memory: Arc<AnswerMemory>,
        is_off: bool,
    ) -> Self {
        Verifier { log, board, reporter, memory, is_off, backoff: Backoff::default(), passed: Vec::new() }
    }

    /// Verifies the entries in `pages` from `cursor` on, and sends them to `verified`.
    pub(super) async fn run(
        &mut self,
        mut cursor: LogCursor,
        mut pages: mpsc::Receiver<FetchedPage>,
        verified: mpsc::Sender<Verified>,
    ) -> VerificationEnd {
        if !self.is_off
            && let Err(end) = self.bootstrap(&mut cursor).await
        {
            return end;
        }
        self.passed.clear();
        let mut unverified = UnverifiedEntries::behind(&cursor, !self.is_off);
        let mut memory = self.memory.part();
        while let Some(FetchedPage { entries, missing, completes, _memory: of_page }) = pages.recv().await {
            let mut heads_ahead =
                unverified.tree().map_or(Vec::new(), |tree| self.board.unreconciled_beyond(tree.size()));
            for entry in entries {
                let next = entry.index + 1;
                if let Some(unhashable) = unverified.push(entry) {
                    return match self.release(&mut unverified, &verified).await {
                        Ok(()) => self.pass_unhashable(unhashable, cursor.next(), &verified).await,
                        Err(end) => end,
                    };
                }
                if heads_ahead.first() == Some(&next)
                    && let Some(tree) = unverified.tree()
                {
                    self.passed.push((next, tree.root()));
                    heads_ahead.remove(0);
                }
                if unverified.is_due_at(next)
                    && let Err(end) = self.release(&mut unverified, &verified).await
                {
                    return end;
                }
            }
            if (completes || self.is_off)
                && !unverified.is_empty()
                && let Err(end) = self.release(&mut unverified, &verified).await
            {
                return end;
            }
            if let Some(range) = missing
                && let Err(end) = self.pass_missing(range, &mut unverified, &verified).await
            {
                return end;
            }
            memory.set(unverified.bytes());
            drop(of_page);
        }
        VerificationEnd::Closed
    }

    /// Ensures that there is a verified tree to start from.
    async fn bootstrap(&mut self, cursor: &mut LogCursor) -> Result<(), VerificationEnd> {
        let Some(Missing { size, root }) = cursor.missing_tree() else { return Ok(()) };
        loop {
            let head = self.head_of(size + 1).await;
            match self.log.tree_at(size, root.as_ref(), &head).await {
                Ok(Ok(tree)) => {
                    self.backoff.succeeded();
                    // The log was first seen at this head.
                    root.inspect(|root| self.board.verified(size, root));
                    cursor.tree = Some(tree);
                    return Ok(());
                }
                Ok(Err(refutation)) => {
                    let root = root.map(|root| root.as_slice().into());
                    return Err(self.disbelieve(&head, OldTree::Root { size, root }, refutation));
                }
                Err(error) => {
                    self.failed(&format!("prove the tree of {size} entries"), &error, &head).await;
                }
            }
        }
    }

    /// Publishes the entries collected in `unverified` once they are proven to lead to a head.
    async fn release(
        &mut self,
        unverified: &mut UnverifiedEntries,
        verified: &mpsc::Sender<Verified>,
    ) -> Result<(), VerificationEnd> {
        let head = self.prove(unverified).await?;
        for (size, root) in self.passed.drain(..) {
            self.board.verified(size, &root);
        }
        for batch in unverified.take_proven() {
            let batch = Verified::Batch { batch, head: head.clone() };
            verified.send(batch).await.map_err(|_| VerificationEnd::Closed)?;
        }
        Ok(())
    }

    /// Proves the tree of `unverified`. Returns the head that it leads to; `None` without verification.
    async fn prove(&mut self, unverified: &UnverifiedEntries) -> Result<Option<Head>, VerificationEnd> {
        let Some(tree) = unverified.tree() else { return Ok(None) };
        loop {
            let head = self.head_of(tree.size()).await;
            match self.log.prove(tree, &head).await {
                Ok(Ok(())) => {
                    self.backoff.succeeded();
                    self.board.proven(&head);
                    self.reporter.status().verified(head.tree_size);
                    return Ok(Some(head));
                }
                Ok(Err(refutation)) => {
                    let beginning = unverified.beginning().ok_or(VerificationEnd::Closed)?;
                    return Err(self.disbelieve(&head, beginning, refutation));
                }
                Err(error) => {
                    let what = format!("prove that {} entries lead to the head", tree.size());
                    self.failed(&what, &error, &head).await;
                }
            }
        }
    }

    /// The newest head of at least `size` entries.
    async fn head_of(&self, size: u64) -> Head {
        let mut heads = self.board.subscribe();
        loop {
            let newest = heads.borrow_and_update().clone();
            if let Some(head) = newest.filter(|head| head.tree_size >= size) {
                return head;
            }
            // The board outlives this stage, so the channel is not closed.
            let _ = heads.changed().await;
        }
    }

    /// Waits after a failed request, until a larger head than `head` may be proven or the delay has passed.
    async fn failed(&mut self, what: &str, error: &FetchError, head: &Head) {
        let wait = self.reporter.failure(&mut self.backoff, what, error);
        // A log that is overloaded is left alone for the whole delay.
        if error.is_overload() {
            return sleep(wait).await;
        }
        let mut heads = self.board.subscribe();
        let newer =
            heads.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.tree_size > head.tree_size));
        tokio::select! {
            () = sleep(wait) => {}
            _ = newer => {}
        }
    }

    /// Records that the log's data contradicts `head`, which is then no longer used.
    fn disbelieve(&self, head: &Head, beginning: OldTree, refutation: ProofFailure) -> VerificationEnd {
        self.board.disbelieve(head);
        self.log.forget();
        let (problem, proof) = (format!("{}: {}", described(head), refutation.reason), refutation.proof);
        let head = head.bytes.as_ref().into();
        self.reporter.misbehaved(problem, Misbehaviour::Inconsistent { beginning, proof, head });
        let wait = self.board.distrusted();
        self.reporter.tell(
            Level::Warn,
            Topic { about: "misbehaviour", problem: "the log is on hold" },
            |name| format!("{name}: on hold; trying again in {wait:.1?}"),
        );
        VerificationEnd::Contradicted(wait)
    }

    /// Passes on that the log does not serve the entries of `range`. The trees on both sides are proven to lead to one
    /// head, so that entries behind `range` can be verified, and those of `range` when they come. All entries before it
    /// have been passed on.
    async fn pass_missing(
        &mut self,
        range: Range,
        unverified: &mut UnverifiedEntries,
        verified: &mpsc::Sender<Verified>,
    ) -> Result<(), VerificationEnd> {
        let Range { start, end_exclusive, .. } = range;
        let mut between = None;
        let mut tree = None;
        if let Some(before) = unverified.tree().cloned() {
            let behind = self.prove_both(&before, end_exclusive).await?;
            between = Some(Between { before, root_after: behind.root() });
            unverified.go_on_with(behind.clone());
            tree = Some(behind);
        }
        let range = MissingRange { start, end_exclusive, between };
        verified.send(Verified::Missing { range, tree }).await.map_err(|_| VerificationEnd::Closed)
    }

    /// Returns the tree of the first `size` entries, whose last one is unknown, once one head proves both it and `before`.
    async fn prove_both(&mut self, before: &CompactTree, size: u64) -> Result<CompactTree, VerificationEnd> {
        // A proof from a tree whose size is a power of two leaves out the root of that tree.
        let proven = size + u64::from(size.is_power_of_two());
        loop {
            let head = self.head_of(proven + 1).await;
            let refuted = match self.log.tree_at(proven, None, &head).await {
                Ok(Ok(tree)) => match self.log.prove(before, &head).await {
                    Ok(Ok(())) => {
                        self.backoff.succeeded();
                        let tree = if proven == size { Some(tree) } else { tree.without_last_leaf() };
                        return tree.ok_or(VerificationEnd::TreeLost);
                    }
                    Ok(Err(refutation)) => Ok((OldTree::entries(before, &[]), refutation)),
                    Err(error) => Err(error),
                },
                Ok(Err(refutation)) => Ok((OldTree::Root { size: proven, root: None }, refutation)),
                Err(error) => Err(error),
            };
            match refuted {
                Ok((beginning, refutation)) => return Err(self.disbelieve(&head, beginning, refutation)),
                Err(error) => {
                    let what = format!("prove the trees of {} and {proven} entries", before.size());
                    self.failed(&what, &error, &head).await;
                }
            }
        }
    }

    /// Passes on an entry whose bytes are not valid base64, so that its leaf hash is unknown. Entries before `next` were
    /// published already.
    async fn pass_unhashable(
        &self,
        entry: DecodedEntry,
        next: u64,
        verified: &mpsc::Sender<Verified>,
    ) -> VerificationEnd {
        if entry.content.is_err() && entry.index >= next {
            return match verified.send(Verified::Unhashable(entry)).await {
                Ok(()) => VerificationEnd::TreeLost,
                Err(_) => VerificationEnd::Closed,
            };
        }
        let index = entry.index;
        self.reporter.tell(Level::Warn, Topic { about: "entry", problem: "cannot be hashed" }, |name| {
            format!("{name}: entry {index} cannot be hashed; waiting for it")
        });
        VerificationEnd::Contradicted(self.board.distrusted())
    }
}
