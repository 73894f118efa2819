//! The dependencies of a watcher.

use super::status::LogStatus;
use crate::actors::broker::Broker;
use crate::digest::Digest;
use crate::evidence::LogIdentity;
use crate::journal::Writer;
use crate::log_client::{AnswerMemory, Issuers, LogClient};
use crate::message::Demand;
use crate::state::{Decision, EvidenceFolder, Positions, SkippedFolder, UndecodableFolder};
use crate::unique::Uniques;
use actix::Addr;
use std::sync::Arc;
use tokio::time::Instant;

/// The dependencies of one log's watcher.
pub(crate) struct WatchContext {
    /// The client that sends requests to the log.
    pub client: LogClient,
    /// The accounting of memory that the log's answers use.
    pub memory: Arc<AnswerMemory>,
    /// The log's identity, as evidence states it.
    pub accused: LogIdentity,
    /// The log's status, which the watcher updates.
    pub status: Arc<LogStatus>,
    /// The folder for entries that cannot be decoded.
    pub undecodable: Arc<UndecodableFolder>,
    /// The folder for evidence of misbehaviour.
    pub evidence: Arc<EvidenceFolder>,
    /// The positions of all logs, which survive a restart.
    pub positions: Arc<Positions>,
    /// The folder for what was known about entries that were passed over.
    pub skipped: Arc<SkippedFolder>,
    /// The decision to pass entries over, from the configuration.
    pub decision: Option<Decision>,
    /// The Broker, to which entries are published.
    pub broker: Addr<Broker>,
    /// The streams and wire formats that have subscribers.
    pub demand: Arc<Demand>,
    /// When the clients of the last run have had time to come back.
    pub grace_end: Instant,
    /// The journal.
    pub journal: Writer,
    /// What was seen, for subscribers who want each certificate once.
    pub uniques: Arc<Uniques>,
    /// The issuers of all logs.
    pub issuers: Arc<Issuers>,
    /// Writes the log's problems to the log file.
    pub digest: Arc<Digest>,
}
