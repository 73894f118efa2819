//! The resources that a client may use.

use std::time::Duration;

/// Limits for each client, and for all clients together.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// How long messages are collected before they are sent together.
    pub flush_interval: Duration,
    /// The limits of each client's queue.
    pub queue: QueueLimits,
    /// Maximum number of bytes in the queues of all clients together.
    pub all_queues_bytes: usize,
    /// Maximum number of bytes that all connections whose clients do not read may occupy together, in the
    /// kernel and in responses.
    pub all_unsent_bytes: usize,
    /// Whether messages are compressed for WebSocket clients that offer it.
    pub deflate: bool,
    /// How long a client may read nothing.
    pub stall_timeout: Duration,
    /// Interval between pings.
    pub ping_interval: Duration,
    /// How long a client may send nothing, not even a pong.
    pub pong_timeout: Duration,
}

/// The limits of a client's queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Size of the frames in bytes. Frames are shared: clients that are equally far behind use this memory
    /// only once.
    pub bytes: usize,
    /// Maximum age of the oldest message.
    pub age: Duration,
    /// The action when a limit is exceeded.
    pub when_full: WhenFull,
}

impl QueueLimits {
    /// No limits, for data that must be sent completely.
    pub const NONE: QueueLimits =
        QueueLimits { bytes: usize::MAX, age: Duration::MAX, when_full: WhenFull::Drop };
}

/// The action when a client's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// The oldest messages are dropped and counted.
    Drop,
    /// The client is disconnected and told to reconnect.
    Disconnect,
}
