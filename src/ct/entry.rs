//! One log entry: decodes `leaf_input` and `extra_data` of get-entries (RFC 6962 section 4.6).
//!
//! Decoding locates the certificates and checks the framing around them. It does not parse certificates. The
//! only exception is a precert: there the log signs a different structure, and the module `certificate`
//! compares the two. If the submitted certificate and its chain can be found, the result is an entry even if
//! the framing is wrong; the entry then carries the fault. Decoding fails only if the certificate or the
//! chain is missing completely.

use super::names_tile::NamesEntry;
use super::reader::{Reader, Truncated};
use crate::certificate::precert::{self, Mismatch, Signer};
use crate::certificate::{Certificate, Issuer, LeafKind, sha256};
use bytes::Bytes;
use std::sync::Arc;

/// LogEntryType, RFC 6962 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogEntryType {
    /// `x509_entry(0)`: a certificate.
    X509,
    /// `precert_entry(1)`: a precertificate.
    Precert,
}

/// The content of a log at one index.
///
/// ```text
/// struct { Version version; MerkleLeafType leaf_type;
///          select (leaf_type) { case timestamped_entry: TimestampedEntry; } } MerkleTreeLeaf;
/// struct { uint64 timestamp; LogEntryType entry_type;
///          select (entry_type) { case x509_entry: ASN.1Cert; case precert_entry: PreCert; } signed_entry;
///          CtExtensions extensions; } TimestampedEntry;
/// struct { opaque issuer_key_hash[32]; TBSCertificate tbs_certificate; } PreCert;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When the log accepted the entry, unix milliseconds.
    pub timestamp_ms: u64,
    /// The entry's type: certificate or precert.
    pub entry_type: LogEntryType,
    /// The DER as it was submitted. For a precert this is the precertificate with its poison, from
    /// `extra_data`. It is a copy: a slice of a log's response would keep the whole response in memory.
    pub certificate: Bytes,
    /// The issuers, from the leaf's own issuer to the root.
    pub chain: Vec<Arc<Issuer>>,
    /// The TBSCertificate that the log signed for a precert.
    pub signed_tbs: SignedTbs,
    /// An error in the framing. The certificate could be found nevertheless.
    pub fault: Option<FramingFault>,
}

/// The TBSCertificate of an issuance: what its precert and its certificate have in common, RFC 6962 section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedTbs {
    /// That of the entry's certificate, without its poison or SCT list. Nearly all are, and are hashed only for a message.
    OfCertificate,
    /// Another one with this SHA-256: a Precertificate Signing Certificate signed the precertificate, or the log shows a
    /// precertificate that does not match.
    Other([u8; 32]),
    /// The log's leaf is malformed.
    Unknown,
}

impl SignedTbs {
    /// Its SHA-256. `certificate` is the entry's certificate, of this `kind`. `None` if it is not known, or if the
    /// certificate has none, see [`Certificate::tbs_sha256`].
    pub fn sha256(&self, certificate: &Certificate<'_>, kind: LeafKind) -> Option<[u8; 32]> {
        match self {
            SignedTbs::OfCertificate => certificate.tbs_sha256(kind),
            SignedTbs::Other(hash) => Some(*hash),
            SignedTbs::Unknown => None,
        }
    }
}

/// The structure that a log signs instead of a precertificate, RFC 6962 section 3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreCert<'a> {
    /// SHA-256 of the issuer's SubjectPublicKeyInfo.
    pub issuer_key_hash: [u8; 32],
    /// DER, without the poison.
    pub tbs_certificate: &'a [u8],
}

/// The decoded content of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A whole entry.
    Entry(LogEntry),
    /// Only the names of an entry, from a names tile.
    Names(NamesEntry),
}

/// A violation of RFC 6962's framing that leaves the certificate readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    /// `version` or `leaf_type` of MerkleTreeLeaf has a value that RFC 6962 does not define.
    #[error("unknown MerkleTreeLeaf: version {version}, leaf_type {leaf_type}")]
    UnknownLeaf {
        /// The value found; `v1(0)` is expected.
        version: u8,
        /// The value found; `timestamped_entry(0)` is expected.
        leaf_type: u8,
    },
    /// `leaf_input` is truncated after the certificate.
    #[error("leaf_input: {0}")]
    LeafInput(Truncated),
    /// The chain in `extra_data` is truncated. The certificates before that point are kept.
    #[error("extra_data: {0}")]
    Chain(Truncated),
    /// The chain in `extra_data` does not have the declared length.
    #[error("extra_data: certificate_chain declares {declared} bytes, {present} are there")]
    ChainLength {
        /// The declared length, in bytes.
        declared: u64,
        /// Number of bytes that follow the declaration.
        present: usize,
    },
    /// The chain has more certificates than the limit. The first ones are kept.
    #[error("extra_data: more than {MAX_CHAIN_CERTIFICATES} certificates in the chain")]
    ChainTooLong,
    /// The `leaf_index` of an entry in a tile is not its index in the log.
    #[error("leaf_index is {leaf_index} at index {index}")]
    LeafIndex {
        /// The `leaf_index` in the entry.
        leaf_index: u64,
        /// The entry's index in the log.
        index: u64,
    },
    /// An entry in the tile of a static-ct-api log has no `leaf_index`.
    #[error("no leaf_index among its extensions")]
    NoLeafIndex,
    /// A member of the get-entries response is not valid base64, but a lenient decoder can decode it.
    #[error("{member} is no proper base64")]
    Base64 {
        /// `leaf_input` or `extra_data`.
        member: &'static str,
    },
    /// `count` bytes follow the last structure.
    #[error("{count} bytes follow the end of {of}")]
    Trailing {
        /// `leaf_input`.
        of: &'static str,
        /// Number of extra bytes.
        count: usize,
    },
    /// An issuer could not be fetched, so that the chain ends before it. The chain is not part of the tree.
    #[error(
        "the chain lacks an issuer that the log does not serve, with SHA-256 {}{}",
        lower_hex(fingerprint),
        if *is_proven { "" } else { "; without it, the precertificate cannot be proven" }
    )]
    MissingIssuer {
        /// SHA-256 of the issuer's certificate.
        fingerprint: [u8; 32],
        /// Whether the certificate is proven nevertheless. A precertificate may differ from what the log signed in a
        /// way that only its issuer explains (RFC 6962 section 3.1).
        is_proven: bool,
    },
    /// The precertificate does not match the one that the log signed, so the tree does not prove it.
    #[error("the precertificate is not what the log signed: {0}")]
    Precert(Mismatch),
}

impl FramingFault {
    /// Whether the log misbehaved: the entry is not the one that it claims to be. A mere encoding error is
    /// not misbehaviour. Clients receive an alert for misbehaviour.
    pub fn is_misbehaviour(&self) -> bool {
        match self {
            FramingFault::LeafIndex { .. } | FramingFault::NoLeafIndex => true,
            // Logs may accept certificates that a strict parser rejects, and sign their own interpretation of
            // them.
            FramingFault::Precert(mismatch) => !matches!(mismatch, Mismatch::NotDer { .. }),
            _ => false,
        }
    }
}

fn lower_hex(bytes: &[u8]) -> String {
    hex_simd::encode_to_string(bytes, hex_simd::AsciiCase::Lower)
}

impl LogEntry {
    /// Returns the entry if it is small enough for a message.
    ///
    /// # Errors
    /// [`EntryError::TooLarge`].
    pub fn within_limits(self) -> Result<Self, EntryError> {
        let bytes =
            self.certificate.len() + self.chain.iter().map(|issuer| issuer.der().len()).sum::<usize>();
        if bytes > MAX_ENTRY_BYTES { Err(EntryError::TooLarge(bytes)) } else { Ok(self) }
    }

    /// The fault, if it is misbehaviour of the log.
    pub fn misbehaviour(&self) -> Option<FramingFault> {
        self.fault.filter(FramingFault::is_misbehaviour)
    }

    /// The fault to report to clients: misbehaviour, or a chain that is not complete.
    pub fn reported_fault(&self) -> Option<FramingFault> {
        self.fault
            .filter(|fault| fault.is_misbehaviour() || matches!(fault, FramingFault::MissingIssuer { .. }))
    }
}

/// The decoded fields of a MerkleTreeLeaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleTreeLeaf<'a> {
    /// Set for a precert.
    pub pre_cert: Option<PreCert<'a>>,
    /// Set for an entry of a static-ct-api log.
    pub leaf_index: Option<u64>,
}

impl<'a> MerkleTreeLeaf<'a> {
    /// Parses a MerkleTreeLeaf that contains a TimestampedEntry. `None` for any other leaf type.
    pub fn parse(leaf_input: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(leaf_input.strip_prefix(&LEAF_HEADER)?);
        r.uint("timestamp", 8).ok()?;
        let pre_cert = match r.uint("entry_type", 2).ok()? {
            0 => r.vector("signed_entry", 3).map(|_| None),
            1 => PreCert::read(&mut r).map(Some),
            _ => return None,
        };
        let extensions = |r: &mut Reader<'_>| leaf_index(r.vector("extensions", 2).ok()?);
        Some(MerkleTreeLeaf { pre_cert: pre_cert.ok()?, leaf_index: extensions(&mut r) })
    }
}

/// Why no certificate can be found in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// `leaf_input` ends before the certificate does.
    #[error("leaf_input: {0}")]
    LeafInput(Truncated),
    /// `extra_data` ends before the precertificate does, or before the chain starts.
    #[error("extra_data: {0}")]
    ExtraData(Truncated),
    /// An entry type that RFC 6962 does not define.
    #[error("unknown entry type {0}")]
    UnknownType(u64),
    /// Its certificate and chain have more than 4 MiB.
    #[error("certificate and chain have {0} bytes, at most {MAX_ENTRY_BYTES} are sent")]
    TooLarge(usize),
}

/// Maximum number of certificates that are decoded from a chain. Normal chains have two to five.
pub(crate) const MAX_CHAIN_CERTIFICATES: usize = 64;
/// Maximum size of the certificate and the chain of an entry that is sent, in bytes. A message can be up to
/// 13 times as large, for a certificate that is crafted for that. Common log software has the same limit for
/// one entry.
pub(crate) const MAX_ENTRY_BYTES: usize = 4 * 1024 * 1024;

/// The certificates of a chain, and the fault of its framing if there is one.
type Chain = (Vec<Arc<Issuer>>, Option<FramingFault>);

/// The parts of `leaf_input` that are needed after its framing has been checked.
struct Leaf<'a> {
    timestamp_ms: u64,
    signed: Signed<'a>,
    fault: Option<FramingFault>,
}

/// `signed_entry`.
enum Signed<'a> {
    X509(&'a [u8]),
    /// `None` if it is truncated.
    Precert(Option<PreCert<'a>>),
}

/// Decodes one entry of a get-entries response. `intern` returns the shared issuer for a certificate.
///
/// # Errors
/// If no certificate can be found in the entry, or if the entry is too large.
pub fn decode(
    leaf_input: &[u8],
    extra_data: &[u8],
    intern: impl FnMut(&[u8]) -> Arc<Issuer>,
) -> Result<LogEntry, EntryError> {
    let leaf = decode_leaf(leaf_input)?;
    let mut extra = Reader::new(extra_data);
    let (entry_type, certificate, pre_cert) = match leaf.signed {
        Signed::X509(certificate) => (LogEntryType::X509, certificate, None),
        Signed::Precert(pre_cert) => {
            let pre_certificate = extra.vector("pre_certificate", 3).map_err(EntryError::ExtraData)?;
            (LogEntryType::Precert, pre_certificate, pre_cert)
        }
    };
    let (chain, chain_fault) = decode_chain(extra, intern)?;
    let (signed_tbs, mismatch) = match (entry_type, pre_cert) {
        (LogEntryType::X509, _) => (SignedTbs::OfCertificate, None),
        (LogEntryType::Precert, Some(pre_cert)) => pre_cert.compare(certificate, &chain),
        (LogEntryType::Precert, None) => (SignedTbs::Unknown, None),
    };
    let fault = leaf.fault.or(chain_fault).or(mismatch);
    let certificate = Bytes::copy_from_slice(certificate);
    LogEntry { timestamp_ms: leaf.timestamp_ms, entry_type, certificate, chain, signed_tbs, fault }
        .within_limits()
}

fn decode_leaf(leaf_input: &[u8]) -> Result<Leaf<'_>, EntryError> {
    let mut r = Reader::new(leaf_input);
    let err = EntryError::LeafInput;
    let version = r.uint("version", 1).map_err(err)? as u8;
    let leaf_type = r.uint("leaf_type", 1).map_err(err)? as u8;
    let timestamp_ms = r.uint("timestamp", 8).map_err(err)?;
    let entry_type = match r.uint("entry_type", 2).map_err(err)? {
        0 => LogEntryType::X509,
        1 => LogEntryType::Precert,
        other => return Err(EntryError::UnknownType(other)),
    };
    let unknown = (version != 0 /* v1 */ || leaf_type != 0/* timestamped_entry */)
        .then_some(FramingFault::UnknownLeaf { version, leaf_type });
    let (signed, fault) = match entry_type {
        LogEntryType::X509 => {
            let certificate = r.vector("signed_entry", 3).map_err(err)?;
            (Signed::X509(certificate), leaf_end_fault(r))
        }
        LogEntryType::Precert => match PreCert::read(&mut r) {
            Ok(pre_cert) => (Signed::Precert(Some(pre_cert)), leaf_end_fault(r)),
            // A precert's certificate is in `extra_data`, so the entry can be decoded even if its leaf is
            // malformed.
            Err(e) => (Signed::Precert(None), Some(FramingFault::LeafInput(e))),
        },
    };
    Ok(Leaf { timestamp_ms, signed, fault: unknown.or(fault) })
}

impl<'a> PreCert<'a> {
    /// Reads the next PreCert from `r`.
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, Truncated> {
        let issuer_key_hash = r.array("issuer_key_hash")?;
        Ok(PreCert { issuer_key_hash, tbs_certificate: r.vector("signed_entry", 3)? })
    }

    /// Compares this PreCert with the precertificate and chain that the log shows for it. Returns its TBSCertificate, and a
    /// fault if it does not prove them.
    pub fn compare(&self, precertificate: &[u8], chain: &[Arc<Issuer>]) -> (SignedTbs, Option<FramingFault>) {
        let other = || SignedTbs::Other(sha256(self.tbs_certificate));
        match precert::check(self.tbs_certificate, &self.issuer_key_hash, precertificate, chain) {
            Ok(Signer::Ca) => (SignedTbs::OfCertificate, None),
            Ok(Signer::PrecertSigningCertificate) => (other(), None),
            Err(mismatch) => (other(), Some(FramingFault::Precert(mismatch))),
        }
    }
}

/// Checks the end of the leaf: `signed_entry` is followed by the extensions and nothing else.
fn leaf_end_fault(mut r: Reader<'_>) -> Option<FramingFault> {
    match r.vector("extensions", 2) {
        Err(e) => Some(FramingFault::LeafInput(e)),
        Ok(_) => trailing("leaf_input", r.rest()),
    }
}

fn trailing(of: &'static str, rest: &[u8]) -> Option<FramingFault> {
    (!rest.is_empty()).then_some(FramingFault::Trailing { of, count: rest.len() })
}

/// Decodes `ASN.1Cert certificate_chain<0..2^24-1>`, or `precertificate_chain`.
///
/// If the declared length of the list is wrong, all complete certificates are kept.
fn decode_chain(
    mut extra: Reader<'_>,
    mut intern: impl FnMut(&[u8]) -> Arc<Issuer>,
) -> Result<Chain, EntryError> {
    let declared = extra.uint("certificate_chain", 3).map_err(EntryError::ExtraData)?;
    let present = extra.rest().len();
    let mut fault = (declared != present as u64).then_some(FramingFault::ChainLength { declared, present });
    let mut chain = Vec::new();
    while !extra.rest().is_empty() {
        if chain.len() == MAX_CHAIN_CERTIFICATES {
            fault = fault.or(Some(FramingFault::ChainTooLong));
            break;
        }
        match extra.vector("ASN.1Cert", 3) {
            Ok(certificate) => chain.push(intern(certificate)),
            Err(e) => {
                fault = fault.or(Some(FramingFault::Chain(e)));
                break;
            }
        }
    }
    Ok((chain, fault))
}

/// `enum { leaf_index(0), (255) } ExtensionType`, each with `opaque extension_data<0..2^16-1>`. A leaf_index
/// is a uint40. Other extensions are skipped. The first leaf_index is used.
pub(super) fn leaf_index(extensions: &[u8]) -> Option<u64> {
    let mut r = Reader::new(extensions);
    while !r.rest().is_empty() {
        let extension_type = r.uint("extension_type", 1).ok()?;
        let data = r.vector("extension_data", 2).ok()?;
        if extension_type == 0 /* leaf_index */ && data.len() == 5 {
            return Reader::new(data).uint("leaf_index", 5).ok();
        }
    }
    None
}

/// The fields of a MerkleTreeLeaf before its TimestampedEntry: version v1, and the leaf type
/// `timestamped_entry`.
pub(super) const LEAF_HEADER: [u8; 2] = [0, 0];

#[cfg(test)]
mod tests;
