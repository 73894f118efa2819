//! The messages that the Broker handles.

use crate::actors::client::Client;
use crate::actors::send_queue::SharedFrames;
use crate::live_config::LiveSettings;
use crate::message::{CertEntry, EntryBatch};
use actix::prelude::*;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Publishes entries of one log, in index order.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Publish {
    /// The entries.
    pub(crate) batch: EntryBatch,
    /// Resolved once the entries will be in all queues within the flush interval and the queues have space for more.
    pub(crate) done: oneshot::Sender<()>,
}

/// A notice about a log, for the clients that asked for notices.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Alert(pub(crate) String);

/// Sends a heartbeat to all clients.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Tick;

/// Subscribes a client to its stream.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Subscribe(pub(crate) Arc<Client>);

/// Removes the client with this id.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Unsubscribe(pub(crate) u64);

/// Adds to the backlog frames that were queued for a client outside the streams.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Waiting(pub(crate) Arc<SharedFrames>);

/// Requests the newest entries, oldest first.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Arc<CertEntry>>")]
pub(crate) struct Newest;

/// Requests the connected clients, in order of connection.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Arc<Client>>")]
pub(crate) struct Clients;

/// Applies new settings. Clients that the new access rules do not admit are closed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct NewSettings(pub(crate) Arc<LiveSettings>);

/// Asks whether the Broker still handles messages.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Ping;

/// Requests the sizes of the client queues.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Queues")]
pub(crate) struct QueueDepths;

/// The sizes of the client queues.
#[derive(Debug, Clone, Copy, Default, MessageResponse)]
pub(crate) struct Queues {
    /// Bytes queued for all clients together. Frames that several clients share count once.
    pub(crate) bytes: usize,
    /// Bytes queued for the client with the longest queue.
    pub(crate) longest_bytes: usize,
}

/// Closes all clients: each still receives its queue, followed by a close frame.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct CloseClients;

/// Disconnects all remaining clients. Returns their number.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub(crate) struct DisconnectClients;
