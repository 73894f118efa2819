//! The LogWatcher actor, one per log: asks for the head, fetches what is new, proves that it is in the tree under that
//! head, and sends it on.
//!
//! | file | what it is for |
//! |---|---|
//! | `watch` | the log's heads, and where we stand under them |
//! | `release` | what is fetched under a head, until it has been handed on |
//! | `window`, `held`, `place`, `heads` | ranges in flight; entries that wait for a proof; the position and its tree; heads that contradict each other; pure |
//! | `rhythm`, `page_size`, `backoff`, `progress` | when and how much to ask, and how far we are; pure |
//! | `report`, `status`, `freshness` | what others are told |
//! | `gate` | after a restart, the wait for the clients |
//!
//! Whatever the log does, the watcher goes on: what it cannot decode is counted and named in the log file, and what a
//! log cannot prove is not sent until it can.

mod backoff;
mod freshness;
mod gate;
mod heads;
pub(crate) mod held;
pub mod latency;
mod page_size;
mod place;
mod progress;
pub(crate) mod release;
mod report;
mod rhythm;
mod status;
mod watch;
mod window;

pub use freshness::FreshnessFigures;
pub use gate::Gate;
pub use status::{LogSnapshot, LogStatus, Verification};

use super::broker::Broker;
use crate::digest::Digest;
use crate::evidence::Accused;
use crate::log_client::{AnswerMemory, LogClient};
use crate::message::Demand;
use crate::state::{EvidenceFolder, Positions, Undecodable};
use actix::prelude::*;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use watch::Watch;

/// Where to begin in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the entries that come after the first head we see.
    Head,
    /// At this index.
    Index(u64),
    /// So many entries before the first head we see, or at the log's beginning.
    BeforeHead(u64),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Head => f.write_str("the head"),
            Start::Index(index) => write!(f, "index {index}"),
            Start::BeforeHead(count) => write!(f, "{count} entries before the head"),
        }
    }
}

/// How a log is watched.
#[derive(Debug, Clone, Copy)]
pub struct WatchSettings {
    /// Where to begin.
    pub start: Start,
    /// Shortest beat of the log's heads that is followed.
    pub poll_interval: Duration,
    /// How long entries in a tile that is not full may wait for it to become full.
    pub partial_tile_wait: Duration,
    /// Most entries to ask for at once.
    pub page_size: u64,
    /// Most requests for entries at the same time.
    pub in_flight: usize,
    /// Whether entries are sent only when they are proven to be in the tree.
    pub verify: bool,
    /// Most entries that a restart catches up with; `None` for all.
    pub catch_up: Option<u64>,
}

/// What a watcher works with.
pub struct Surroundings {
    /// Asks the log.
    pub client: LogClient,
    /// What the log has in memory.
    pub memory: Arc<AnswerMemory>,
    /// What evidence says of the log.
    pub accused: Accused,
    /// Is told how it goes.
    pub status: Arc<LogStatus>,
    /// Takes what cannot be sent.
    pub undecodable: Arc<Undecodable>,
    /// Takes what shows that the log misbehaved.
    pub evidence: Arc<EvidenceFolder>,
    /// Knows how far we have come, also after a restart.
    pub positions: Arc<Positions>,
    /// Sends the messages.
    pub broker: Addr<Broker>,
    /// Knows which streams are wanted.
    pub demand: Arc<Demand>,
    /// Is passed before anything is sent.
    pub gate: Gate,
    /// Tells in the log file what goes wrong.
    pub digest: Arc<Digest>,
}

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
    pub fn new(with: Surroundings, settings: WatchSettings) -> Self {
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
