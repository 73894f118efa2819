//! The LogWatcher actor, one per log: asks for the head, fetches what is new, proves that it is in the tree under that
//! head, and sends it on.
//!
//! | file | what it is for |
//! |---|---|
//! | `watch` | the log's heads, and where we stand under them |
//! | `release` | what is fetched under a head, until it has been handed on |
//! | `window`, `held`, `place`, `heads` | ranges in flight; entries that wait for a proof; the position and its tree; heads that contradict each other; pure |
//! | `schedule`, `page_size`, `backoff`, `progress` | when and how much to ask, and how far we are; pure |
//! | `report`, `status`, `freshness` | what others are told |
//! | `gate` | after a restart, the wait for the clients |
//!
//! Whatever the log does, the watcher goes on: what it cannot decode is counted and named in the log file, and what a
//! log cannot prove is not sent until it can.

mod backoff;
mod client_wait;
mod context;
mod freshness;
mod heads;
pub mod latency;
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

pub use client_wait::ClientWait;
pub use context::WatchContext;
pub use freshness::FreshnessFigures;
pub use status::{LogSnapshot, LogStatus};

use crate::config::WatchSettings;
use actix::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use watch::Watch;

/// Stops the watcher at once; what it has not handed on is left to the next start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// See the module.
pub struct LogWatcher {
    /// Taken when the actor starts.
    watch: Option<Watch>,
    /// Set when nothing is to be handed on any more.
    stopped: Rc<Cell<bool>>,
}

impl LogWatcher {
    /// Watches a log as `settings` say.
    pub fn new(with: WatchContext, settings: WatchSettings) -> Self {
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
