//! A log that misbehaves in every way, for trying out clients and servers.

use super::faults::{Fault, FaultOn};
use super::sct::push_vector;
use super::store::{EntryKind, PublishedEntry};
use super::{DemoLog, DemoProtocol};
use actix_web::rt::time::sleep;
use std::time::Duration;

/// Time that each fault has to show itself.
const FAULTY: Duration = Duration::from_millis(400);
/// Time between two faults, in which a server can go on.
const HONEST: Duration = Duration::from_millis(400);

/// Every fault, with the responses that it is shown in. Those that a log cannot show do nothing.
fn every_fault() -> Vec<(Fault, FaultOn)> {
    use Fault::*;
    let heads = [
        BadSignature,
        Shrink(5),
        WrongRoot,
        Lag,
        TooManyRequests { retry_after_s: 1 },
        Status(503),
        Delay(FAULTY / 2),
        Hang,
        Truncate,
        Cut,
        Garbage,
        GzipBomb,
    ];
    let entries = [
        WrongEntry,
        WrongLeafIndex,
        Short(1),
        Empty,
        GarbageEntry,
        UnknownEntryType,
        WiderTile,
        NarrowerTile,
        MissingPartial,
        Truncate,
        Cut,
        Garbage,
    ];
    let heads = heads.map(|fault| (fault, FaultOn::Heads));
    let entries = entries.map(|fault| (fault, FaultOn::Entries));
    // Each misbehaviour comes early, also in a short time.
    let (lies, failures) = heads.split_at(4);
    let others = [(WrongProof, FaultOn::Proofs), (WrongIssuer, FaultOn::Issuers)];
    [lies, &others, &entries, failures].concat()
}

impl DemoLog {
    /// Misbehaves for ever, in every way: one response has each fault in turn, and malformed entries are among the
    /// others.
    pub async fn misbehave(&self) {
        loop {
            for (number, (fault, on)) in every_fault().into_iter().enumerate() {
                self.set_fault(fault, on, Some(1));
                if number % 4 == 0 {
                    self.publish_malformed(number / 4);
                }
                sleep(FAULTY).await;
                self.clear_faults();
                sleep(HONEST).await;
            }
        }
    }

    /// Publishes the malformed entry with this number, if the log can have it.
    fn publish_malformed(&self, number: usize) {
        let is_static = self.running.log.protocol == DemoProtocol::StaticCt;
        let newest = self.newest();
        let of = |kind| newest.iter().find(|entry| entry.kind == kind);
        let malformed = match (number, is_static) {
            (0, _) => Some((leaf_of(b"no certificate"), empty_chain(is_static))),
            (1, _) => {
                of(EntryKind::X509).map(|entry| (leaf_of(half(&entry.certificate)), empty_chain(is_static)))
            }
            // In a data tile, nothing behind an entry that ends too early can be read.
            (2, false) => Some((vec![0, 0, 1], Vec::new())),
            (3, false) => Some(([&[0; 10][..], &[0, 9], &[0; 20]].concat(), Vec::new())),
            (4, false) => of(EntryKind::X509)
                .map(|entry| ([&entry.leaf_input, &b"behind"[..]].concat(), entry.extra_data.to_vec())),
            // Not the precertificate that the log has signed.
            (5, false) => {
                let mut precerts = newest.iter().filter(|entry| entry.kind == EntryKind::Precert);
                let (signed, shown) = (precerts.next(), precerts.next());
                signed.zip(shown).map(|(a, b)| (a.leaf_input.to_vec(), b.extra_data.to_vec()))
            }
            _ => None,
        };
        if let Some((leaf_input, extra_data)) = malformed {
            self.publish_raw(leaf_input, extra_data);
        }
    }

    /// Some of the newest entries.
    fn newest(&self) -> Vec<PublishedEntry> {
        let size = self.stats().tree_size;
        (size.saturating_sub(20)..size).filter_map(|index| self.entry(index)).collect()
    }
}

fn half(bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes.len() / 2).unwrap_or_default()
}

/// The MerkleTreeLeaf of an X.509 entry with this certificate, without extensions.
fn leaf_of(certificate: &[u8]) -> Vec<u8> {
    let mut leaf = vec![0 /* v1, timestamped_entry, timestamp, x509_entry */; 1 + 1 + 8 + 2];
    push_vector(&mut leaf, 3, certificate);
    leaf.extend([0, 0] /* no extensions */);
    leaf
}

/// What follows the TimestampedEntry of an X.509 entry without issuers.
fn empty_chain(is_static: bool) -> Vec<u8> {
    vec![0; if is_static { 2 } else { 3 }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The place of the fault among all. A new fault has to be added here, and so in the test.
    fn place(fault: &Fault) -> usize {
        match fault {
            Fault::TooManyRequests { .. } => 0,
            Fault::Status(_) => 1,
            Fault::Hang => 2,
            Fault::Delay(_) => 3,
            Fault::Truncate => 4,
            Fault::Cut => 5,
            Fault::Short(_) => 6,
            Fault::Empty => 7,
            Fault::Garbage => 8,
            Fault::GzipBomb => 9,
            Fault::GarbageEntry => 10,
            Fault::WrongRoot => 11,
            Fault::BadSignature => 12,
            Fault::Shrink(_) => 13,
            Fault::Lag => 14,
            Fault::WrongProof => 15,
            Fault::WrongEntry => 16,
            Fault::WiderTile => 17,
            Fault::NarrowerTile => 18,
            Fault::MissingPartial => 19,
            Fault::UnknownEntryType => 20,
            Fault::WrongLeafIndex => 21,
            Fault::WrongIssuer => 22,
        }
    }

    #[test]
    fn no_fault_is_left_out() {
        let shown: BTreeSet<_> = every_fault().iter().map(|(fault, _)| place(fault)).collect();
        assert_eq!(shown, (0..=22).collect());
    }
}
