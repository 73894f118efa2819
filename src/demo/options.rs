//! What a demo log is to be like.

use std::net::SocketAddr;
use std::time::Duration;

/// How a log is read.
///
/// A log signs and hashes alike whichever it is; its entries differ in one extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DemoProtocol {
    /// RFC 6962: get-sth, get-sth-consistency and get-entries.
    #[default]
    Rfc6962,
    /// static-ct-api: checkpoint, data tiles, tiles of hashes, issuers. Every leaf says by the
    /// leaf_index extension where in the log it is.
    StaticCt,
    /// RFC 6962, and its entries in full data tiles with their issuers as well, as the logs of
    /// TrustAsia do it.
    ///
    /// A tile can only repeat the TimestampedEntry that the tree was made from, the one in
    /// leaf_input, and such logs give out SCTs without extensions: so its entries have no
    /// leaf_index, against static-ct-api. There is no checkpoint, and without checkpoints no
    /// partial tile has to exist: the newest entries, up to 255, are had from get-entries only.
    Hybrid,
}

/// What a [`DemoLog`](super::DemoLog) is to be like.
#[derive(Clone, Debug)]
pub struct DemoLogOptions {
    /// Where it answers over HTTP; port 0 takes any that is free. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// How it is read. Default RFC 6962.
    pub protocol: DemoProtocol,
    /// Whether it has names tiles; of a static-ct log only. Default `false`.
    pub names_tiles: bool,
    /// The origin in its checkpoints. Default `None`: the host and port of its URL.
    pub origin: Option<String>,
    /// Entries per second, fractions allowed; 0 leaves the growth to
    /// [`publish`](super::DemoLog::publish). Default 20.
    pub rate: f64,
    /// Time from one signed tree head to the next, 10 ms at least; entries become visible with a
    /// head. Default 500 ms.
    pub head_interval: Duration,
    /// The most entries in one answer to get-entries, 1 at least. Default 256.
    pub max_page: u64,
    /// How many of the newest entries can still be fetched, 1 at least, at about 3 KB of memory
    /// each. Older ones are answered with status 400, data tiles that reach back to them with status
    /// 404. Proofs and tiles of hashes reach back to the first entry, whatever this is: for them the
    /// log keeps 32 bytes (up to 64 with the room to grow) of every entry that it ever had. Default
    /// 20,000.
    pub retain: usize,
    /// Entries in the log when it starts. Default 0.
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
