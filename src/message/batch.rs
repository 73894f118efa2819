//! Batches of entries, and the frames that are built from them.

use super::certificate_update::{Cuts, NUMBERED_BEHIND};
use super::wire::{Wire, deflated, events, lines};
use super::{CertEntry, Frames, FramesBuilder, Stream};
use crate::ct::entry::{Content, LogEntry};
use enum_map::EnumMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Number of subscribers for each stream and wire format. Frames are only built for streams that have
/// subscribers.
///
/// The Broker updates the counts and the watchers read them. A watcher that reads an outdated count loses
/// nothing: the Broker then builds the frames itself.
#[derive(Debug, Default)]
pub struct Demand(EnumMap<Stream, EnumMap<Wire, AtomicUsize>>);

impl Demand {
    /// Counts a new client.
    pub fn add(&self, stream: Stream, wire: Wire) {
        self.0[stream][wire].fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a client from the count.
    pub fn remove(&self, stream: Stream, wire: Wire) {
        self.0[stream][wire].fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether `stream` has subscribers.
    pub fn wants(&self, stream: Stream) -> bool {
        Wire::ALL.iter().any(|wire| self.wants_as(stream, *wire))
    }

    /// Whether `stream` has subscribers with this wire format.
    pub fn wants_as(&self, stream: Stream, wire: Wire) -> bool {
        self.clients_of(stream, wire) > 0
    }

    /// Number of subscribers of `stream` with this wire format.
    pub fn clients_of(&self, stream: Stream, wire: Wire) -> usize {
        self.0[stream][wire].load(Ordering::Relaxed)
    }

    /// Number of all clients.
    pub fn clients(&self) -> usize {
        self.0.values().flat_map(EnumMap::values).map(|clients| clients.load(Ordering::Relaxed)).sum()
    }
}

/// Consecutive entries of one log, in order. The frames of each stream are built at most once.
#[derive(Debug)]
pub struct EntryBatch {
    entries: Vec<CertEntry>,
    full: OnceLock<(Arc<Frames>, Vec<Cuts>)>,
    lite: OnceLock<Arc<Frames>>,
    domains: OnceLock<Arc<Frames>>,
    /// Compressed frames, by stream.
    deflated: EnumMap<Stream, OnceLock<Arc<Frames>>>,
}

impl EntryBatch {
    /// Creates a batch of `entries` without frames.
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

    /// Approximate memory of the entries, in bytes.
    pub fn content_bytes(&self) -> usize {
        self.entries.iter().map(CertEntry::content_bytes).sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Builds the frames that have subscribers. The streams are in the order in which one is cut from
    /// another.
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

    /// Gives the entries consecutive numbers, and writes them into the messages that were built already.
    pub fn number(&mut self, first_seq: u64) {
        (first_seq..).zip(&mut self.entries).for_each(|(seq, entry)| entry.seq = Some(seq));
        let full = self.full.get_mut().map(|(frames, _)| frames);
        let built = full.into_iter().chain(self.lite.get_mut()).chain(self.domains.get_mut());
        let deflated = self.deflated.values_mut().filter_map(OnceLock::get_mut);
        for frames in built.chain(deflated) {
            match Arc::get_mut(frames) {
                Some(frames) => frames.number(first_seq),
                None => debug_assert!(false, "the messages were sent before they had numbers"),
            }
        }
    }

    /// The number of the first entry. `None` before the entries have numbers.
    pub fn first_seq(&self) -> Option<u64> {
        self.entries.first()?.seq
    }

    /// The messages of `stream` in the format of `wire`.
    pub fn on_wire(&self, stream: Stream, wire: Wire) -> Arc<Frames> {
        match wire {
            Wire::WebSocket => self.frames(stream).clone(),
            Wire::Deflate => self.deflated(stream),
            Wire::Events => events(self.frames(stream)),
            Wire::Lines => lines(self.frames(stream)),
        }
    }

    fn deflated(&self, stream: Stream) -> Arc<Frames> {
        self.deflated[stream].get_or_init(|| deflated(self.frames(stream))).clone()
    }

    /// The frames of `stream`, one for each entry, in order. Entries with only names have no frame in streams
    /// that need more, and those without names have none in the domains stream.
    pub fn frames(&self, stream: Stream) -> &Arc<Frames> {
        match stream {
            Stream::Full => &self.full.get_or_init(|| self.make_full()).0,
            Stream::Lite => self.lite.get_or_init(|| self.make_lite()),
            Stream::Domains => self.domains.get_or_init(|| self.make_domains()),
        }
    }

    /// Number of frames that [`frames`](Self::frames) returns, without building them. Of the domains stream, if its frames
    /// have not been built, the largest possible number.
    pub fn count(&self, stream: Stream) -> usize {
        match stream {
            Stream::Full | Stream::Lite => self.whole_entries().count(),
            Stream::Domains => self.domains.get().map_or(self.entries.len(), |frames| frames.len()),
        }
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[CertEntry] {
        &self.entries
    }

    /// Returns the entries, after the frames have been sent.
    pub fn into_entries(self) -> Vec<CertEntry> {
        self.entries
    }

    fn builder(&self, stream: Stream) -> FramesBuilder {
        let bytes = self.entries.iter().map(|e| e.size_hint(stream)).sum();
        FramesBuilder::with_capacity(self.entries.len(), bytes)
    }

    fn make_full(&self) -> (Arc<Frames>, Vec<Cuts>) {
        let mut builder = self.builder(Stream::Full);
        let mut write = |(seq, entry, whole): (u64, &CertEntry, &LogEntry)| {
            let cuts = builder.push(|out| {
                let cuts = entry.write_update(whole, out, true);
                entry.write_number(out);
                cuts
            });
            builder.number_last(seq, NUMBERED_BEHIND);
            cuts
        };
        let cuts = self.whole_entries().map(&mut write).collect();
        (builder.build(), cuts)
    }

    /// The entries, each with its number, or with its place in the batch as long as it has none.
    fn numbered(&self) -> impl Iterator<Item = (u64, &CertEntry)> {
        (0..).zip(&self.entries).map(|(place, entry)| (entry.seq.unwrap_or(place), entry))
    }

    /// The entries that are complete, not only names.
    fn whole_entries(&self) -> impl Iterator<Item = (u64, &CertEntry, &LogEntry)> {
        self.numbered().filter_map(|(seq, entry)| match &entry.content {
            Content::Entry(whole) => Some((seq, entry, whole)),
            Content::Names(_) => None,
        })
    }

    fn make_lite(&self) -> Arc<Frames> {
        let mut builder = self.builder(Stream::Lite);
        match self.full.get() {
            Some((full, cuts)) => {
                for (i, cut) in cuts.iter().enumerate() {
                    builder.push(|out| cut.write_lite(full.text(i), out));
                    builder.number_last(full.seq(i).unwrap_or_default(), NUMBERED_BEHIND);
                }
            }
            None => {
                for (seq, entry, whole) in self.whole_entries() {
                    builder.push(|out| {
                        entry.write_update(whole, out, false);
                        entry.write_number(out);
                    });
                    builder.number_last(seq, NUMBERED_BEHIND);
                }
            }
        }
        builder.build()
    }

    fn make_domains(&self) -> Arc<Frames> {
        let mut builder = self.builder(Stream::Domains);
        let full = self.full.get().filter(|(_, cuts)| cuts.len() == self.entries.len());
        for (i, (seq, entry)) in self.numbered().enumerate() {
            let is_sent = builder.push_if(|out| {
                let has_names = match full {
                    Some((full, cuts)) => {
                        cuts.get(i).is_some_and(|cut| cut.write_dns_entries(full.text(i), out))
                    }
                    None => entry.write_dns_entries(out),
                };
                entry.write_number(out);
                has_names
            });
            if is_sent {
                builder.number_last(seq, NUMBERED_BEHIND);
            }
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::entry::{LogEntryType, SignedTbs};
    use crate::ct::names_tile::NamesEntry;
    use crate::ct::source::{Protocol, Source};

    fn texts(frames: &Frames) -> Vec<String> {
        (0..frames.len()).map(|i| String::from_utf8_lossy(frames.text(i)).into_owned()).collect()
    }

    fn batch(contents: Vec<Content>) -> EntryBatch {
        let source = Arc::new(Source::new("https://ct.example", "A log", "", None, Protocol::Rfc6962));
        let entry = |(index, content)| CertEntry::new(source.clone(), index, 1, content);
        EntryBatch::new((0..).zip(contents).map(entry).collect())
    }

    fn names(names: &[&str]) -> Content {
        let names = names.iter().map(|name| name.to_string()).collect();
        Content::Names(NamesEntry { timestamp_ms: 1, names })
    }

    /// An entry whose bytes are no certificate.
    fn nameless() -> Content {
        let (entry_type, certificate) = (LogEntryType::X509, b"junk".as_slice().into());
        let (chain, signed_tbs, fault) = (Vec::new(), SignedTbs::OfCertificate, None);
        Content::Entry(LogEntry { timestamp_ms: 1, entry_type, certificate, chain, signed_tbs, fault })
    }

    #[test]
    fn a_certificate_without_names_has_no_message_in_the_domains_stream() {
        let batch = batch(vec![names(&[]), names(&["a.example"]), nameless(), names(&["[]"]), names(&[])]);
        let expected = [
            r#"{"message_type":"dns_entries","data":["a.example"],"seq":1000000000000001}"#,
            r#"{"message_type":"dns_entries","data":["[]"],"seq":1000000000000003}"#,
        ];
        let mut batch = batch;
        batch.number(1_000_000_000_000_000);
        assert_eq!(batch.count(Stream::Domains), 5, "at most");
        assert_eq!(texts(batch.frames(Stream::Domains)), expected);
        assert_eq!(batch.count(Stream::Domains), 2);
        assert_eq!((texts(batch.frames(Stream::Full)).len(), batch.count(Stream::Full)), (1, 1));
    }

    #[test]
    fn nor_if_it_is_cut_from_the_full_message() {
        let batch = batch(vec![nameless(), nameless()]);
        assert_eq!(texts(batch.frames(Stream::Full)).len(), 2);
        assert!(batch.frames(Stream::Domains).is_empty());
        let alone = batch.into_entries().remove(0);
        assert_eq!((alone.json(Stream::Domains), alone.json(Stream::Full).is_some()), (None, true));
    }
}
