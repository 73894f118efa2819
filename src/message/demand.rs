//! What is asked for: the readers of each stream and wire format, which are clients and outputs.

use super::{Stream, Wire};
use enum_map::EnumMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of readers for each stream and wire format.
///
/// The Broker updates the counts and the watchers read them: they build the frames that clients without a filter read. A
/// watcher that reads an outdated count loses nothing: the Broker then builds the frames itself.
#[derive(Debug, Default)]
pub struct Demand(EnumMap<Stream, EnumMap<Wire, Readers>>);

#[derive(Debug, Default)]
struct Readers {
    all: AtomicUsize,
    /// Those that are no clients but outputs of this server.
    outputs: AtomicUsize,
    /// Those without a filter.
    unfiltered: AtomicUsize,
}

impl Demand {
    /// Counts a new client or output, which reads all messages of `stream` or those that its filter wants.
    pub fn add(&self, stream: Stream, wire: Wire, is_filtered: bool, is_output: bool) {
        let readers = &self.0[stream][wire];
        readers.all.fetch_add(1, Ordering::Relaxed);
        readers.outputs.fetch_add(usize::from(is_output), Ordering::Relaxed);
        readers.unfiltered.fetch_add(usize::from(!is_filtered), Ordering::Relaxed);
    }

    /// Removes a client or output from the count.
    pub fn remove(&self, stream: Stream, wire: Wire, is_filtered: bool, is_output: bool) {
        let readers = &self.0[stream][wire];
        readers.all.fetch_sub(1, Ordering::Relaxed);
        readers.outputs.fetch_sub(usize::from(is_output), Ordering::Relaxed);
        readers.unfiltered.fetch_sub(usize::from(!is_filtered), Ordering::Relaxed);
    }

    /// Whether `stream` has readers, with or without a filter.
    pub fn wants(&self, stream: Stream) -> bool {
        self.0[stream].values().any(|readers| readers.all.load(Ordering::Relaxed) > 0)
    }

    /// Whether anybody reads all messages of `stream`.
    pub fn wants_all(&self, stream: Stream) -> bool {
        Wire::ALL.iter().any(|wire| self.wants_all_as(stream, *wire))
    }

    /// Whether anybody reads all messages of `stream` in this wire format.
    pub fn wants_all_as(&self, stream: Stream, wire: Wire) -> bool {
        self.0[stream][wire].unfiltered.load(Ordering::Relaxed) > 0
    }

    /// Number of clients of `stream` with this wire format.
    pub fn clients_of(&self, stream: Stream, wire: Wire) -> usize {
        let readers = &self.0[stream][wire];
        readers.all.load(Ordering::Relaxed).saturating_sub(readers.outputs.load(Ordering::Relaxed))
    }
}
