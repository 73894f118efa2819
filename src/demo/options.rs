//! The options of a demo log.

use std::net::SocketAddr;
use std::time::Duration;

/// The protocol of a log.
///
/// Signatures and hashes are the same for all of them. The entries differ in one extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DemoProtocol {
    /// RFC 6962: get-sth, get-sth-consistency and get-entries.
    #[default]
    Rfc6962,
    /// static-ct-api: checkpoint, data tiles, hash tiles, issuers. Every leaf contains its index in the
    /// leaf_index extension.
    StaticCt,
    /// RFC 6962, with the entries also in full data tiles with their issuers, as in the logs of TrustAsia.
    ///
    /// A tile can only repeat the TimestampedEntry that the tree was built from, which is the one in
    /// leaf_input. Such logs issue SCTs without extensions, so their entries have no leaf_index, contrary to
    /// static-ct-api. There is no checkpoint, and therefore no need for partial tiles: the newest entries, up
    /// to 255, are available from get-entries only.
    Hybrid,
}

/// The options of a [`DemoLog`](super::DemoLog).
#[derive(Clone, Debug)]
pub struct DemoLogOptions {
    /// The address of its HTTP server. Port 0 selects any free port. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// The protocol. Default RFC 6962.
    pub protocol: DemoProtocol,
    /// Whether the log has names tiles. Only for a static-ct log. Default `false`.
    pub names_tiles: bool,
    /// The origin in its checkpoints. Default `None`: the host and port of its URL.
    pub origin: Option<String>,
    /// Entries per second, with fractions. With 0, the log grows only by
    /// [`publish`](super::DemoLog::publish). Default 20.
    pub rate: f64,
    /// Interval between signed tree heads, at least 10 ms. Entries become visible with a head. Default 500
    /// ms.
    pub head_interval: Duration,
    /// Maximum number of entries in a get-entries response, at least 1. Default 256.
    pub max_page: u64,
    /// Number of the newest entries that can be fetched, at least 1. Each takes about 3 KB of memory.
    /// Requests for older entries get status 400, and data tiles that contain them status 404. Proofs and
    /// hash tiles are not affected and reach back to the first entry: for them, the log keeps 32 bytes (up to
    /// 64 with spare capacity) of every entry. Default 20,000.
    pub retain: usize,
    /// Number of entries in the log when it starts. Default 0.
    pub initial: u64,
}

impl Default for DemoLogOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            protocol: DemoProtocol::default(),
            names_tiles: false,
            origin: None,
            rate: 20.0,
            head_interval: Duration::from_millis(500),
            max_page: 256,
            retain: 20_000,
            initial: 0,
        }
    }
}
