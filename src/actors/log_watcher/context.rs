//! The dependencies of a watcher.

use super::status::LogStatus;
use crate::actors::broker::Alert;
use crate::actors::outlet::Outlet;
use crate::digest::Digest;
use crate::evidence::LogIdentity;
use crate::journal::AppendBlocks;
use crate::log_client::{AnswerMemory, Issuers, LogClient};
use crate::state::{Decision, EvidenceFolder, Positions, SkippedFolder, UndecodableFolder};
use actix::Recipient;
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
    /// The clients, to which entries are published. `None` if this process has none.
    pub outlet: Option<Outlet>,
    /// Receives notices about the log.
    pub alerts: Recipient<Alert>,
    /// When the clients of the last run have had time to come back.
    pub grace_end: Instant,
    /// The journal.
    pub journal: Arc<dyn AppendBlocks>,
    /// The issuers of all logs.
    pub issuers: Arc<Issuers>,
    /// Writes the log's problems to the log file.
    pub digest: Arc<Digest>,
}
