//! The tree heads of one log, which its stages share: the HeadTracker writes them, the Fetcher and the Verifier read the
//! newest one.

use super::heads::{Heads, Verdict};
use super::unreconciled::{Comparison, Unreconciled};
use crate::backoff::Backoff;
use crate::ct::head::Head;
use crate::ct::merkle::Hash;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The heads; see the module documentation.
#[derive(Debug, Default)]
pub(super) struct HeadBoard {
    known: RefCell<Heads>,
    /// The largest head that contradicts no other one.
    newest: watch::Sender<Option<Head>>,
    /// The signed heads that the tree has not been compared with.
    unreconciled: watch::Sender<Unreconciled>,
    /// The newest head that entries were proven to lead to.
    proven: RefCell<Option<Head>>,
    /// Whether nothing is compared with the tree, because verification is off.
    is_off: Cell<bool>,
    /// Backoff after misbehaviour; reset by the next successful proof.
    distrust: RefCell<Backoff>,
}

impl HeadBoard {
    /// Adds the head that the saved position was verified against. It is not published, but later heads are compared with it.
    pub(super) fn know(&self, saved: Head) {
        self.known.borrow_mut().judge(&saved);
        *self.proven.borrow_mut() = Some(saved);
    }

    /// Keeps no heads to be compared with the tree.
    pub(super) fn switch_off(&self) {
        self.is_off.set(true);
    }

    /// Adds the heads that had not been reconciled before a restart.
    pub(super) fn restore(&self, unreconciled: &[Head]) {
        for head in unreconciled {
            self.judge(head);
        }
    }

    /// Compares `head` with the earlier ones; see [`Heads::judge`]. If it contradicts none and is signed, it waits to be
    /// compared with the tree.
    pub(super) fn judge(&self, head: &Head) -> Verdict {
        let mut known = self.known.borrow_mut();
        let is_new = !known.contains(head.tree_size);
        let verdict = known.judge(head);
        let contradicts = matches!(verdict, Verdict::Fork { .. } | Verdict::Rollback { .. });
        if is_new && !contradicts && head.signed && head.tree_size > 0 && !self.is_off.get() {
            self.unreconciled.send_modify(|heads| heads.add(head.clone(), Instant::now()));
        }
        verdict
    }

    /// The heads that wait to be compared with the tree.
    pub(super) fn unreconciled(&self) -> Arc<Vec<Head>> {
        self.unreconciled.borrow().heads().clone()
    }

    /// A way to wait for changes of these heads.
    pub(super) fn unreconciled_changes(&self) -> watch::Receiver<Unreconciled> {
        self.unreconciled.subscribe()
    }

    /// Their sizes beyond `size`.
    pub(super) fn unreconciled_beyond(&self, size: u64) -> Vec<u64> {
        self.unreconciled.borrow().sizes_beyond(size)
    }

    /// Records that `root` is the verified root of the first `size` entries.
    pub(super) fn verified(&self, size: u64, root: &Hash) {
        self.unreconciled.send_if_modified(|heads| heads.verified(size, root));
    }

    /// Records that `head` has been compared.
    pub(super) fn reconciled(&self, head: &Head) {
        self.unreconciled.send_if_modified(|heads| heads.remove(head.tree_size));
    }

    /// Which heads to compare next; see [`Unreconciled::next`].
    pub(super) fn next_comparison(&self, position: u64, is_far_behind: bool) -> Comparison {
        let proven = self.proven.borrow();
        self.unreconciled.borrow().next(position, proven.as_ref(), is_far_behind, Instant::now())
    }

    /// Publishes a head that is larger than the newest one.
    pub(super) fn publish(&self, head: Head) {
        self.newest.send_replace(Some(head));
    }

    /// The newest head, and a way to wait for the next one.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Head>> {
        self.newest.subscribe()
    }

    /// The newest head, if there is one.
    pub(super) fn newest(&self) -> Option<Head> {
        self.newest.borrow().clone()
    }

    /// Waits for the first head.
    pub(super) async fn first(&self) -> Head {
        let mut heads = self.subscribe();
        loop {
            if let Some(head) = heads.borrow_and_update().clone() {
                return head;
            }
            // The sender belongs to this object, so the channel is not closed.
            let _ = heads.changed().await;
        }
    }

    /// Removes a head that the log's entries do not lead to. Later heads are not compared with it.
    pub(super) fn disbelieve(&self, head: &Head) {
        self.known.borrow_mut().forget(head);
        self.reconciled(head);
        // A newer head may have come while the entries were verified.
        self.newest
            .send_if_modified(|newest| newest.take_if(|newest| newest.tree_size == head.tree_size).is_some());
    }

    /// Records misbehaviour. Returns the delay before the log is trusted again.
    pub(super) fn distrusted(&self) -> Duration {
        self.distrust.borrow_mut().failed(None, rand::random())
    }

    /// Records that entries were proven to lead to `head`.
    pub(super) fn proven(&self, head: &Head) {
        self.distrust.borrow_mut().succeeded();
        *self.proven.borrow_mut() = Some(head.clone());
    }
}
