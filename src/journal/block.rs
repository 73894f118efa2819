//! A block of the journal: consecutive entries of one log, and the log's position behind them. Pure.
//!
//! ```text
//! struct {
//!     uint8 version;                                 // 1
//!     opaque url<0..2^32-1>, name<…>, operator<…>;   // of the log
//!     uint8 protocol;                                // 0: rfc6962, 1: static-ct
//!     opaque log_id<0..32>;                          // with a length of 4 bytes; empty if the key is not known
//!     opaque position<0..2^32-1>;                    // as in positions.json
//!     KeptIssuer issuers<0..2^16-1>;                 // those of all entries; number in 2 bytes
//!     KeptEntry entries<0..2^32-1>;                  // number in 4 bytes
//! } Block;
//!
//! struct { uint8 is_inline;                          // 0: the fingerprint, 1: the certificate
//!          opaque issuer<0..2^32-1>; } KeptIssuer;
//!
//! struct { uint8 kind;                               // 0: x509, 1: precert, 2: names
//!          uint64 index, seen_us, timestamp_ms;
//!          opaque fault<0..2^32-1>;                   // empty: none
//!          select (kind) {
//!              case x509, precert: opaque certificate<0..2^32-1>;
//!                                  opaque signed_tbs<0..32>;      // empty: of the certificate; SHA-256: another one; 0: unknown
//!                                  uint16 chain<0..2^8-1>;        // places in issuers; number in 1 byte
//!              case names:         opaque name<0..2^32-1> names<0..2^32-1>; }
//! } KeptEntry;
//! ```
//!
//! All numbers are big-endian. A length or a number has four bytes unless stated otherwise.

use crate::certificate::Issuer;
use crate::ct::entry::{Content, LogEntry, LogEntryType, MAX_CHAIN_CERTIFICATES, SignedTbs};
use crate::ct::names_tile::NamesEntry;
use crate::ct::reader::{Reader, Truncated};
use crate::ct::source::{Protocol, Source};
use crate::ct::tile::Fingerprint;
use crate::message::CertEntry;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The version that this module writes and reads.
const VERSION: u8 = 1;
/// Largest number of different issuers in one block.
const MAX_ISSUERS: usize = u16::MAX as usize;

/// Why a block cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Another version of the program has written it.
    #[error("unknown block version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// It ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A field has a value that it cannot have.
    #[error("invalid {0}")]
    Invalid(&'static str),
}

/// Encodes `entries` of the log `source`, behind which it has `position`. `is_kept` says whether the issuer is kept
/// elsewhere, so that its fingerprint suffices.
pub fn encode(
    source: &Source,
    position: &[u8],
    entries: &[CertEntry],
    mut is_kept: impl FnMut(&Issuer) -> bool,
) -> Vec<u8> {
    let size: usize = entries.iter().map(kept_size).sum();
    let mut out = Vec::with_capacity(size + position.len() + 1024);
    out.push(VERSION);
    for text in [source.url(), source.name(), source.operator()] {
        push_bytes(&mut out, text.as_bytes());
    }
    out.push(match source.protocol() {
        Protocol::Rfc6962 => 0,
        Protocol::StaticCt => 1,
    });
    push_bytes(&mut out, source.log_id().as_ref().map_or(&[], |id| id.as_slice()));
    push_bytes(&mut out, position);
    let (issuers, places) = issuers_of(entries);
    out.extend_from_slice(&(issuers.len() as u16).to_be_bytes());
    for issuer in issuers {
        let kept = is_kept(issuer);
        out.push(u8::from(!kept));
        push_bytes(&mut out, if kept { issuer.fingerprint() } else { issuer.der() });
    }
    out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    entries.iter().for_each(|entry| push_entry(&mut out, entry, &places));
    out
}

/// About the size of an entry without its chain, in bytes.
fn kept_size(entry: &CertEntry) -> usize {
    100 + match &entry.content {
        Content::Entry(whole) => whole.certificate.len(),
        Content::Names(names) => names.names.iter().map(|name| 4 + name.len()).sum(),
    }
}

/// The different issuers of all entries, and the place of each by its address.
fn issuers_of(entries: &[CertEntry]) -> (Vec<&Issuer>, FxHashMap<*const Issuer, u16>) {
    let (mut issuers, mut places) = (Vec::new(), FxHashMap::default());
    for entry in entries {
        let Content::Entry(whole) = &entry.content else { continue };
        for issuer in &whole.chain {
            if issuers.len() < MAX_ISSUERS {
                places.entry(Arc::as_ptr(issuer)).or_insert_with(|| {
                    issuers.push(issuer.as_ref());
                    (issuers.len() - 1) as u16
                });
            }
        }
    }
    (issuers, places)
}

fn push_entry(out: &mut Vec<u8>, entry: &CertEntry, places: &FxHashMap<*const Issuer, u16>) {
    let (kind, timestamp_ms) = match &entry.content {
        Content::Entry(whole) if whole.entry_type == LogEntryType::X509 => (0, whole.timestamp_ms),
        Content::Entry(whole) => (1, whole.timestamp_ms),
        Content::Names(names) => (2, names.timestamp_ms),
    };
    out.push(kind);
    for number in [entry.index, entry.seen_us, timestamp_ms] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    push_bytes(out, entry.fault().unwrap_or_default().as_bytes());
    match &entry.content {
        Content::Entry(whole) => {
            push_bytes(out, &whole.certificate);
            push_bytes(
                out,
                match &whole.signed_tbs {
                    SignedTbs::OfCertificate => &[],
                    SignedTbs::Other(hash) => hash,
                    SignedTbs::Unknown => &[0],
                },
            );
            let place = |issuer: &Arc<Issuer>| places.get(&Arc::as_ptr(issuer)).copied();
            let chain: Vec<u16> = whole.chain.iter().map_while(place).collect();
            out.push(chain.len() as u8);
            chain.iter().for_each(|place| out.extend_from_slice(&place.to_be_bytes()));
        }
        Content::Names(names) => {
            out.extend_from_slice(&(names.names.len() as u32).to_be_bytes());
            names.names.iter().for_each(|name| push_bytes(out, name.as_bytes()));
        }
    }
}

/// Appends `bytes` behind their length.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Reads the log's identity and position alone.
///
/// # Errors
/// See [`BlockError`].
pub fn position(payload: &Bytes) -> Result<(Source, Bytes), BlockError> {
    let mut r = Reader::new(payload);
    let source = read_source(&mut r)?;
    Ok((source, payload.slice_ref(r.vector("position", 4)?)))
}

/// Decodes the entries of the block `payload`, whose first one has the number `first_seq`. `issuer` finds an issuer that is kept
/// elsewhere; if it is not there any more, the chain ends before it.
///
/// # Errors
/// See [`BlockError`].
pub fn decode(
    payload: &Bytes,
    first_seq: u64,
    issuer: impl FnMut(&Fingerprint) -> Option<Arc<Issuer>>,
) -> Result<Vec<CertEntry>, BlockError> {
    decode_sharing(payload, first_seq, issuer, Issuer::unshared)
}

/// Like [`decode`]. `share` makes an issuer of the certificate in the block, or returns the one that is known.
///
/// # Errors
/// See [`BlockError`].
pub(super) fn decode_sharing(
    payload: &Bytes,
    first_seq: u64,
    issuer: impl FnMut(&Fingerprint) -> Option<Arc<Issuer>>,
    share: impl FnMut(&[u8]) -> Arc<Issuer>,
) -> Result<Vec<CertEntry>, BlockError> {
    let mut r = Reader::new(payload);
    let source = Arc::new(read_source(&mut r)?);
    r.vector("position", 4)?;
    let issuers = read_issuers(&mut r, issuer, share)?;
    let count = r.uint("entries", 4)?;
    // Not allocated by the declared number: an entry has 30 bytes at least.
    let mut entries = Vec::with_capacity((count as usize).min(r.rest().len() / 30));
    for seq in first_seq..first_seq.saturating_add(count) {
        let mut entry = read_entry(&mut r, payload, &source, &issuers)?;
        entry.seq = Some(seq);
        entries.push(entry);
    }
    if r.rest().is_empty() { Ok(entries) } else { Err(BlockError::Invalid("end")) }
}

fn read_source(r: &mut Reader<'_>) -> Result<Source, BlockError> {
    match r.uint("version", 1)? as u8 {
        VERSION => {}
        other => return Err(BlockError::Version(other)),
    }
    let [url, name, operator] = [read_text(r, "url")?, read_text(r, "name")?, read_text(r, "operator")?];
    let protocol = match r.uint("protocol", 1)? {
        0 => Protocol::Rfc6962,
        1 => Protocol::StaticCt,
        _ => return Err(BlockError::Invalid("protocol")),
    };
    let log_id = read_hash(r, "log_id")?;
    Ok(Source::new(url, name, operator, log_id, protocol))
}

fn read_text<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<&'a str, BlockError> {
    std::str::from_utf8(r.vector(field, 4)?).map_err(|_| BlockError::Invalid(field))
}

fn read_signed_tbs(r: &mut Reader<'_>) -> Result<SignedTbs, BlockError> {
    match r.vector("signed_tbs", 4)? {
        [] => Ok(SignedTbs::OfCertificate),
        [0] => Ok(SignedTbs::Unknown),
        hash => hash.try_into().map(SignedTbs::Other).map_err(|_| BlockError::Invalid("signed_tbs")),
    }
}

/// A hash, or nothing.
fn read_hash(r: &mut Reader<'_>, field: &'static str) -> Result<Option<[u8; 32]>, BlockError> {
    match r.vector(field, 4)? {
        [] => Ok(None),
        hash => hash.try_into().map(Some).map_err(|_| BlockError::Invalid(field)),
    }
}

fn read_issuers(
    r: &mut Reader<'_>,
    mut issuer: impl FnMut(&Fingerprint) -> Option<Arc<Issuer>>,
    mut share: impl FnMut(&[u8]) -> Arc<Issuer>,
) -> Result<Vec<Option<Arc<Issuer>>>, BlockError> {
    let count = r.uint("issuers", 2)?;
    let mut issuers = Vec::with_capacity((count as usize).min(r.rest().len() / 5));
    for _ in 0..count {
        let is_inline = r.uint("is_inline", 1)?;
        let bytes = r.vector("issuer", 4)?;
        issuers.push(match is_inline {
            0 => issuer(bytes.try_into().map_err(|_| BlockError::Invalid("issuer"))?),
            1 => Some(share(bytes)),
            _ => return Err(BlockError::Invalid("is_inline")),
        });
    }
    Ok(issuers)
}

fn read_entry(
    r: &mut Reader<'_>,
    payload: &Bytes,
    source: &Arc<Source>,
    issuers: &[Option<Arc<Issuer>>],
) -> Result<CertEntry, BlockError> {
    let kind = r.uint("kind", 1)?;
    let [index, seen_us, timestamp_ms] =
        [r.uint("index", 8)?, r.uint("seen_us", 8)?, r.uint("timestamp_ms", 8)?];
    let fault = read_text(r, "fault")?;
    let mut recorded_fault = (!fault.is_empty()).then(|| fault.into());
    let content = match kind {
        0 | 1 => {
            let entry_type = if kind == 0 { LogEntryType::X509 } else { LogEntryType::Precert };
            let certificate = payload.slice_ref(r.vector("certificate", 4)?);
            let signed_tbs = read_signed_tbs(r)?;
            let (chain, is_complete) = read_chain(r, issuers)?;
            if !is_complete && recorded_fault.is_none() {
                recorded_fault =
                    Some("the chain lacks an issuer that this server does not have any more".into());
            }
            Content::Entry(LogEntry { timestamp_ms, entry_type, certificate, chain, signed_tbs, fault: None })
        }
        2 => Content::Names(NamesEntry { timestamp_ms, names: read_names(r)? }),
        _ => return Err(BlockError::Invalid("kind")),
    };
    Ok(CertEntry { recorded_fault, ..CertEntry::new(source.clone(), index, seen_us, content) })
}

/// The chain up to the first issuer that is not kept any more, and whether it is complete.
fn read_chain(
    r: &mut Reader<'_>,
    issuers: &[Option<Arc<Issuer>>],
) -> Result<(Vec<Arc<Issuer>>, bool), BlockError> {
    let count = r.uint("chain", 1)? as usize;
    if count > MAX_CHAIN_CERTIFICATES {
        return Err(BlockError::Invalid("chain"));
    }
    let mut chain = Vec::with_capacity(count);
    let mut is_complete = true;
    for _ in 0..count {
        let place = r.uint("chain", 2)? as usize;
        match issuers.get(place).ok_or(BlockError::Invalid("chain"))? {
            Some(issuer) if is_complete => chain.push(issuer.clone()),
            _ => is_complete = false,
        }
    }
    Ok((chain, is_complete))
}

fn read_names(r: &mut Reader<'_>) -> Result<Vec<String>, BlockError> {
    let count = r.uint("names", 4)?;
    let mut names = Vec::with_capacity((count as usize).min(r.rest().len() / 4));
    for _ in 0..count {
        names.push(read_text(r, "name")?.to_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
