//! Compares the signed tree heads that the entries do not lead to: heads that are older than the newest verified one, and
//! those that are further ahead than the entries fetched so far. So every head that the log has signed is proven
//! consistent with its tree, or is evidence, and a fork is noticed while the log is still being caught up with.

use super::head_board::HeadBoard;
use super::head_tracker::described;
use super::log_requests::LogRequests;
use super::report::Reporter;
use super::unreconciled::Comparison;
use crate::backoff::Backoff;
use crate::ct::head::Head;
use crate::evidence::{Misbehaviour, OldTree};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Delay between two requests, as long as they are not urgent: front ends that lag behind show many old heads.
const PAUSE: Duration = Duration::from_secs(10);
/// Interval at which the position is looked at while heads wait.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reconciles the heads of one log.
pub(super) struct Reconciler<L> {
    log: Rc<L>,
    board: Rc<HeadBoard>,
    reporter: Rc<Reporter>,
    backoff: Backoff,
    /// The number of entries from which on the log is caught up with, instead of being followed.
    far: u64,
}

impl<L: LogRequests> Reconciler<L> {
    pub(super) fn new(log: Rc<L>, board: Rc<HeadBoard>, reporter: Rc<Reporter>, far: u64) -> Self {
        Reconciler { log, board, reporter, backoff: Backoff::default(), far }
    }

    /// Runs forever.
    pub(super) async fn run(&mut self) {
        let mut changes = self.board.unreconciled_changes();
        loop {
            changes.mark_unchanged();
            let position = self.reporter.status().position().unwrap_or_default();
            let newest = self.board.newest().map_or(0, |head| head.tree_size);
            let is_far_behind = newest.saturating_sub(position) > self.far;
            let wake = match self.board.next_comparison(position, is_far_behind) {
                Comparison::Due { old, new } => {
                    self.compare(&old, &new).await;
                    if is_far_behind {
                        continue;
                    }
                    sleep(PAUSE).await;
                    continue;
                }
                Comparison::Later(at) => Some(at.min(Instant::now() + INTERVAL)),
                Comparison::Nothing => None,
            };
            tokio::select! {
                // The board outlives this stage, so the channel is not closed.
                _ = changes.changed() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    async fn compare(&mut self, old: &Head, new: &Head) {
        match self.log.prove_head(old, new).await {
            Ok(Ok(())) => {
                self.backoff.succeeded();
                self.board.reconciled(old);
            }
            Ok(Err(refutation)) => {
                self.log.forget();
                let problem =
                    format!("{} does not lead to {}: {}", described(old), described(new), refutation.reason);
                let misbehaviour = Misbehaviour::Inconsistent {
                    beginning: OldTree::Head { head: old.bytes.as_ref().into() },
                    proof: refutation.proof,
                    head: new.bytes.as_ref().into(),
                };
                self.reporter.misbehaved(problem, misbehaviour);
                // It is evidence now. Entries are compared with the other one.
                self.board.reconciled(old);
            }
            Err(error) => {
                let what = format!("prove that {} is consistent with {}", described(old), described(new));
                sleep(self.reporter.failure(&mut self.backoff, &what, &error)).await;
            }
        }
    }
}
