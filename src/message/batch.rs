//! The entries that travel together, and the frames that are made of them.

use super::certificate_update::Cuts;
use super::wire::{Wire, deflated, events};
use super::{CertEntry, Frames, FramesBuilder, Stream};
use crate::ct::entry::{Content, LogEntry};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// How many clients want each stream: what is made for nobody is not made.
///
/// The Broker counts, the watchers look. A watcher that looks too early loses nothing: the Broker then makes
/// the frames itself.
#[derive(Debug, Default)]
pub struct Demand([[AtomicUsize; Wire::ALL.len()]; Stream::ALL.len()]);

impl Demand {
    /// A client came.
    pub fn add(&self, stream: Stream, wire: Wire) {
        self.of(stream, wire, |clients| clients.fetch_add(1, Ordering::Relaxed));
    }

    /// A client left.
    pub fn remove(&self, stream: Stream, wire: Wire) {
        self.of(stream, wire, |clients| clients.fetch_sub(1, Ordering::Relaxed));
    }

    /// Whether anybody wants `stream`.
    pub fn wants(&self, stream: Stream) -> bool {
        Wire::ALL.iter().any(|wire| self.wants_as(stream, *wire))
    }

    /// Whether anybody wants `stream` so.
    pub fn wants_as(&self, stream: Stream, wire: Wire) -> bool {
        self.clients_of(stream, wire) > 0
    }

    /// How many want `stream` so.
    pub fn clients_of(&self, stream: Stream, wire: Wire) -> usize {
        self.of(stream, wire, |clients| clients.load(Ordering::Relaxed))
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.0.iter().flatten().map(|clients| clients.load(Ordering::Relaxed)).sum()
    }

    fn of(&self, stream: Stream, wire: Wire, what: impl FnOnce(&AtomicUsize) -> usize) -> usize {
        self.0.get(stream as usize).and_then(|wires| wires.get(wire as usize)).map_or(0, what)
    }
}

/// Consecutive entries of one log, in order, with the frames of each stream made at most once.
#[derive(Debug)]
pub struct EntryBatch {
    entries: Vec<CertEntry>,
    full: OnceLock<(Arc<Frames>, Vec<Cuts>)>,
    lite: OnceLock<Arc<Frames>>,
    domains: OnceLock<Arc<Frames>>,
    /// By stream.
    deflated: [OnceLock<Arc<Frames>>; Stream::ALL.len()],
}

impl EntryBatch {
    /// A batch of `entries`, with no frames yet.
    pub fn new(entries: Vec<CertEntry>) -> Self {
        let deflated = Default::default();
        EntryBatch {
            entries,
            full: OnceLock::new(),
            lite: OnceLock::new(),
            domains: OnceLock::new(),
            deflated,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Makes the frames that somebody wants. Streams are in the order in which one is cut from another.
    pub fn prepare(&self, demand: &Demand) {
        for stream in Stream::ALL {
            if demand.wants(stream) {
                self.frames(stream);
            }
            if demand.wants_as(stream, Wire::Deflate) {
                self.deflated(stream);
            }
        }
    }

    /// The messages of `stream` as `wire` wants them; in that stream the first one has the number `first_seq`.
    pub fn on_wire(&self, stream: Stream, wire: Wire, first_seq: u64) -> Arc<Frames> {
        match wire {
            Wire::WebSocket => self.frames(stream).clone(),
            Wire::Deflate => self.deflated(stream),
            Wire::Events => events(self.frames(stream), Some(first_seq)),
        }
    }

    fn deflated(&self, stream: Stream) -> Arc<Frames> {
        let made =
            self.deflated.get(stream as usize).map(|made| made.get_or_init(|| deflated(self.frames(stream))));
        made.unwrap_or_else(|| self.frames(stream)).clone()
    }

    /// One frame an entry, in order; on streams that want more than names, none for entries that have no more.
    pub fn frames(&self, stream: Stream) -> &Arc<Frames> {
        match stream {
            Stream::Full => &self.full.get_or_init(|| self.make_full()).0,
            Stream::Lite => self.lite.get_or_init(|| self.make_lite()),
            Stream::Domains => self.domains.get_or_init(|| self.make_domains()),
        }
    }

    /// Number of frames that [`frames`](Self::frames) has, without making them.
    pub fn count(&self, stream: Stream) -> usize {
        match stream {
            Stream::Full | Stream::Lite => self.whole_entries().count(),
            Stream::Domains => self.entries.len(),
        }
    }

    /// The entries, when the frames have been handed out.
    pub fn into_entries(self) -> Vec<CertEntry> {
        self.entries
    }

    fn builder(&self, stream: Stream) -> FramesBuilder {
        let bytes = self.entries.iter().map(|e| e.size_hint(stream)).sum();
        FramesBuilder::with_capacity(self.entries.len(), bytes)
    }

    fn make_full(&self) -> (Arc<Frames>, Vec<Cuts>) {
        let mut builder = self.builder(Stream::Full);
        let write = |(entry, whole): (&CertEntry, &LogEntry)| {
            builder.push(|out| entry.write_update(whole, out, true))
        };
        let cuts = self.whole_entries().map(write).collect();
        (builder.build(), cuts)
    }

    /// Those of which more than the names was read.
    fn whole_entries(&self) -> impl Iterator<Item = (&CertEntry, &LogEntry)> {
        self.entries.iter().filter_map(|entry| match &entry.content {
            Content::Entry(whole) => Some((entry, whole)),
            Content::Names(_) => None,
        })
    }

    fn make_lite(&self) -> Arc<Frames> {
        let mut builder = self.builder(Stream::Lite);
        match self.full.get() {
            Some((full, cuts)) => {
                for (i, cut) in cuts.iter().enumerate() {
                    builder.push(|out| cut.write_lite(full.text(i), out));
                }
            }
            None => {
                for (entry, whole) in self.whole_entries() {
                    builder.push(|out| entry.write_update(whole, out, false));
                }
            }
        }
        builder.build()
    }

    fn make_domains(&self) -> Arc<Frames> {
        let mut builder = self.builder(Stream::Domains);
        match self.full.get().filter(|(_, cuts)| cuts.len() == self.entries.len()) {
            Some((full, cuts)) => {
                for (i, cut) in cuts.iter().enumerate() {
                    builder.push(|out| cut.write_dns_entries(full.text(i), out));
                }
            }
            None => {
                for entry in &self.entries {
                    builder.push(|out| entry.write_dns_entries(out));
                }
            }
        }
        builder.build()
    }
}
