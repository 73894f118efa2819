//! The resources that a client may use.

use std::time::Duration;

/// Limits for each client, and for all clients together.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// How long messages are collected before they are sent together.
    pub flush_interval: Duration,
    /// Maximum number of bytes of the newest messages that are kept in memory for all clients.
    pub ring_bytes: usize,
    /// Maximum memory of the filters of all clients, in bytes.
    pub filter_bytes: usize,
    /// Maximum size of the filters that are kept for clients, in bytes.
    pub kept_filter_bytes: usize,
    /// What happens to a client whose next message is no longer among them.
    pub when_behind: WhenBehind,
    /// The fraction of one core that reading the journal for clients may use, above 0 and at most 1.
    pub replay_share: f64,
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

#[cfg(test)]
impl ClientLimits {
    /// Limits that no test reaches, so that nothing happens by itself.
    pub(crate) fn unlimited() -> Self {
        ClientLimits {
            flush_interval: Duration::ZERO,
            ring_bytes: usize::MAX,
            filter_bytes: usize::MAX,
            kept_filter_bytes: usize::MAX,
            when_behind: WhenBehind::Replay,
            replay_share: 1.0,
            all_unsent_bytes: usize::MAX,
            deflate: false,
            stall_timeout: Duration::MAX,
            ping_interval: Duration::MAX,
            pong_timeout: Duration::MAX,
        }
    }
}

/// What happens to a client whose next message is no longer in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenBehind {
    /// It reads the journal until it has caught up.
    Replay,
    /// It goes on with the newest message. What it misses is counted.
    Skip,
    /// It is disconnected and told to reconnect.
    Disconnect,
}
