//! Which entries are the first ones of their issuance or certificate, in all logs and within a window of time; for
//! subscribers who want each once.
//!
//! ```text
//! journal ─► record: every entry, before it is sent ─► Table ◄─ is_first ─ Broker, Replayer
//!                 └─► slices: files, and the order in which keys are forgotten
//! ```
//!
//! Nothing is recorded until a subscriber asks; from then on everything is, also over a restart, until nobody has asked for
//! as long as the window. An entry is the first one if no smaller number with the same key is known, so whoever reads
//! the journal again hears the same. Where too little is known, an entry is taken for the first one: then it is sent twice,
//! and never too seldom:
//!
//! - before somebody has asked, beyond the window, and when more keys come than fit in `max_bytes`;
//! - after a power failure, which may lose the newest keys;
//! - of an entry with only names or with a fault, and of a certificate that cannot be parsed.
//!
//! The window is divided into slices, which are forgotten as a whole: it is up to a sixteenth shorter than configured.

mod file;
mod kind;
mod table;
#[cfg(test)]
mod tests;

use crate::message::CertEntry;
use file::{Header, Record, SliceFile};
use kind::Identity;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use table::{KEY_BYTES, Known, Table};

pub(crate) use kind::{Differs, Kind, Unique};

/// The window and the memory consist of so many slices.
const SLICES: u64 = 16;

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct UniqueLimits {
    /// How long.
    pub window: Duration,
    /// Memory, and the size of the files, in bytes.
    pub max_bytes: usize,
}

/// What was seen; see the module documentation.
#[derive(Debug)]
pub struct Uniques {
    limits: UniqueLimits,
    salt: [u8; 16],
    /// Whether anything is recorded.
    is_used: AtomicBool,
    seen: Mutex<Seen>,
    /// Locked before `seen`.
    slices: Mutex<Slices>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What is recorded.
    tracked: Vec<Tracked>,
    /// `None` while nothing is.
    table: Option<Table>,
    /// Number of keys that were added, ever.
    added: u64,
}

#[derive(Debug, Clone, Copy)]
struct Tracked {
    kind: Kind,
    /// When it was last asked for, unix microseconds.
    asked_us: u64,
}

#[derive(Debug)]
struct Slices {
    /// Their folder. `None`: they are in memory alone.
    dir: Option<PathBuf>,
    /// From the oldest to the newest.
    all: VecDeque<Slice>,
    /// That of the newest slice, unless it cannot be written.
    file: Option<SliceFile>,
    is_failing: bool,
}

#[derive(Debug)]
struct Slice {
    first_seq: u64,
    begun_us: u64,
    /// [`Seen::added`] when it was begun.
    added_before: u64,
    /// The kinds that are recorded in it.
    kinds: Vec<Kind>,
    path: Option<PathBuf>,
}

impl Uniques {
    /// Reads what earlier runs have seen from the folder `dir`; without one, everything is in memory alone. The journal has
    /// entries up to the number `end_seq`: those behind it are lost, and are fetched again. `None` if the journal is new, and
    /// the same may be true of everything. `now_us` is in unix microseconds.
    pub(crate) fn open(
        dir: Option<PathBuf>,
        limits: UniqueLimits,
        end_seq: Option<u64>,
        now_us: u64,
    ) -> Self {
        let mut salt = [0; 16];
        // Without random numbers, there would be no TLS either. Zeros only let the makers of certificates choose keys.
        if let Err(error) = openssl::rand::rand_bytes(&mut salt) {
            log::error!("no random numbers: {error}");
        }
        let mut uniques = Uniques {
            limits,
            salt,
            is_used: AtomicBool::new(false),
            seen: Mutex::default(),
            slices: Mutex::new(Slices {
                dir: dir.clone(),
                all: VecDeque::new(),
                file: None,
                is_failing: false,
            }),
        };
        if let Some(dir) = dir
            && let Err(error) = uniques.load(&dir, end_seq.unwrap_or_default(), now_us)
        {
            log::warn!("{}: {error}; clients with unique= may get some entries twice", dir.display());
        }
        uniques
    }

    fn load(&mut self, dir: &Path, end_seq: u64, now_us: u64) -> std::io::Result<()> {
        let max_keys = self.max_keys();
        let (seen, slices) = (self.seen.get_mut(), self.slices.get_mut());
        let mut files = Vec::new();
        for (first_seq, path) in file::list(dir)? {
            match file::read(&path)? {
                Some((header, records))
                    if first_seq < end_seq
                        && header.begun_us + self.limits.window.as_micros() as u64 > now_us =>
                {
                    files.push((first_seq, path, header, records));
                }
                _ => fs::remove_file(&path)?,
            }
        }
        let Some((first_seq, _, header, _)) = files.first() else { return Ok(()) };
        self.salt = header.salt;
        let mut table = Table::new(max_keys, *first_seq);
        for (first_seq, path, header, records) in files {
            if header.salt != self.salt {
                fs::remove_file(&path)?;
                continue;
            }
            let (count, kept) = (records.len(), records.into_iter().filter(|(_, seq)| *seq < end_seq));
            let kept: Vec<Record> = kept.collect();
            if kept.len() < count {
                // These numbers must not be taken for known by a later run either.
                SliceFile::create(dir, first_seq, &header)?.0.append(&kept)?;
            }
            let Header { begun_us, kinds, .. } = header;
            seen.tracked = kinds.iter().map(|kind| Tracked { kind: *kind, asked_us: now_us }).collect();
            let (added_before, path) = (seen.added, Some(path));
            slices.all.push_back(Slice { first_seq, begun_us, added_before, kinds, path });
            seen.added +=
                kept.iter().filter(|(key, seq)| table.observe(*key, *seq) == Known::New).count() as u64;
        }
        seen.table = Some(table);
        *self.is_used.get_mut() = !seen.tracked.is_empty();
        Ok(())
    }

    /// Records entries of this kind from now on. `horizon` is the number of the first entry that may be compared with what
    /// follows, if nothing is recorded yet. `now_us` is in unix microseconds.
    pub(crate) fn track(&self, kind: Kind, horizon: impl FnOnce() -> u64, now_us: u64) {
        self.tracked(&mut self.seen.lock(), kind, horizon, now_us);
    }

    /// The table, in which this kind is recorded from now on.
    fn tracked<'s>(
        &self,
        seen: &'s mut Seen,
        kind: Kind,
        horizon: impl FnOnce() -> u64,
        now_us: u64,
    ) -> &'s mut Table {
        match seen.tracked.iter_mut().find(|tracked| tracked.kind == kind) {
            Some(tracked) => tracked.asked_us = now_us,
            None => seen.tracked.push(Tracked { kind, asked_us: now_us }),
        }
        self.is_used.store(true, Ordering::Release);
        seen.table.get_or_insert_with(|| Table::new(self.max_keys(), horizon()))
    }

    fn max_keys(&self) -> usize {
        self.limits.max_bytes / KEY_BYTES
    }

    /// Records `entries`, which have their numbers, in the order of their numbers. It may write a file. `now_us` is in unix
    /// microseconds.
    pub(crate) fn record(&self, entries: &[CertEntry], now_us: u64) {
        if !self.is_used.load(Ordering::Acquire) {
            return;
        }
        let mut slices = self.slices.lock();
        let Some(first_seq) = entries.first().and_then(|entry| entry.seq) else { return };
        let Some(kinds) = self.prepare(&mut slices, first_seq, now_us) else { return };
        let mut records = Vec::new();
        for entry in entries {
            let (Some(seq), identity) = (entry.seq, Identity::of(entry)) else { continue };
            let keys = kinds.iter().filter_map(|kind| identity.key(*kind, &self.salt));
            records.extend(keys.map(|key| (key, seq)));
        }
        let mut seen = self.seen.lock();
        let Seen { table: Some(table), added, .. } = &mut *seen else { return };
        records.retain(|(key, seq): &Record| {
            let known = table.observe(*key, *seq);
            *added += u64::from(known == Known::New);
            // A replay may have come before this, and has not written it.
            known != Known::Smaller
        });
        drop(seen);
        slices.append(&records);
    }

    /// Begins a slice if it is time to, and forgets what is too old or too much. Returns what is recorded; `None` if
    /// nothing is any more.
    fn prepare(&self, slices: &mut Slices, first_seq: u64, now_us: u64) -> Option<Vec<Kind>> {
        let window_us = self.limits.window.as_micros() as u64;
        let max_keys = self.max_keys() as u64;
        let mut seen = self.seen.lock();
        seen.tracked.retain(|tracked| tracked.asked_us + window_us > now_us);
        let kinds: Vec<_> = seen.tracked.iter().map(|tracked| tracked.kind).collect();
        let added = seen.added;
        let is_over = slices.all.back().is_none_or(|newest| {
            newest.kinds != kinds
                || newest.begun_us + window_us / SLICES <= now_us
                || added - newest.added_before >= max_keys / SLICES
                || slices.file.is_none() && slices.dir.is_some() && !slices.is_failing
        });
        if !is_over {
            return Some(kinds);
        }
        let is_old = |oldest: &Slice| {
            kinds.is_empty()
                || oldest.begun_us + window_us <= now_us
                || added - oldest.added_before > max_keys - max_keys / SLICES
        };
        let mut horizon = None;
        while slices.all.front().is_some_and(is_old) {
            slices.all.pop_front().into_iter().for_each(Slice::delete);
            horizon = Some(slices.all.front().map_or(first_seq, |oldest| oldest.first_seq));
        }
        if kinds.is_empty() {
            (seen.table, slices.file) = (None, None);
            self.is_used.store(false, Ordering::Release);
            return None;
        }
        if let (Some(table), Some(horizon)) = (&mut seen.table, horizon) {
            table.forget_before(horizon);
        }
        drop(seen);
        let header = Header { salt: self.salt, begun_us: now_us, kinds: kinds.clone() };
        slices.begin(first_seq, header, added);
        Some(kinds)
    }

    /// Whether no entry with a smaller number is known that is the same for `kind`. What is not known yet is known from then
    /// on. `now_us` is in unix microseconds.
    pub(crate) fn is_first(&self, kind: Kind, entry: &CertEntry, now_us: u64) -> bool {
        let Some(seq) = entry.seq else { return true };
        let Some(key) = Identity::of(entry).key(kind, &self.salt) else { return true };
        let mut seen = self.seen.lock();
        let known = self.tracked(&mut seen, kind, || seq, now_us).observe(key, seq);
        seen.added += u64::from(known == Known::New);
        known != Known::Smaller
    }

    /// The moment at which the window begins, unix microseconds.
    pub(crate) fn horizon_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.limits.window.as_micros() as u64)
    }

    /// Memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.lock().table.as_ref().map_or(0, Table::bytes)
    }
}

/// In memory alone.
#[cfg(test)]
impl Default for Uniques {
    fn default() -> Self {
        let limits = UniqueLimits { window: Duration::from_secs(3600), max_bytes: 1 << 20 };
        Uniques::open(None, limits, None, 0)
    }
}

impl Slices {
    /// Begins the slice whose first entry is `first_seq`.
    fn begin(&mut self, first_seq: u64, header: Header, added_before: u64) {
        let mut path = None;
        self.file = None;
        if let Some(dir) = self.dir.clone() {
            match SliceFile::create(&dir, first_seq, &header) {
                Ok((file, created)) => {
                    (self.file, path, self.is_failing) = (Some(file), Some(created), false)
                }
                Err(error) => self.failed(&error),
            }
        }
        let Header { begun_us, kinds, .. } = header;
        self.all.push_back(Slice { first_seq, begun_us, added_before, kinds, path });
    }

    fn append(&mut self, records: &[Record]) {
        let Some(file) = self.file.as_mut().filter(|_| !records.is_empty()) else { return };
        if let Err(error) = file.append(records) {
            self.file = None;
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            log::error!(
                "failed to write what clients with unique= have got: {error}; after a restart, they get some of it again"
            );
        }
    }
}

impl Slice {
    fn delete(self) {
        let Some(path) = self.path else { return };
        if let Err(error) = fs::remove_file(&path) {
            log::warn!("{}: {error}", path.display());
        }
    }
}
