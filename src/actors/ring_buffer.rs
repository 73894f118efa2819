//! The newest entries, for the JSON routes.

use crate::message::CertEntry;
use std::collections::VecDeque;
use std::sync::Arc;

/// Largest content of an entry that is kept, in bytes; its message is up to thirteen times as large. Larger entries are
/// sent to the clients but not kept: a log may contain entries of many megabytes, and every visitor of a JSON route
/// would download them.
pub(crate) const MAX_ENTRY_BYTES: usize = 64 * 1024;

/// The newest entries; see the module documentation.
#[derive(Debug)]
pub(super) struct RingBuffer {
    entries: VecDeque<Arc<CertEntry>>,
    /// Capacity, in entries.
    most: usize,
}

impl RingBuffer {
    /// Creates a buffer that keeps `most` entries.
    pub(super) fn new(most: usize) -> Self {
        RingBuffer { entries: VecDeque::new(), most }
    }

    /// Adds `entries`, which are ordered from oldest to newest.
    pub(super) fn extend(&mut self, entries: Vec<CertEntry>) {
        let fits = |entry: &CertEntry| entry.content_bytes() <= MAX_ENTRY_BYTES;
        let newest: Vec<_> = entries.into_iter().rev().filter(fits).take(self.most).collect();
        for entry in newest.into_iter().rev() {
            if self.entries.len() == self.most {
                self.entries.pop_front();
            }
            self.entries.push_back(Arc::new(entry));
        }
    }

    /// The entries, oldest first.
    pub(super) fn entries(&self) -> Vec<Arc<CertEntry>> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Issuer;
    use crate::ct::entry::{Content, LogEntry, LogEntryType, SignedTbs};
    use crate::ct::source::{Protocol, Source};
    use bytes::Bytes;

    fn source() -> Source {
        Source::new("https://log.example/", "log", "operator", None, Protocol::Rfc6962)
    }

    fn entry(index: u64, certificate: Bytes, chain: Vec<Bytes>) -> CertEntry {
        let entry_type = LogEntryType::X509;
        let chain = chain.into_iter().map(|der| Arc::new(Issuer::new(der))).collect();
        let content = LogEntry {
            timestamp_ms: 1,
            entry_type,
            certificate,
            chain,
            signed_tbs: SignedTbs::OfCertificate,
            fault: None,
        };
        CertEntry::new(Arc::new(source()), index, 1, Content::Entry(content))
    }

    fn kept(buffer: &RingBuffer) -> Vec<u64> {
        buffer.entries().iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn the_newest_are_kept_in_order() {
        let mut buffer = RingBuffer::new(3);
        let small = |index| entry(index, "leaf".into(), vec![]);
        buffer.extend(vec![small(0), small(1)]);
        assert_eq!(kept(&buffer), [0, 1]);
        buffer.extend(vec![small(2), small(3)]);
        assert_eq!(kept(&buffer), [1, 2, 3]);
        buffer.extend((4..9).map(small).collect());
        assert_eq!(kept(&buffer), [6, 7, 8]);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let mut buffer = RingBuffer::new(3);
        let most = Bytes::from(vec![0; MAX_ENTRY_BYTES]);
        let half = most.slice(..MAX_ENTRY_BYTES / 2 + 1);
        buffer.extend(vec![
            entry(0, vec![0; MAX_ENTRY_BYTES + 1].into(), vec![]),
            entry(1, most, vec![]),
            entry(2, half.clone(), vec![half.clone()]),
            entry(3, half.clone(), vec![half.clone()]),
            entry(4, half.clone(), vec![half]),
        ]);
        assert_eq!(kept(&buffer), [1], "nor does it stand in the way of others");
    }
}
