//! The position in each log, so that a restart continues there. They are in the file `positions.json` in the
//! state folder.
//!
//! The first line of the file is JSON, the second the SHA-256 of the first in hexadecimal. The file is
//! replaced as a whole: a new file is written next to it, synced and renamed, and the folder is synced. After
//! a crash there is therefore either the old file or the new one. A damaged file is an error and is not
//! changed: starting at the heads instead would lose the entries in between.

use super::Ledger;
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::system::{Durability, read_file, replace_file};
use base64_simd::STANDARD;
use hex_simd::AsciiCase;
use openssl::sha::sha256;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FILE: &str = "positions.json";
/// The only version of the file format so far.
const VERSION: u32 = 1;
/// Maximum number of logs whose positions are saved. A list that names other logs each hour must not fill the
/// disk. Logs above the limit start anew after a restart. About 250 logs have existed so far.
pub(crate) const MAX_POSITIONS: usize = 10_000;

/// Largest tree head that is kept over a restart, bytes; others have some 300. Without it, only the tree is kept.
pub(crate) const MAX_HEAD_BYTES: usize = 2 * 1024;
/// Largest file that is read, bytes. A log takes about 500, and [`MAX_POSITIONS`] logs with [`MAX_MISSING_RANGES`] always
/// fit.
const MAX_FILE_BYTES: usize = 128 * 1024 * 1024;
/// Maximum number of missing ranges of all logs. Each takes up to 3 KB.
pub(crate) const MAX_MISSING_RANGES: usize = 10_000;

/// The position in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// SHA-256 of the log's key, if it is known.
    pub log_id: Option<Hash>,
    /// Accounts for each index so far.
    pub ledger: Ledger,
    /// The verified tree of the entries before the next index. `None` without verification.
    pub tree: Option<CompactTree>,
    /// The newest head that verified the tree.
    pub head: Option<Head>,
    /// The entries before the next index that the log has not served so far, in order.
    pub missing: Arc<Vec<MissingRange>>,
}

/// Consecutive entries that a log does not serve, although it serves those behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRange {
    /// The first index.
    pub start: u64,
    /// One past the last index.
    pub end_exclusive: u64,
    /// The verified trees on both sides; `None` without verification.
    pub between: Option<Between>,
}

/// The trees before and behind missing entries. Both are proven, so the entries can be verified when they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// The tree of the entries before them.
    pub before: CompactTree,
    /// The root hash of the tree that ends with them.
    pub root_after: Hash,
}

impl MissingRange {
    /// Number of entries.
    pub fn count(&self) -> u64 {
        self.end_exclusive.saturating_sub(self.start)
    }

    /// What is left without the first `count` entries, which end with the tree `before`. `None` if nothing is.
    pub fn rest(&self, count: u64, before: Option<CompactTree>) -> Option<Self> {
        let start = self.start.saturating_add(count);
        let between = self.between.as_ref().zip(before);
        let between = between.map(|(between, before)| Between { before, root_after: between.root_after });
        (start < self.end_exclusive).then_some(MissingRange {
            start,
            end_exclusive: self.end_exclusive,
            between,
        })
    }
}

/// Why positions cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// The file exists but cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Read {
        /// The file's path.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The content of the file is not valid.
    #[error(
        "{}: {problem}; restore it from a backup, or move it away to begin at the logs' heads (what was logged since \
         it was written is then not sent)",
        path.display()
    )]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// The error.
        problem: String,
    },
}

/// The content of the file's first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    clients: usize,
    logs: BTreeMap<String, WrittenPosition>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPosition {
    log_id: Option<String>,
    ledger: Ledger,
    /// The concatenated hashes of its frontier.
    tree: Option<String>,
    head: Option<WrittenHead>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<WrittenMissing>,
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

/// The positions of all logs by URL, and the file in which they are saved.
#[derive(Debug)]
pub struct Positions {
    /// `None` if they are not saved.
    dir: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_url: BTreeMap<String, Position>,
    /// Number of connected clients.
    clients: usize,
    /// Whether a position was set since positions were last prepared for saving.
    changed: bool,
    /// The positions that the next [`Positions::save_settled`] writes.
    settling: Option<BTreeMap<String, Position>>,
    /// The error of the last save, if it failed.
    error: Option<String>,
    /// The last time that everything was saved.
    saved_at: Option<Instant>,
}

impl Positions {
    /// Loads the positions from the file in `dir`. Empty if there is no file.
    ///
    /// # Errors
    /// See [`PositionsError`].
    pub fn load(dir: &Path) -> Result<Self, PositionsError> {
        let path = dir.join(FILE);
        let state = match read_file(&path, MAX_FILE_BYTES) {
            Ok(bytes) => parse(&bytes).map_err(|problem| PositionsError::Damaged { path, problem })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(PositionsError::Read { path, error }),
        };
        Ok(Positions { dir: Some(dir.into()), state: Mutex::new(state) })
    }

    /// Creates positions that are not saved.
    pub fn in_memory() -> Self {
        Positions { dir: None, state: Mutex::default() }
    }

    /// The position in the log at `url`.
    pub fn get(&self, url: &str) -> Option<Position> {
        self.lock().by_url.get(url).cloned()
    }

    /// Sets the position in the log at `url`.
    pub fn set(&self, url: &str, position: Position) {
        let mut state = self.lock();
        let has_room = state.by_url.len() < MAX_POSITIONS;
        match state.by_url.get_mut(url) {
            Some(known) => *known = position,
            None if has_room => drop(state.by_url.insert(url.into(), position)),
            None => {
                return log::warn!(
                    "{url}: its position is not saved: the limit of {MAX_POSITIONS} logs is reached"
                );
            }
        }
        state.changed = true;
    }

    /// Number of missing ranges of all logs.
    pub fn missing_ranges(&self) -> usize {
        self.lock().by_url.values().map(|position| position.missing.len()).sum()
    }

    /// The saved number of connected clients.
    pub fn clients(&self) -> usize {
        self.lock().clients
    }

    /// Sets the number of connected clients.
    pub fn set_clients(&self, clients: usize) {
        let mut state = self.lock();
        state.changed |= state.clients != clients;
        state.clients = clients;
    }

    /// The error of the last save, if it failed.
    pub fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Time since everything that was due was saved. `None` if nothing has been saved yet, or if positions
    /// are not saved.
    pub fn saved_ago(&self) -> Option<Duration> {
        self.lock().saved_at.map(|at| at.elapsed())
    }

    /// Replaces the file with the positions at the time of the previous call, if they had changed by then.
    /// Blocks until they are on disk.
    ///
    /// Entries that were sent since the previous call may not have reached the clients. If the file were
    /// ahead of the clients, a crash would lose entries. The file is therefore behind by the time between two
    /// calls, and a crash sends that many entries again.
    ///
    /// # Errors
    /// The error of the operating system. The old file then still exists, and the next save tries again.
    pub fn save_settled(&self) -> io::Result<()> {
        let settled = {
            let mut state = self.lock();
            let changed = std::mem::take(&mut state.changed);
            let next = changed.then(|| state.by_url.clone());
            std::mem::replace(&mut state.settling, next)
        };
        self.write(settled)
    }

    /// Replaces the file with the current positions. Call this when all entries have reached the clients.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn save(&self) -> io::Result<()> {
        let all = {
            let mut state = self.lock();
            let unsaved = std::mem::take(&mut state.changed) | state.settling.take().is_some();
            unsaved.then(|| state.by_url.clone())
        };
        self.write(all)
    }

    fn write(&self, by_url: Option<BTreeMap<String, Position>>) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let Some(by_url) = by_url else {
            self.lock().saved_at = Some(Instant::now());
            return Ok(());
        };
        let text = encode(&by_url, self.clients());
        let written = replace_file(&dir.join(FILE), text.as_bytes(), Durability::Synced);
        let mut state = self.lock();
        state.error = written.as_ref().err().map(io::Error::to_string);
        if written.is_ok() {
            state.saved_at = Some(Instant::now());
        } else {
            // These are older than the positions that are settling now, if there are any.
            state.settling.get_or_insert(by_url);
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn encode(by_url: &BTreeMap<String, Position>, clients: usize) -> String {
    let logs = by_url.iter().map(|(url, position)| (url.clone(), written(position))).collect();
    // Serializing numbers, texts and lists of them cannot fail.
    let written = Written { version: VERSION, clients, logs };
    let line = serde_json::to_string(&written).unwrap_or_default();
    format!("{line}\n{}\n", hex(&sha256(line.as_bytes())))
}

fn written(position: &Position) -> WrittenPosition {
    let base64 = |bytes: &[u8]| STANDARD.encode_to_string(bytes);
    let Position { log_id, ledger, tree, head, missing } = position;
    let frontier = |tree: &CompactTree| base64(tree.frontier().as_flattened());
    WrittenPosition {
        log_id: log_id.map(|id| base64(&id)),
        ledger: *ledger,
        tree: tree.as_ref().map(frontier),
        head: head.as_ref().filter(|head| head.bytes.len() <= MAX_HEAD_BYTES).map(|head| WrittenHead {
            tree_size: head.tree_size,
            timestamp_ms: head.timestamp_ms,
            root_hash: base64(&head.root_hash),
            signed: head.signed,
            bytes: base64(&head.bytes),
        }),
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
    }
}

fn parse(bytes: &[u8]) -> Result<State, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let (line, checksum) = text.trim_end().split_once('\n').ok_or("it has no second line, the checksum")?;
    if hex(&sha256(line.as_bytes())) != checksum {
        return Err("its checksum is wrong".into());
    }
    let Written { version, clients, logs } = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if version != VERSION {
        return Err(format!("it has version {version}; this program reads version {VERSION}"));
    }
    let read = |(url, position): (String, WrittenPosition)| {
        let read = read_position(position).ok_or_else(|| format!("the position of {url} is invalid"));
        Ok((url, read?))
    };
    let by_url = logs.into_iter().map(read).collect::<Result<_, String>>()?;
    Ok(State { by_url, clients, ..State::default() })
}

/// Converts a position from the file. `None` if this program cannot have written it.
fn read_position(written: WrittenPosition) -> Option<Position> {
    let WrittenPosition { log_id, ledger, tree, head, missing } = written;
    let log_id = log_id.map(|id| read_hash(&id).ok_or(())).transpose().ok()?;
    let tree = tree.map(|hashes| read_tree(ledger.next, &hashes).ok_or(())).transpose().ok()?;
    let head = head.map(|head| read_head(&head).ok_or(())).transpose().ok()?;
    let missing = missing.into_iter().map(read_missing).collect::<Option<Vec<_>>>()?;
    let count = missing.iter().try_fold(0, |sum: u64, range| sum.checked_add(range.count()))?;
    let is_valid = ledger.adds_up() && ledger.missing == count;
    is_valid.then_some(Position { log_id, ledger, tree, head, missing: missing.into() })
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

fn hex(hash: &Hash) -> String {
    hex_simd::encode_to_string(hash, AsciiCase::Lower)
}

#[cfg(test)]
mod tests;
