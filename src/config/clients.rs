//! What a client may cost.

use std::time::Duration;

/// What a client may cost.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// How long messages are collected before they are handed out together.
    pub flush_interval: Duration,
    /// What may wait for it.
    pub queue: QueueLimits,
    /// Bytes that may wait for all of them together.
    pub all_queues_bytes: usize,
    /// Bytes that all connections whose clients take nothing may hold together, in the kernel and in answers.
    pub all_unsent_bytes: usize,
    /// Whether messages are compressed for WebSocket clients that offer it.
    pub deflate: bool,
    /// How long it may take nothing.
    pub stall_timeout: Duration,
    /// Time between our pings.
    pub ping_interval: Duration,
    /// How long it may say nothing, not even in answer to a ping.
    pub pong_timeout: Duration,
}

/// How much may wait for a client.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Bytes of frames. They are shared: clients that are equally far behind cost it once.
    pub bytes: usize,
    /// How long the oldest message may have waited.
    pub age: Duration,
    /// What happens when there is more.
    pub when_full: WhenFull,
}

impl QueueLimits {
    /// For what is to be sent whole, however much it is.
    pub const NONE: QueueLimits =
        QueueLimits { bytes: usize::MAX, age: Duration::MAX, when_full: WhenFull::Drop };
}

/// What happens to a client for which too much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// The oldest messages are dropped and counted.
    Drop,
    /// It is given up, and told to come back.
    Disconnect,
}
