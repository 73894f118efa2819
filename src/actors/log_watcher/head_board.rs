//! The tree heads of one log, which its stages share: the HeadTracker writes them, the Fetcher and the Verifier read the
//! newest one.

use super::backoff::Backoff;
use super::heads::{Heads, Verdict};
use crate::ct::head::Head;
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::watch;

/// The heads; see the module documentation.
#[derive(Debug, Default)]
pub(super) struct HeadBoard {
    known: RefCell<Heads>,
    /// The largest head that contradicts no other one.
    newest: watch::Sender<Option<Head>>,
    /// Backoff after misbehaviour; reset by the next successful proof.
    distrust: RefCell<Backoff>,
}

impl HeadBoard {
    /// Adds the head saved before a restart. It is not published, but later heads are compared with it.
    pub(super) fn know(&self, saved: Head) {
        self.known.borrow_mut().judge(&saved);
    }

    /// Compares `head` with the earlier ones; see [`Heads::judge`].
    pub(super) fn judge(&self, head: &Head) -> Verdict {
        self.known.borrow_mut().judge(head)
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
        // A newer head may have come while the entries were verified.
        self.newest
            .send_if_modified(|newest| newest.take_if(|newest| newest.tree_size == head.tree_size).is_some());
    }

    /// Records misbehaviour. Returns the delay before the log is trusted again.
    pub(super) fn distrusted(&self) -> Duration {
        self.distrust.borrow_mut().failed(None, rand::random())
    }

    /// Records that entries were proven to lead to a head.
    pub(super) fn proven(&self) {
        self.distrust.borrow_mut().succeeded();
    }
}
