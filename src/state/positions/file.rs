//! The content of `positions.json`. Pure.
//!
//! The first line is JSON, the second the SHA-256 of the first in hexadecimal. Version 1 had the positions by URL, with the
//! log id among their members. Version 2 had the number of connected clients, and no journal. Both are read, and replaced by
//! the current version with the next save.
//!
//! The journal has a position behind the entries of each block, in the same form.

use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::ct::source::LogIdentifier;
use crate::state::{Between, Decision, Ledger, MissingRange, Position, Skip};
use base64_simd::STANDARD;
use hex_simd::AsciiCase;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The version that is written.
pub(super) const VERSION: u32 = 3;

/// Maximum number of unreconciled heads of all logs that are kept over a restart. Each takes up to 3 KB. The others are
/// compared only as long as the program runs.
pub(crate) const MAX_SAVED_HEADS: usize = 10_000;

/// Largest tree head that is kept over a restart, bytes; others have some 300. Without it, only the tree is kept.
pub(crate) const MAX_HEAD_BYTES: usize = 2 * 1024;

/// The content of the file's first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    /// Only in the first two versions.
    #[serde(default, skip_serializing)]
    #[allow(dead_code)]
    clients: usize,
    #[serde(default)]
    journal_seq: u64,
    /// By log id in base64, or by URL.
    logs: BTreeMap<String, WrittenPosition>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPosition {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Only in the first version.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_id: Option<String>,
    ledger: Ledger,
    /// The concatenated hashes of its frontier.
    tree: Option<String>,
    head: Option<WrittenHead>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<WrittenMissing>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skips: Vec<Skip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreconciled: Vec<WrittenHead>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMissing {
    start: u64,
    end_exclusive: u64,
    /// The frontier of the tree before it, and the root hash behind it.
    between: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHead {
    tree_size: u64,
    timestamp_ms: u64,
    root_hash: String,
    signed: bool,
    bytes: String,
}

/// The position as it is in the file.
pub(crate) fn encode_position(position: &Position) -> Vec<u8> {
    // Serializing numbers, texts and lists of them cannot fail.
    serde_json::to_vec(&written(position)).unwrap_or_default()
}

/// Reads what [`encode_position`] has written. `None` if it has not.
pub(crate) fn parse_position(bytes: &[u8]) -> Option<Position> {
    read_position(serde_json::from_slice(bytes).ok()?)
}

pub(super) fn encode(by_log: &BTreeMap<LogIdentifier, Position>, journal_seq: u64) -> String {
    let mut heads_left = MAX_SAVED_HEADS;
    let logs = by_log.iter().map(|(log, position)| {
        let mut written = written(position);
        written.unreconciled.truncate(heads_left);
        heads_left -= written.unreconciled.len();
        (log.to_string(), written)
    });
    let logs = logs.collect();
    // Serializing numbers, texts and lists of them cannot fail.
    let written = Written { version: VERSION, clients: 0, journal_seq, logs };
    let line = serde_json::to_string(&written).unwrap_or_default();
    format!("{line}\n{}\n", hex(&sha256(line.as_bytes())))
}

fn written(position: &Position) -> WrittenPosition {
    let base64 = |bytes: &[u8]| STANDARD.encode_to_string(bytes);
    let Position { url, ledger, tree, head, missing, skips, decision, unreconciled } = position;
    let frontier = |tree: &CompactTree| base64(tree.frontier().as_flattened());
    WrittenPosition {
        url: Some(url.clone()),
        log_id: None,
        ledger: *ledger,
        tree: tree.as_ref().map(frontier),
        head: head.as_ref().and_then(write_head),
        missing: missing
            .iter()
            .map(|MissingRange { start, end_exclusive, between }| WrittenMissing {
                start: *start,
                end_exclusive: *end_exclusive,
                between: between
                    .as_ref()
                    .map(|between| (frontier(&between.before), base64(&between.root_after))),
            })
            .collect(),
        skips: skips.to_vec(),
        decision: decision.clone(),
        unreconciled: unreconciled.iter().filter_map(write_head).collect(),
    }
}

fn write_head(head: &Head) -> Option<WrittenHead> {
    let base64 = |bytes: &[u8]| STANDARD.encode_to_string(bytes);
    (head.bytes.len() <= MAX_HEAD_BYTES).then(|| WrittenHead {
        tree_size: head.tree_size,
        timestamp_ms: head.timestamp_ms,
        root_hash: base64(&head.root_hash),
        signed: head.signed,
        bytes: base64(&head.bytes),
    })
}

/// What the file contains.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) by_log: BTreeMap<LogIdentifier, Position>,
    pub(super) journal_seq: u64,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Content, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let (line, checksum) = text.trim_end().split_once('\n').ok_or("it has no second line, the checksum")?;
    if hex(&sha256(line.as_bytes())) != checksum {
        return Err("its checksum is wrong".into());
    }
    let Written { version, journal_seq, logs, .. } =
        serde_json::from_str(line).map_err(|error| error.to_string())?;
    if version == 0 || version > VERSION {
        return Err(format!("it has version {version}; this program reads versions 1 to {VERSION}"));
    }
    let mut by_log = BTreeMap::new();
    for (key, position) in logs {
        let read = if version == 1 { read_first_version(&key, position) } else { read(&key, position) };
        let (log, position) = read.ok_or_else(|| format!("the position of {key} is invalid"))?;
        match by_log.entry(log) {
            Entry::Vacant(free) => drop(free.insert(position)),
            // Only in the first version: the log has changed its URL, and the newer position has the larger tree.
            Entry::Occupied(mut known) if known.get().ledger.next < position.ledger.next => {
                known.insert(position);
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(Content { by_log, journal_seq })
}

/// The first version has the positions by URL.
fn read_first_version(url: &str, mut written: WrittenPosition) -> Option<(LogIdentifier, Position)> {
    let log = match written.log_id.take() {
        Some(id) => LogIdentifier::LogId(read_hash(&id)?),
        None => LogIdentifier::Url(url.into()),
    };
    Some((log, read_position(WrittenPosition { url: Some(url.into()), ..written })?))
}

fn read(log: &str, written: WrittenPosition) -> Option<(LogIdentifier, Position)> {
    if written.log_id.is_some() {
        return None;
    }
    Some((log_identifier(log), read_position(written)?))
}

/// The log that is written as `text`, see [`LogIdentifier`]'s `Display`.
pub(crate) fn log_identifier(text: &str) -> LogIdentifier {
    read_hash(text).map_or_else(|| LogIdentifier::Url(text.into()), LogIdentifier::LogId)
}

/// Converts a position from the file. `None` if this program cannot have written it.
fn read_position(written: WrittenPosition) -> Option<Position> {
    let WrittenPosition { url, ledger, tree, head, missing, skips, decision, unreconciled, .. } = written;
    let tree = tree.map(|hashes| read_tree(ledger.next, &hashes).ok_or(())).transpose().ok()?;
    let head = head.map(|head| read_head(&head).ok_or(())).transpose().ok()?;
    let missing = missing.into_iter().map(read_missing).collect::<Option<Vec<_>>>()?;
    let unreconciled = unreconciled.iter().map(read_head).collect::<Option<Vec<_>>>()?;
    let count = missing.iter().try_fold(0, |sum: u64, range| sum.checked_add(range.count()))?;
    if !ledger.adds_up() || ledger.missing != count {
        return None;
    }
    let (missing, skips, unreconciled) = (missing.into(), skips.into(), unreconciled.into());
    Some(Position { url: url?, ledger, tree, head, missing, skips, decision, unreconciled })
}

fn read_missing(written: WrittenMissing) -> Option<MissingRange> {
    let WrittenMissing { start, end_exclusive, between } = written;
    let between = match between {
        Some((before, root_after)) => {
            Some(Between { before: read_tree(start, &before)?, root_after: read_hash(&root_after)? })
        }
        None => None,
    };
    (start < end_exclusive).then_some(MissingRange { start, end_exclusive, between })
}

fn read_hash(text: &str) -> Option<Hash> {
    STANDARD.decode_to_vec(text).ok()?.try_into().ok()
}

fn read_tree(size: u64, frontier: &str) -> Option<CompactTree> {
    let bytes = STANDARD.decode_to_vec(frontier).ok()?;
    let (frontier, rest) = bytes.as_chunks();
    CompactTree::from_frontier(size, frontier.to_vec()).filter(|_| rest.is_empty())
}

fn read_head(written: &WrittenHead) -> Option<Head> {
    Some(Head {
        tree_size: written.tree_size,
        timestamp_ms: written.timestamp_ms,
        root_hash: read_hash(&written.root_hash)?,
        signed: written.signed,
        bytes: STANDARD.decode_to_vec(&written.bytes).ok()?.into(),
    })
}

pub(super) fn hex(hash: &Hash) -> String {
    hex_simd::encode_to_string(hash, AsciiCase::Lower)
}
