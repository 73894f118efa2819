//! What is asked for: the clients of each stream and wire format.

use super::{Stream, Wire};
use enum_map::EnumMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of clients for each stream and wire format.
///
/// The Broker updates the counts and the watchers read them: they build the frames that clients without a filter read. A
/// watcher that reads an outdated count loses nothing: the Broker then builds the frames itself.
#[derive(Debug, Default)]
pub struct Demand(EnumMap<Stream, EnumMap<Wire, Clients>>);

#[derive(Debug, Default)]
struct Clients {
    all: AtomicUsize,
    /// Those without a filter.
    unfiltered: AtomicUsize,
}

impl Demand {
    /// Counts a new client, which reads all messages of `stream` or those that its filter wants.
    pub fn add(&self, stream: Stream, wire: Wire, is_filtered: bool) {
        let clients = &self.0[stream][wire];
        clients.all.fetch_add(1, Ordering::Relaxed);
        clients.unfiltered.fetch_add(usize::from(!is_filtered), Ordering::Relaxed);
    }

    /// Removes a client from the count.
    pub fn remove(&self, stream: Stream, wire: Wire, is_filtered: bool) {
        let clients = &self.0[stream][wire];
        clients.all.fetch_sub(1, Ordering::Relaxed);
        clients.unfiltered.fetch_sub(usize::from(!is_filtered), Ordering::Relaxed);
    }

    /// Whether `stream` has clients, with or without a filter.
    pub fn wants(&self, stream: Stream) -> bool {
        Wire::ALL.iter().any(|wire| self.clients_of(stream, *wire) > 0)
    }

    /// Whether any client reads all messages of `stream`.
    pub fn wants_all(&self, stream: Stream) -> bool {
        Wire::ALL.iter().any(|wire| self.wants_all_as(stream, *wire))
    }

    /// Whether any client reads all messages of `stream` in this wire format.
    pub fn wants_all_as(&self, stream: Stream, wire: Wire) -> bool {
        self.0[stream][wire].unfiltered.load(Ordering::Relaxed) > 0
    }

    /// Number of clients of `stream` with this wire format.
    pub fn clients_of(&self, stream: Stream, wire: Wire) -> usize {
        self.0[stream][wire].all.load(Ordering::Relaxed)
    }
}
