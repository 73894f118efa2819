//! Batches of entries, and the frames that are built from them.

use super::certificate_update::{Cuts, NUMBERED_BEHIND};
use super::demand::Demand;
use super::wire::{Wire, deflated};
use super::{CertEntry, Frames, FramesBuilder, Stream};
use crate::ct::entry::LogEntry;
use enum_map::EnumMap;
use std::sync::{Arc, OnceLock};

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

    /// Builds the frames that clients without a filter read. The streams are in the order in which one is cut from
    /// another.
    pub fn prepare(&self, demand: &Demand) {
        for stream in Stream::ALL {
            if demand.wants_all(stream) {
                self.frames(stream);
            }
            if demand.wants_all_as(stream, Wire::Deflate) {
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
            Wire::Deflate => self.deflated(stream),
            _ => wire.converted(self.frames(stream)),
        }
    }

    /// The messages of `stream` in the format of `wire`, if they were built already.
    pub(super) fn built(&self, stream: Stream, wire: Wire) -> Option<&Arc<Frames>> {
        match (wire, stream) {
            (Wire::WebSocket, Stream::Full) => self.full.get().map(|(frames, _)| frames),
            (Wire::WebSocket, Stream::Lite) => self.lite.get(),
            (Wire::WebSocket, Stream::Domains) => self.domains.get(),
            (Wire::Deflate, _) => self.deflated[stream].get(),
            (Wire::Events | Wire::Lines, _) => None,
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

    /// The entries, each with its number, or with its place in the batch as long as it has none.
    fn numbered(&self) -> impl Iterator<Item = (u64, &CertEntry)> {
        (0..).zip(&self.entries).map(|(place, entry)| (entry.seq.unwrap_or(place), entry))
    }

    /// The entries that are complete, not only names.
    fn whole_entries(&self) -> impl Iterator<Item = (u64, &CertEntry, &LogEntry)> {
        self.numbered().filter_map(|(seq, entry)| Some((seq, entry, entry.whole()?)))
    }

    fn make_full(&self) -> (Arc<Frames>, Vec<Cuts>) {
        let mut builder = builder(&self.entries, Stream::Full);
        let write = |(seq, entry, whole)| push_update(&mut builder, seq, entry, whole, true);
        let cuts = self.whole_entries().map(write).collect();
        (builder.build(), cuts)
    }

    fn make_lite(&self) -> Arc<Frames> {
        let Some((full, cuts)) = self.full.get() else {
            return written(Stream::Lite, &self.entries, self.numbered());
        };
        let mut builder = builder(&self.entries, Stream::Lite);
        for (i, cut) in cuts.iter().enumerate() {
            builder.push(|out| cut.write_lite(full.text(i), out));
            builder.number_last(full.seq(i).unwrap_or_default(), NUMBERED_BEHIND);
        }
        builder.build()
    }

    fn make_domains(&self) -> Arc<Frames> {
        let Some((full, cuts)) = self.full.get().filter(|(_, cuts)| cuts.len() == self.entries.len()) else {
            return written(Stream::Domains, &self.entries, self.numbered());
        };
        let mut builder = builder(&self.entries, Stream::Domains);
        for ((i, cut), (seq, entry)) in cuts.iter().enumerate().zip(self.numbered()) {
            push_domains(&mut builder, seq, entry, |out| cut.write_dns_entries(full.text(i), out));
        }
        builder.build()
    }

    /// The frames of `stream` for the entries at `places` alone, in the same order.
    pub(super) fn written_at(&self, stream: Stream, places: &[usize]) -> Arc<Frames> {
        let entries: Vec<_> = places.iter().filter_map(|place| self.entries.get(*place)).collect();
        let numbered = entries.iter().map(|entry| (entry.seq.unwrap_or_default(), *entry));
        written(stream, entries.iter().copied(), numbered)
    }
}

fn builder<'e>(entries: impl IntoIterator<Item = &'e CertEntry>, stream: Stream) -> FramesBuilder {
    let sizes = entries.into_iter().map(|entry| entry.size_hint(stream));
    let (count, bytes) = sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size));
    FramesBuilder::with_capacity(count, bytes)
}

/// The frames of `stream`. `all` are the entries of `numbered`.
fn written<'e>(
    stream: Stream,
    all: impl IntoIterator<Item = &'e CertEntry>,
    numbered: impl Iterator<Item = (u64, &'e CertEntry)>,
) -> Arc<Frames> {
    let mut builder = builder(all, stream);
    for (seq, entry) in numbered {
        match stream {
            Stream::Domains => push_domains(&mut builder, seq, entry, |out| entry.write_dns_entries(out)),
            Stream::Full | Stream::Lite => {
                if let Some(whole) = entry.whole() {
                    push_update(&mut builder, seq, entry, whole, stream == Stream::Full);
                }
            }
        }
    }
    builder.build()
}

/// Appends the full message, or the lite message if `everything` is false.
fn push_update(
    builder: &mut FramesBuilder,
    seq: u64,
    entry: &CertEntry,
    whole: &LogEntry,
    everything: bool,
) -> Cuts {
    let cuts = builder.push(|out| {
        let cuts = entry.write_update(whole, out, everything);
        entry.write_number(out);
        cuts
    });
    builder.number_last(seq, NUMBERED_BEHIND);
    cuts
}

/// Appends the message of the domains stream, unless `write` says that it has no names.
fn push_domains(
    builder: &mut FramesBuilder,
    seq: u64,
    entry: &CertEntry,
    write: impl FnOnce(&mut Vec<u8>) -> bool,
) {
    let is_sent = builder.push_if(|out| {
        let has_names = write(out);
        entry.write_number(out);
        has_names
    });
    if is_sent {
        builder.number_last(seq, NUMBERED_BEHIND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::entry::{Content, LogEntryType, SignedTbs};
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
