//! What is kept and said of entries that are malformed.

use super::report::Reporter;
use crate::ct::entry::{Content, FramingFault, LogEntry, LogEntryType};
use crate::digest::Topic;
use crate::evidence::Misbehaviour;
use crate::log_client::{DecodeFailure, EntryTexts, MAX_UNDECODABLE_TEXT};
use crate::message::CertEntry;
use crate::state::{UndecodableEntry, UndecodableFolder};
use bytes::Bytes;
use log::Level;

/// Records what is wrong with an entry that is published nevertheless.
pub(super) fn look_at(reporter: &Reporter, entry: &CertEntry, leaf_input: Option<Bytes>) {
    let Content::Entry(LogEntry { fault: Some(fault), certificate, chain, entry_type, .. }) = &entry.content
    else {
        return;
    };
    if let FramingFault::MissingIssuer { .. } = fault {
        reporter.status().sent_incomplete();
        return reporter.tell(Level::Warn, Topic { about: "entry", problem: "chain" }, |name| {
            format!("{name}: entry {}: {fault}; sent anyway", entry.index)
        });
    }
    reporter.status().misframed();
    let Some(leaf_input) = leaf_input else {
        reporter.tell(Level::Warn, Topic { about: "entry", problem: "misframed" }, |name| {
            format!("{name}: entry {} is malformed: {fault}; sent anyway", entry.index)
        });
        return;
    };
    reporter.wrong_entry(format!("entry {}: {fault}", entry.index), || Misbehaviour::WrongEntry {
        index: entry.index,
        leaf_input: leaf_input.as_ref().into(),
        precertificate: (*entry_type == LogEntryType::Precert).then(|| certificate.as_ref().into()),
        chain: chain.iter().map(|issuer| issuer.der().as_ref().into()).collect(),
    });
}

/// Stores the bytes of an entry that is skipped because it cannot be decoded.
pub(super) fn keep_undecodable(
    reporter: &Reporter,
    folder: &UndecodableFolder,
    broken: &DecodeFailure,
    index: u64,
) {
    let DecodeFailure { reason, texts } = broken;
    let url = reporter.status().source().url();
    let kept = texts.as_ref().map(|EntryTexts { leaf_input, extra_data }| {
        folder.keep(&UndecodableEntry { url, index, reason, leaf_input, extra_data })
    });
    let kept = match kept {
        Some(Ok(path)) => format!("kept in {}", path.display()),
        Some(Err(error)) => format!("not kept: {error}"),
        None => format!("not kept: it is larger than {MAX_UNDECODABLE_TEXT} bytes"),
    };
    reporter.tell(Level::Warn, Topic { about: "entry", problem: "cannot be decoded" }, |name| {
        format!("{name}: entry {index} cannot be decoded: {reason}; skipped, {kept}")
    });
}
