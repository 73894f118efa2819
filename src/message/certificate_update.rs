//! The `certificate_update` message and its shorter forms.

use super::seconds::Seconds;
use super::source;
use super::stream::Stream;
use crate::certificate::{Certificate, Issuer, Leaf, LeafKind};
use crate::ct::entry::{Content, LogEntry, LogEntryType};
use crate::ct::source::Source;
use std::borrow::Cow;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// A log entry with the data that its messages need.
#[derive(Debug, Clone)]
pub struct CertEntry {
    /// The log that contains the entry.
    pub source: Arc<Source>,
    /// The entry's index in that log.
    pub index: u64,
    /// When this server decoded the entry, unix microseconds.
    pub seen_us: u64,
    /// The decoded content.
    pub content: Content,
    /// Its number in the journal; `None` until the journal has it.
    pub seq: Option<u64>,
    /// The text of its fault, if it was read from the journal.
    pub recorded_fault: Option<Box<str>>,
}

/// The ranges of the full message's text that the shorter forms omit or consist of, as byte offsets.
#[derive(Debug, Clone)]
pub(super) struct Cuts {
    /// The member `"as_der":"...",`.
    as_der: Range<usize>,
    /// The member `"chain":[...],`.
    chain: Range<usize>,
    /// The array `all_domains`.
    all_domains: Range<usize>,
}

/// A member with the number 0, as long as that of any number. Numbers have 16 digits from the year 2001 to 2286.
const NUMBER: &[u8] = br#","seq":1000000000000000"#;
/// Digits of a number.
pub(super) const DIGITS: usize = 16;

/// Number of bytes behind the digits: the end of the object.
pub(super) const NUMBERED_BEHIND: usize = 1;
/// Length of the end of a numbered message: the member, and the end of the object.
pub(super) const NUMBERED_END: usize = NUMBER.len() + NUMBERED_BEHIND;

impl CertEntry {
    /// The entry at `index` of `source`, which was decoded at `seen_us` and is not in the journal.
    pub fn new(source: Arc<Source>, index: u64, seen_us: u64, content: Content) -> Self {
        CertEntry { source, index, seen_us, content, seq: None, recorded_fault: None }
    }

    /// The entry, unless only its names were read.
    pub(super) fn whole(&self) -> Option<&LogEntry> {
        match &self.content {
            Content::Entry(entry) => Some(entry),
            Content::Names(_) => None,
        }
    }

    /// The text of the fault to report to clients.
    pub fn fault(&self) -> Option<Cow<'_, str>> {
        let Content::Entry(entry) = &self.content else { return None };
        let recorded = self.recorded_fault.as_deref().map(Cow::Borrowed);
        recorded.or_else(|| entry.reported_fault().map(|fault| Cow::Owned(fault.to_string())))
    }

    /// Adds the number to the message that `out` ends with; a number to be replaced if the entry has none yet.
    pub(super) fn write_number(&self, out: &mut Vec<u8>) {
        out.pop();
        match self.seq {
            // Writing to a Vec cannot fail.
            Some(seq) => drop(write!(out, r#","seq":{seq:016}"#)),
            None => out.extend_from_slice(NUMBER),
        }
        out.push(b'}');
    }

    /// The message of `stream` for this entry. `None` if only its names were read and the stream needs more, or if it has no
    /// names and the stream sends nothing else.
    pub fn json(&self, stream: Stream) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(self.size_hint(stream));
        match (stream, &self.content) {
            (Stream::Domains, _) if self.write_dns_entries(&mut out) => {}
            (Stream::Domains, _) => return None,
            (_, Content::Entry(entry)) => drop(self.write_update(entry, &mut out, stream == Stream::Full)),
            (_, Content::Names(_)) => return None,
        }
        if self.seq.is_some() {
            self.write_number(&mut out);
        }
        Some(out)
    }

    /// Approximate memory of the content in bytes: certificates, counted as if none were shared, or names.
    pub fn content_bytes(&self) -> usize {
        match &self.content {
            Content::Entry(entry) => {
                let chain = entry.chain.iter().map(|issuer| Issuer::OVERHEAD + issuer.der().len());
                entry.certificate.len() + chain.sum::<usize>()
            }
            Content::Names(entry) => entry.names.iter().map(|name| size_of::<String>() + name.len()).sum(),
        }
    }

    /// Estimated size of the message in bytes: base64, hex texts and names, based on experience.
    pub(super) fn size_hint(&self, stream: Stream) -> usize {
        let Content::Entry(entry) = &self.content else { return 256 };
        let leaf = entry.certificate.len();
        let chain: usize = entry.chain.iter().map(|issuer| issuer.der().len()).sum();
        match stream {
            Stream::Full => leaf * 4 + chain * 3 + 1024,
            Stream::Lite => leaf * 3 + 1024,
            Stream::Domains => 256,
        }
    }

    /// Appends the full message for the content `entry`, or the lite message if `everything` is false.
    pub(super) fn write_update(&self, entry: &LogEntry, out: &mut Vec<u8>, everything: bool) -> Cuts {
        let start = out.len();
        let within = |range: Range<usize>| range.start - start..range.end - start;
        let (update_type, kind) = match entry.entry_type {
            LogEntryType::X509 => ("X509LogEntry", LeafKind::X509),
            LogEntryType::Precert => ("PrecertLogEntry", LeafKind::Precert),
        };
        let _ = write!(
            out,
            r#"{{"message_type":"certificate_update","data":{{"update_type":"{update_type}","leaf_cert":"#
        );
        let certificate = Certificate::parse(&entry.certificate);
        let tbs_sha256 = entry.signed_tbs.sha256(&certificate, kind);
        let marks = certificate.write_leaf(Leaf { kind, tbs_sha256, with_der: everything }, out);
        out.push(b',');
        let chain_start = out.len();
        if everything {
            write_chain(entry, out);
        }
        let chain = chain_start..out.len();
        let _ = write!(out, r#""cert_index":{},"cert_link":""#, self.index);
        source::write_link(&self.source, self.index, out);
        let _ = write!(out, r#"","seen":{},"#, Seconds::from_us(self.seen_us));
        source::write_member(&self.source, entry.timestamp_ms, out);
        out.push(b'}');
        if let Some(fault) = self.fault() {
            out.extend_from_slice(br#","fault":"#);
            // Serializing a text cannot fail, and neither can writing to a Vec.
            let _ = serde_json::to_writer(&mut *out, &fault);
        }
        out.push(b'}');
        Cuts { as_der: within(marks.as_der), chain: within(chain), all_domains: within(marks.all_domains) }
    }

    /// Appends the message of the domains stream. Returns whether it has any names.
    pub(super) fn write_dns_entries(&self, out: &mut Vec<u8>) -> bool {
        dns_entries(out, |out| match &self.content {
            Content::Entry(entry) => Certificate::parse(&entry.certificate).write_all_domains(out),
            // Serializing texts cannot fail, and neither can writing to a Vec.
            Content::Names(entry) => drop(serde_json::to_writer(out, &entry.names)),
        })
    }
}

fn write_chain(entry: &LogEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(br#""chain":["#);
    for (i, issuer) in entry.chain.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        issuer.write_json(out);
    }
    out.extend_from_slice(b"],");
}

impl Cuts {
    /// Appends the lite message, cut from the full one.
    pub(super) fn write_lite(&self, full: &[u8], out: &mut Vec<u8>) {
        for part in [0..self.as_der.start, self.as_der.end..self.chain.start, self.chain.end..full.len()] {
            out.extend_from_slice(full.get(part).unwrap_or_default());
        }
    }

    /// Appends the message of the domains stream, cut from the full one. Returns whether it has any names.
    pub(super) fn write_dns_entries(&self, full: &[u8], out: &mut Vec<u8>) -> bool {
        let names = full.get(self.all_domains.clone()).unwrap_or_default();
        dns_entries(out, |out| out.extend_from_slice(names))
    }
}

fn dns_entries(out: &mut Vec<u8>, write_names: impl FnOnce(&mut Vec<u8>)) -> bool {
    out.extend_from_slice(br#"{"message_type":"dns_entries","data":"#);
    let start = out.len();
    write_names(out);
    let has_names = out.get(start..) != Some(b"[]");
    out.push(b'}');
    has_names
}
