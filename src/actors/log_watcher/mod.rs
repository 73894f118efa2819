//! The LogWatcher actor, one per log. It runs four stages, which `pipeline` connects:
//!
//! ```text
//! HeadTracker ─► Fetcher ══► Verifier ══► Publisher ─► Broker
//! ```
//!
//! | file | what it is for |
//! |---|---|
//! | `pipeline` | the stages and the channels between them |
//! | `head_tracker` | the log's tree heads; `heads` and `head_board`: those that are known, and which contradict each other; `poll_schedule`: when to request them |
//! | `fetcher` | the entries under a head; `window`: ranges in flight; `page_size`: how many entries to request; `progress`: the report of catching up |
//! | `verifier` | the proof that entries lead to a head; `unverified`: entries that wait for it; `log_cursor`: the position and its tree |
//! | `reconciler`, `unreconciled` | the signed heads that no entries were proven to lead to |
//! | `retriever`, `missing_board` | the entries that the log did not serve, and their retries |
//! | `publisher` | the ledger, the journal and the saved position; `malformed`: what is kept of malformed entries |
//! | `backoff` | the delays after failures |
//! | `report`, `status`, `freshness`, `latency` | what is reported to admins, metrics and clients |
//! | `log_requests`, `context` | the log as the stages see it; the dependencies of a watcher |
//!
//! No answer of a log stops its watcher. Entries that cannot be decoded are skipped, counted and named in the log file.
//! Entries that a log cannot prove are not published until it can.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod context;
pub(crate) mod fetcher;
mod freshness;
mod head_board;
mod head_tracker;
mod heads;
pub(crate) mod latency;
pub(crate) mod log_cursor;
mod log_requests;
mod malformed;
pub(crate) mod missing_board;
mod page_size;
mod pipeline;
mod poll_schedule;
mod progress;
mod publisher;
mod reconciler;
mod report;
mod retriever;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod unreconciled;
pub(crate) mod unverified;
mod verifier;
mod window;

pub(crate) use context::WatchContext;
pub(crate) use status::{LogSnapshot, LogStatus};

use crate::config::WatchSettings;
use crate::log_client::LogClient;
use actix::prelude::*;
use pipeline::Pipeline;
use std::cell::Cell;
use std::rc::Rc;

/// Stops the watcher immediately. Entries that it has not published are left to the next start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

/// The LogWatcher actor; see the module documentation.
pub(crate) struct LogWatcher {
    /// Moved out when the actor starts.
    pipeline: Option<Pipeline<LogClient>>,
    /// Set when no more entries may be published.
    stopped: Rc<Cell<bool>>,
}

impl LogWatcher {
    /// Creates a watcher with these dependencies and settings.
    pub(crate) fn new(with: WatchContext, settings: WatchSettings) -> Self {
        let stopped = Rc::new(Cell::new(false));
        LogWatcher { pipeline: Some(Pipeline::new(with, settings, stopped.clone())), stopped }
    }
}

impl Actor for LogWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(pipeline) = self.pipeline.take() {
            ctx.spawn(pipeline.run().into_actor(self));
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
