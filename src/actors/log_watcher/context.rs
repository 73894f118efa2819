//! What a watcher works with.

use super::client_wait::ClientWait;
use super::status::LogStatus;
use crate::actors::broker::Broker;
use crate::digest::Digest;
use crate::evidence::LogIdentity;
use crate::log_client::{AnswerMemory, LogClient};
use crate::message::Demand;
use crate::state::{EvidenceFolder, Positions, UndecodableFolder};
use actix::Addr;
use std::sync::Arc;

/// See the module.
pub struct WatchContext {
    /// Asks the log.
    pub client: LogClient,
    /// What the log has in memory.
    pub memory: Arc<AnswerMemory>,
    /// What evidence says of the log.
    pub accused: LogIdentity,
    /// Is told how it goes.
    pub status: Arc<LogStatus>,
    /// Takes what cannot be sent.
    pub undecodable: Arc<UndecodableFolder>,
    /// Takes what shows that the log misbehaved.
    pub evidence: Arc<EvidenceFolder>,
    /// Knows how far we have come, also after a restart.
    pub positions: Arc<Positions>,
    /// Sends the messages.
    pub broker: Addr<Broker>,
    /// Knows which streams are wanted.
    pub demand: Arc<Demand>,
    /// Is passed before anything is sent.
    pub gate: ClientWait,
    /// Tells in the log file what goes wrong.
    pub digest: Arc<Digest>,
}
