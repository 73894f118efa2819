//! The messages that the Broker handles.

use crate::actors::client::Client;
use crate::actors::reader::Reader;
use crate::live_config::LiveSettings;
use crate::message::{CertEntry, EntryBatch};
use actix::prelude::*;
use std::sync::Arc;

/// Publishes entries of one log that have their numbers, in the order of the numbers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Publish {
    /// The entries.
    pub(crate) batch: EntryBatch,
    /// The number that the next batch begins with at least.
    pub(crate) end_seq: u64,
}

/// Tells that entries before the number `next_seq` are not published, although clients do not have them. They look for them
/// in the journal, and hear what is missing in it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Missed {
    /// The number that the next batch begins with at least.
    pub(crate) next_seq: u64,
}

/// A notice for all clients that asked for notices: about a log, or a gap in what they have received.
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

/// Lets a client that has read the journal to its end go on at the tail.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Join {
    /// The client's reader.
    pub(crate) reader: Arc<Reader>,
    /// The number that the next entry would have got when the end was reached. Entries before it that the client has not
    /// read are not in the journal.
    pub(crate) end_seq: u64,
}

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

/// Tells that values of named filters have changed. Clients receive by the new ones from the next batch on.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct FiltersChanged;

/// Asks whether the Broker still handles messages.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Ping;

/// Requests figures about what all clients read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "BrokerFigures")]
pub(crate) struct ReadFigures;

/// Figures about what all clients read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub(crate) struct BrokerFigures {
    /// Memory of the messages for all clients, in bytes.
    pub(crate) ring_bytes: usize,
    /// Number of clients that read the journal.
    pub(crate) replays: usize,
    /// Number of different filters of clients.
    pub(crate) filters: usize,
}

/// Closes all clients: each still receives what was published, followed by a close frame.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct CloseClients;

/// Disconnects all remaining clients. Returns their number.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub(crate) struct DisconnectClients;
