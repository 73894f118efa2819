//! A connected client, as the Broker and the routes use it.

use super::reader::Reader;
use crate::access::{ConnectionPermit, TokenDigest};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The origin of a connection.
#[derive(Debug)]
pub(crate) struct ClientOrigin {
    /// The address that it connected from.
    pub address: IpAddr,
    /// The token that it presented.
    pub identity: Option<Identity>,
    /// The permits that it holds in addition to those of its connection.
    pub slots: Vec<ConnectionPermit>,
}

/// The identity of a client that presented a valid token.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name of the token's owner.
    pub name: Arc<str>,
    /// The digest that identifies the token.
    pub digest: TokenDigest,
    /// The name of the filter that wants all that the token is valid for; `None` if it is valid for everything.
    pub filter: Option<Arc<str>>,
}

/// A client's connection.
#[derive(Debug)]
pub struct Client {
    /// Unique within this run; increases with each connection.
    pub id: u64,
    /// The address that it connected from; IPv4-mapped IPv6 addresses are converted to IPv4.
    pub address: IpAddr,
    /// The identity that its token proved, if it presented one.
    pub identity: Option<Identity>,
    /// When it ends, unix microseconds; `None` for no end.
    pub(crate) ends_at_us: Option<u64>,
    /// When the client was created, right before its handshake is answered.
    pub connected_at: SystemTime,
    /// Whether it is no client but an output of this server. Nobody sees it, and nobody disconnects it.
    pub(crate) is_output: bool,
    /// What it reads.
    pub(crate) reader: Arc<Reader>,
    /// The number from which on it reads; `None` for a client that begins with what comes next.
    pub start: Option<u64>,
    begin: Instant,
    /// Milliseconds from `begin` to the newest frame received from it.
    heard_ms: AtomicU64,
    /// Released when the client is dropped.
    _slots: Vec<ConnectionPermit>,
}

impl Client {
    /// Creates a client that reads with `reader` from the number `start` on.
    pub(crate) fn new(origin: ClientOrigin, reader: Arc<Reader>, start: Option<u64>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Client {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            address: origin.address.to_canonical(),
            identity: origin.identity,
            connected_at: SystemTime::now(),
            reader,
            start,
            ends_at_us: None,
            is_output: false,
            begin: Instant::now(),
            heard_ms: AtomicU64::new(0),
            _slots: origin.slots,
        }
    }

    /// An output of this server, which reads like a client.
    pub(crate) fn of_output(reader: Arc<Reader>, start: u64) -> Self {
        let address = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let origin = ClientOrigin { address, identity: None, slots: Vec::new() };
        Client { is_output: true, ..Client::new(origin, reader, Some(start)) }
    }

    /// The same client, which ends at this moment, unix microseconds.
    pub(crate) fn ending_at(self, ends_at_us: Option<u64>) -> Self {
        Client { ends_at_us, ..self }
    }

    /// Connection time in Unix seconds.
    pub fn connected_unix(&self) -> u64 {
        self.connected_at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    /// Duration of the connection so far.
    pub fn connected_for(&self) -> Duration {
        self.connected_at.elapsed().unwrap_or_default()
    }

    /// Records that a frame was received from it.
    pub fn heard(&self) {
        self.heard_ms.store(self.begin.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Time since the last frame was received from it.
    pub fn silent_for(&self, now: Instant) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(self.begin).saturating_sub(heard)
    }

    /// Ends the connection immediately, even while a write is in progress.
    pub fn disconnect(&self) {
        self.reader.cut();
    }
}
