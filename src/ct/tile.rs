//! Data tiles of static-ct-api logs: 256 consecutive entries, or fewer in a partial tile.
//!
//! Only the lengths inside an entry determine where the next entry begins. The framing is therefore parsed
//! strictly: after an error, the rest of the tile cannot be trusted.

use super::entry::{FramingFault, LEAF_HEADER, LogEntry, LogEntryType, PreCert, SignedTbs, leaf_index};
use super::merkle::{Hash, leaf_hash_of};
use super::reader::{Reader, Truncated};
use crate::certificate::Issuer;
use bytes::Bytes;
use std::sync::Arc;

/// SHA-256 of an issuer's DER. It is the issuer's name below `/issuer/`.
pub type Fingerprint = [u8; 32];

/// One entry of a data tile, static-ct-api "Log Entries".
///
/// ```text
/// struct { TimestampedEntry timestamped_entry;
///          select (entry_type) { case x509_entry: Empty; case precert_entry: ASN.1Cert pre_certificate; };
///          Fingerprint certificate_chain<0..2^16-1>; } TileLeaf;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileLeaf<'a> {
    /// When the log accepted the entry, unix milliseconds.
    pub timestamp_ms: u64,
    /// The entry's type: certificate or precert.
    pub entry_type: LogEntryType,
    /// The DER as it was submitted. For a precert this is the precertificate with its poison.
    pub certificate: &'a [u8],
    /// The structure that the log signed for a precert. `None` for a certificate, which the log signed
    /// itself.
    pub pre_cert: Option<PreCert<'a>>,
    /// The entry's index in the log, from the `leaf_index` extension. `None` for entries of logs that also
    /// serve get-entries (RFC 6962).
    pub leaf_index: Option<u64>,
    /// The fingerprints of the issuers, the leaf's own issuer first.
    pub chain: Vec<Fingerprint>,
    /// The encoded TimestampedEntry. Preceded by two zero bytes, it is the MerkleTreeLeaf (RFC 6962 section
    /// 3.4).
    pub timestamped_entry: &'a [u8],
}

/// The framing of a tile is broken at an entry. The rest of the tile cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The tile ends inside an entry.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// An entry type that RFC 6962 does not define.
    #[error("unknown entry type {entry_type} at offset {offset}")]
    UnknownType {
        /// The value found.
        entry_type: u64,
        /// Offset in the tile, bytes.
        offset: usize,
    },
    /// The length of the chain is not a multiple of the length of a fingerprint.
    #[error("a chain of {length} bytes at offset {offset} is no list of fingerprints")]
    OddChain {
        /// Length of the list, in bytes.
        length: usize,
        /// Offset in the tile, bytes.
        offset: usize,
    },
}

/// Parses the entries of `tile` in order. Stops after the first error.
pub fn leaves(tile: &[u8]) -> impl Iterator<Item = Result<TileLeaf<'_>, TileError>> {
    let mut reader = Reader::new(tile);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken || reader.rest().is_empty() {
            return None;
        }
        let leaf = read_leaf(&mut reader);
        broken = leaf.is_err();
        Some(leaf)
    })
}

fn read_leaf<'a>(r: &mut Reader<'a>) -> Result<TileLeaf<'a>, TileError> {
    let start = r.clone();
    let timestamp_ms = r.uint("timestamp", 8)?;
    let offset = r.offset();
    let entry_type = match r.uint("entry_type", 2)? {
        0 => LogEntryType::X509,
        1 => LogEntryType::Precert,
        entry_type => return Err(TileError::UnknownType { entry_type, offset }),
    };
    let (signed, pre_cert) = match entry_type {
        LogEntryType::X509 => (r.vector("signed_entry", 3)?, None),
        LogEntryType::Precert => (&[][..], Some(PreCert::read(r)?)),
    };
    let leaf_index = leaf_index(r.vector("extensions", 2)?);
    let length = r.offset() - start.offset();
    let timestamped_entry = start.rest().get(..length).unwrap_or_default();
    let certificate = match entry_type {
        LogEntryType::X509 => signed,
        LogEntryType::Precert => r.vector("pre_certificate", 3)?,
    };
    let offset = r.offset();
    let fingerprints = r.vector("certificate_chain", 2)?;
    let (chain, rest) = fingerprints.as_chunks();
    if !rest.is_empty() {
        return Err(TileError::OddChain { length: fingerprints.len(), offset });
    }
    let chain = chain.into();
    Ok(TileLeaf { timestamp_ms, entry_type, certificate, pre_cert, leaf_index, chain, timestamped_entry })
}

/// Builds the MerkleTreeLeaf from a TimestampedEntry, RFC 6962 section 3.4.
pub fn merkle_tree_leaf(timestamped_entry: &[u8]) -> Bytes {
    [&LEAF_HEADER, timestamped_entry].concat().into()
}

impl TileLeaf<'_> {
    /// The leaf hash of the entry: the hash of its MerkleTreeLeaf, RFC 6962 sections 2.1 and 3.4.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash_of(&[&LEAF_HEADER, self.timestamped_entry])
    }

    /// Converts the leaf to an entry. `chain` contains the certificates for its fingerprints, up to the `missing` one.
    pub fn into_entry(self, chain: Vec<Arc<Issuer>>, missing: Option<Fingerprint>) -> LogEntry {
        let TileLeaf { timestamp_ms, entry_type, certificate, pre_cert, .. } = self;
        let (signed_tbs, mismatch) = match pre_cert {
            Some(pre_cert) => pre_cert.compare(certificate, &chain),
            None => (SignedTbs::OfCertificate, None),
        };
        let fault = match (missing, mismatch) {
            // Without its issuer, a mismatch may be due to a precertificate signing certificate.
            (Some(fingerprint), mismatch) if chain.is_empty() => {
                Some(FramingFault::MissingIssuer { fingerprint, is_proven: mismatch.is_none() })
            }
            (Some(fingerprint), None) => Some(FramingFault::MissingIssuer { fingerprint, is_proven: true }),
            (_, mismatch) => mismatch,
        };
        let certificate = Bytes::copy_from_slice(certificate);
        LogEntry { timestamp_ms, entry_type, certificate, chain, signed_tbs, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(precert: bool, index: u64, fingerprints: &[u8]) -> Vec<u8> {
        let mut v = 99u64.to_be_bytes().to_vec();
        v.extend([0, u8::from(precert)]);
        if precert {
            v.extend([7; 32]);
        }
        v.extend([0, 0, 4]);
        v.extend(b"leaf");
        v.extend([0, 8, 0, 0, 5]);
        v.extend(&index.to_be_bytes()[3..]);
        if precert {
            v.extend([0, 0, 3]);
            v.extend(b"pre");
        }
        v.extend((fingerprints.len() as u16).to_be_bytes());
        v.extend(fingerprints);
        v
    }

    fn read(tile: &[u8]) -> Vec<Result<TileLeaf<'_>, TileError>> {
        leaves(tile).collect()
    }

    #[test]
    fn a_tile_yields_its_entries_in_order() {
        let x509 = leaf(false, 0x01_0203_0405, &[1; 64]);
        let tile = [x509.clone(), leaf(true, 6, &[])].concat();
        let read: Vec<_> = read(&tile).into_iter().map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].entry_type, read[0].certificate), (LogEntryType::X509, &b"leaf"[..]));
        assert_eq!((read[0].leaf_index, read[0].timestamp_ms), (Some(0x01_0203_0405), 99));
        assert_eq!(read[0].chain, [[1; 32], [1; 32]]);
        assert_eq!(read[0].timestamped_entry, &x509[..x509.len() - 66]);
        assert_eq!((read[1].entry_type, read[1].certificate), (LogEntryType::Precert, &b"pre"[..]));
        assert!(read[1].chain.is_empty());
    }

    #[test]
    fn a_precertificate_that_was_not_signed_is_a_fault_and_delivered() {
        let [x509, precert] = [false, true].map(|precert| leaf(precert, 0, &[]));
        let read = |is_precert| read(if is_precert { &precert } else { &x509 }).remove(0).unwrap();
        let entry = read(true).into_entry(Vec::new(), None);
        assert!(matches!(entry.fault, Some(FramingFault::Precert(_))));
        assert_eq!(entry.certificate, "pre");
        assert_eq!(read(true).pre_cert.unwrap().tbs_certificate, b"leaf");
        assert_eq!(read(false).into_entry(Vec::new(), None).fault, None);
    }

    #[test]
    fn a_missing_issuer_hides_no_precertificate_that_is_not_proven() {
        let [x509, precert] = [false, true].map(|precert| leaf(precert, 0, &[]));
        let read = |is_precert| read(if is_precert { &precert } else { &x509 }).remove(0).unwrap();
        let missing = |is_proven| Some(FramingFault::MissingIssuer { fingerprint: [7; 32], is_proven });
        assert_eq!(read(true).into_entry(Vec::new(), Some([7; 32])).fault, missing(false));
        assert_eq!(read(false).into_entry(Vec::new(), Some([7; 32])).fault, missing(true));
        let chain = vec![Issuer::unshared(b"issuer")];
        let fault = read(true).into_entry(chain.clone(), Some([7; 32])).fault;
        assert!(matches!(fault, Some(FramingFault::Precert(_))), "{fault:?}");
        assert_eq!(read(false).into_entry(chain, Some([7; 32])).fault, missing(true));
    }

    #[test]
    fn a_tile_that_is_cut_anywhere_ends_with_an_error() {
        let tile = [leaf(false, 0, &[2; 32]), leaf(true, 1, &[3; 32])].concat();
        let first = leaf(false, 0, &[2; 32]).len();
        for end in (1..tile.len()).filter(|end| *end != first) {
            let read = read(&tile[..end]);
            assert!(matches!(read.last(), Some(Err(TileError::Truncated(_)))), "{end}: {read:?}");
            assert_eq!(read.len(), 1 + usize::from(end > first));
        }
    }

    #[test]
    fn broken_entries_are_named_with_their_place() {
        let mut unknown = leaf(false, 0, &[]);
        unknown[9] = 3;
        assert_eq!(read(&unknown), [Err(TileError::UnknownType { entry_type: 3, offset: 8 })]);
        assert_eq!(read(&leaf(false, 0, &[1; 33])), [Err(TileError::OddChain { length: 33, offset: 27 })]);
        assert!(read(&[]).is_empty());
    }

    #[test]
    fn an_entry_without_a_leaf_index_is_an_entry() {
        let mut other_extension = leaf(false, 0, &[]);
        other_extension[19] = 9;
        let read = read(&other_extension).remove(0).unwrap();
        assert_eq!((read.leaf_index, read.certificate), (None, &b"leaf"[..]));
    }
}
