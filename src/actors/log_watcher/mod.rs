//! The LogWatcher actor, one per log. It fetches the tree head and the new entries, verifies that the entries are in
//! the tree under that head, and publishes them.
//!
//! | file | what it is for |
//! |---|---|
//! | `watch` | the log's tree heads, and the position under them |
//! | `release` | the entries under a head, from the request to the Broker |
//! | `window`, `unverified`, `log_cursor`, `heads` | ranges in flight; entries that wait for a proof; the position and its tree; heads that contradict each other; pure |
//! | `poll_schedule`, `page_size`, `backoff`, `progress` | when to poll, how many entries to request, and the progress of catching up; pure |
//! | `report`, `status`, `freshness`, `latency` | what is reported to admins, metrics and clients |
//! | `client_wait` | after a restart, the wait for the clients |
//! | `context` | the dependencies of a watcher |
//!
//! No answer of a log stops its watcher. Entries that cannot be decoded are skipped, counted and named in the log file.
//! Entries that a log cannot prove are not published until it can.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod backoff;
mod client_wait;
mod context;
mod freshness;
mod heads;
pub(crate) mod latency;
mod log_cursor;
mod page_size;
mod poll_schedule;
mod progress;
pub(crate) mod release;
mod report;
mod status;
pub(crate) mod unverified;
mod watch;
mod window;

pub(crate) use client_wait::ClientWait;
pub(crate) use context::WatchContext;
pub(crate) use status::{LogSnapshot, LogStatus};

use crate::config::WatchSettings;
use actix::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use watch::Watch;

/// Stops the watcher immediately. Entries that it has not published are left to the next start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

/// The LogWatcher actor; see the module documentation.
pub(crate) struct LogWatcher {
    /// Moved out when the actor starts.
    watch: Option<Watch>,
    /// Set when no more entries may be published.
    stopped: Rc<Cell<bool>>,
}

impl LogWatcher {
    /// Creates a watcher with these dependencies and settings.
    pub(crate) fn new(with: WatchContext, settings: WatchSettings) -> Self {
        let stopped = Rc::new(Cell::new(false));
        LogWatcher { watch: Some(Watch::new(with, settings, stopped.clone())), stopped }
    }
}

impl Actor for LogWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(watch) = self.watch.take() {
            ctx.spawn(watch.run().into_actor(self));
        }
    }
}

impl Handler<Stop> for LogWatcher {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        // The future may be polled once more before it is dropped.
        self.stopped.set(true);
        ctx.stop();
    }
}
