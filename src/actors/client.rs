//! A connected client, as the Broker and the routes see it.

use super::send_queue::SendQueue;
use crate::access::{ConnectionPermit, TokenDigest};
use crate::message::Stream;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Close code 1001, going away: the only one after which every client library comes back.
pub const GOING_AWAY: u16 = 1001;
/// Close code 1008, policy violation: new rules do not let it in.
pub const NOT_ALLOWED: u16 = 1008;
/// Close code 1000: everything asked for was sent.
pub const NORMAL: u16 = 1000;

/// Whose connection it is.
#[derive(Debug)]
pub struct ClientOrigin {
    /// Where it connected from.
    pub address: IpAddr,
    /// The token that it showed.
    pub identity: Option<Identity>,
    /// What it takes up, beside those of its connection.
    pub slots: Vec<ConnectionPermit>,
}

/// A token that was shown, and found good.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who has it.
    pub name: Arc<str>,
    /// What it is recognised by.
    pub digest: TokenDigest,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// Unique in this run; grows.
    pub id: u64,
    /// Where it connected from; an IPv4 address even where the socket is an IPv6 one.
    pub address: IpAddr,
    /// The token that it showed.
    pub identity: Option<Identity>,
    /// What it hears; `None` for one that only fetches what is there.
    pub stream: Option<Stream>,
    /// When its handshake was answered.
    pub connected_at: SystemTime,
    /// What it has not been sent yet.
    pub send_queue: SendQueue,
    begin: Instant,
    /// Milliseconds from `begin` to the newest frame that came from it.
    heard_ms: AtomicU64,
    /// Given back when it is gone.
    _slots: Vec<ConnectionPermit>,
}

impl Client {
    /// A client with this queue.
    pub fn new(origin: ClientOrigin, stream: Option<Stream>, send_queue: SendQueue) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Client {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            address: origin.address.to_canonical(),
            identity: origin.identity,
            stream,
            connected_at: SystemTime::now(),
            send_queue,
            begin: Instant::now(),
            heard_ms: AtomicU64::new(0),
            _slots: origin.slots,
        }
    }

    /// When it connected, unix seconds.
    pub fn connected_unix(&self) -> u64 {
        self.connected_at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    /// How long it has been connected.
    pub fn connected_for(&self) -> Duration {
        self.connected_at.elapsed().unwrap_or_default()
    }

    /// Notes that a frame came from it.
    pub fn heard(&self) {
        self.heard_ms.store(self.begin.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// For how long nothing came from it.
    pub fn silent_for(&self, now: Instant) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(self.begin).saturating_sub(heard)
    }

    /// Ends the connection at once, whatever it is doing.
    pub fn disconnect(&self) {
        self.send_queue.cut();
    }
}
