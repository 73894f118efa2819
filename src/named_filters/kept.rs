//! The filters that clients have put. Each is kept until nobody has used it for 30 days, on disk if possible, and read from
//! there when it is used.

use super::named::NamedFilter;
use crate::filter::{Filter, Limits};
use crate::state::FilterFolder;
use openssl::sha::sha256;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// The beginning of their names.
pub(crate) const PREFIX: &str = "f-";
/// Bytes of the hash that is their name.
const HASH_BYTES: usize = 16;
/// Maximum number of filters that are kept.
pub(crate) const MAX_KEPT: usize = 10_000;

const HOUR_US: u64 = 3_600_000_000;
const DAY_US: u64 = 24 * HOUR_US;
/// How long a filter is kept that nobody uses.
const KEPT_US: u64 = 30 * DAY_US;
/// A filter that was used within this time is not removed to make room.
const SAFE_US: u64 = DAY_US;
/// The same for one that was put, but never used by a client.
const SAFE_UNUSED_US: u64 = HOUR_US;

/// The filters that clients have put; see the module documentation.
#[derive(Debug)]
pub(crate) struct KeptFilters {
    /// `None` keeps them in memory alone.
    folder: Option<FilterFolder>,
    entries: Mutex<HashMap<String, Entry>>,
    /// Whether the log file says that they cannot be written.
    has_told: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    /// When it was last used, unix microseconds.
    used_us: u64,
    /// The same as the folder has it.
    noted_us: u64,
    /// Whether a client has used it. Of those on disk that is taken for granted.
    was_used: bool,
    /// The filter as JSON; `None` if it is on disk.
    text: Option<Arc<[u8]>>,
    /// The filter, as long as clients use it.
    filter: Weak<NamedFilter>,
}

/// A filter that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its name, which is a hash of its values: equal filters have the same.
    pub(crate) name: String,
    /// When it is removed if nobody uses it, unix microseconds.
    pub(crate) expires_us: u64,
}

/// The filters that are kept take as much room as they may, and all of them are in use or were, within the last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// What is known of a name.
#[derive(Debug)]
pub(crate) enum Found {
    /// The filter, which clients use already.
    InUse(Arc<NamedFilter>),
    /// It has to be [loaded](KeptFilters::load).
    Kept,
    /// Nothing.
    Unknown,
}

impl Entry {
    fn is_in_use(&self) -> bool {
        self.filter.strong_count() > 0
    }

    fn is_expired(&self, now_us: u64) -> bool {
        !self.is_in_use() && now_us.saturating_sub(self.used_us) >= KEPT_US
    }

    /// Whether the folder has to know of its last use: not of each, because many clients may use it.
    fn is_note_due(&self) -> bool {
        self.used_us.saturating_sub(self.noted_us) >= HOUR_US
    }
}

impl KeptFilters {
    /// Those in `folder`, and further ones.
    pub(crate) fn open(folder: Option<FilterFolder>) -> Self {
        let files = folder.as_ref().map_or_else(|| Ok(Vec::new()), FilterFolder::list);
        let kept = KeptFilters { folder, entries: Mutex::default(), has_told: AtomicBool::new(false) };
        match files {
            Ok(files) => {
                let entries = files.into_iter().filter(|file| is_name(&file.name)).map(|file| {
                    let (bytes, used_us) = (file.bytes, file.used_us);
                    let (noted_us, filter) = (used_us, Weak::new());
                    let entry = Entry { bytes, used_us, noted_us, was_used: true, text: None, filter };
                    (file.name, entry)
                });
                kept.entries.lock().extend(entries);
            }
            Err(error) => kept.tell(&error),
        }
        kept
    }

    /// Keeps `filter`. All of them together may take `limit` bytes; those that nobody has used for longest make room.
    ///
    /// # Errors
    /// If there is no room. Nothing was removed then.
    pub(crate) fn keep(&self, filter: &Filter, limit: u64, now_us: u64) -> Result<Kept, NoRoom> {
        let text: Arc<[u8]> = serde_json::to_vec(filter).unwrap_or_default().into();
        let kept = Kept { name: name_of(&text), expires_us: now_us.saturating_add(KEPT_US) };
        self.expire(now_us);
        if self.note_use(&kept.name, now_us) {
            return Ok(kept);
        }
        let bytes = text.len() as u64;
        let removed = {
            let mut entries = self.entries.lock();
            let removed = make_room(&mut entries, bytes, limit, now_us)?;
            let (text, filter) = (Some(text.clone()), Weak::new());
            let (used_us, noted_us) = (now_us, now_us);
            let entry = Entry { bytes, used_us, noted_us, was_used: false, text, filter };
            entries.insert(kept.name.clone(), entry);
            removed
        };
        removed.iter().for_each(|name| self.remove_file(name));
        if let Some(folder) = &self.folder {
            match folder.write(&kept.name, &text).and_then(|()| folder.touch(&kept.name, now_us)) {
                Ok(()) => {
                    if let Some(entry) = self.entries.lock().get_mut(&kept.name) {
                        entry.text = None;
                    }
                }
                Err(error) => self.tell(&error),
            }
        }
        Ok(kept)
    }

    /// What is known of `name`. A filter that is known is used now.
    pub(crate) fn find(&self, name: &str, now_us: u64) -> Found {
        if !self.note_use(name, now_us) {
            return Found::Unknown;
        }
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(name) else { return Found::Unknown };
        entry.was_used = true;
        entry.filter.upgrade().map_or(Found::Kept, Found::InUse)
    }

    /// The filter `name`, read and parsed, which may take long. `None` if it is unknown, or damaged.
    ///
    /// # Errors
    /// If it cannot be read now.
    pub(crate) fn load(&self, name: &str) -> io::Result<Option<Arc<NamedFilter>>> {
        let (bytes, text) = {
            let entries = self.entries.lock();
            let Some(entry) = entries.get(name) else { return Ok(None) };
            if let Some(filter) = entry.filter.upgrade() {
                return Ok(Some(filter));
            }
            (entry.bytes, entry.text.clone())
        };
        let filter = match text {
            Some(text) => parse(name, &text),
            None => self.read(name, bytes)?.and_then(|text| parse(name, &text)),
        };
        let filter = filter.inspect_err(|why| {
            log::warn!("the filter {name}, which a client has put, is lost: {why}");
            self.entries.lock().remove(name);
            self.remove_file(name);
        });
        let Ok(filter) = filter else { return Ok(None) };
        let filter = NamedFilter::kept(name, filter);
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(name) else { return Ok(None) };
        // Somebody may have loaded it meanwhile.
        if let Some(loaded) = entry.filter.upgrade() {
            return Ok(Some(loaded));
        }
        entry.filter = Arc::downgrade(&filter);
        Ok(Some(filter))
    }

    /// The text of a filter of `bytes` bytes, or why it is lost.
    fn read(&self, name: &str, bytes: u64) -> io::Result<Result<Vec<u8>, String>> {
        let Some(folder) = &self.folder else { return Ok(Err("there is no folder".into())) };
        // One byte more shows that the file has grown.
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(1);
        match folder.read(name, limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(error.to_string())),
            text => text.map(Ok),
        }
    }

    /// Removes the filters that nobody has used for long.
    pub(crate) fn expire(&self, now_us: u64) {
        let mut used = Vec::new();
        let mut entries = self.entries.lock();
        let expired = entries.extract_if(|name, entry| {
            if entry.is_in_use() {
                entry.used_us = now_us;
                if entry.is_note_due() {
                    entry.noted_us = now_us;
                    used.push(name.clone());
                }
            }
            entry.is_expired(now_us)
        });
        let expired: Vec<_> = expired.map(|(name, _)| name).collect();
        drop(entries);
        expired.iter().for_each(|name| self.remove_file(name));
        used.iter().for_each(|name| self.touch(name, now_us));
    }

    /// Records that `name` is used now. Returns whether it is known.
    fn note_use(&self, name: &str, now_us: u64) -> bool {
        let is_note_due = {
            let mut entries = self.entries.lock();
            let Some(entry) = entries.get_mut(name).filter(|entry| !entry.is_expired(now_us)) else {
                return false;
            };
            entry.used_us = now_us;
            let is_note_due = entry.is_note_due();
            if is_note_due {
                entry.noted_us = now_us;
            }
            is_note_due
        };
        if is_note_due {
            self.touch(name, now_us);
        }
        true
    }

    fn touch(&self, name: &str, now_us: u64) {
        if let Some(folder) = &self.folder
            && let Err(error) = folder.touch(name, now_us)
        {
            log::debug!("the use of the filter {name} is not recorded: {error}");
        }
    }

    fn remove_file(&self, name: &str) {
        if let Some(folder) = &self.folder
            && let Err(error) = folder.remove(name)
        {
            log::debug!("the file of the filter {name} is not removed: {error}");
        }
    }

    /// Says once that the folder cannot be used.
    fn tell(&self, error: &io::Error) {
        if let Some(folder) = &self.folder
            && !self.has_told.swap(true, Ordering::Relaxed)
        {
            let dir = folder.path().display();
            log::warn!(
                "the filters that clients put cannot be kept in {dir}: {error}; they are kept in memory until the server stops"
            );
        }
    }
}

/// Removes as many filters as necessary for another one of `bytes` bytes. Returns their names.
fn make_room(
    entries: &mut HashMap<String, Entry>,
    bytes: u64,
    limit: u64,
    now_us: u64,
) -> Result<Vec<String>, NoRoom> {
    let mut total = entries.values().map(|entry| entry.bytes).sum::<u64>().saturating_add(bytes);
    let mut count = entries.len() + 1;
    let is_unused = |entry: &Entry| {
        let safe_us = if entry.was_used { SAFE_US } else { SAFE_UNUSED_US };
        !entry.is_in_use() && now_us.saturating_sub(entry.used_us) >= safe_us
    };
    let mut unused: Vec<_> = entries.iter().filter(|(_, entry)| is_unused(entry)).collect();
    unused.sort_unstable_by_key(|(_, entry)| entry.used_us);
    let mut removed = Vec::new();
    for (name, entry) in unused {
        if total <= limit && count <= MAX_KEPT {
            break;
        }
        total -= entry.bytes;
        count -= 1;
        removed.push(name.clone());
    }
    if total > limit || count > MAX_KEPT {
        return Err(NoRoom);
    }
    removed.iter().for_each(|name| drop(entries.remove(name)));
    Ok(removed)
}

/// The name of the filter with this JSON.
fn name_of(text: &[u8]) -> String {
    let hash = sha256(text);
    let digits = hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}"));
    digits.fold(PREFIX.to_string(), |name, digits| name + &digits)
}

/// Whether a filter that is kept can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.strip_prefix(PREFIX).is_some_and(|hash| hash.len() == 2 * HASH_BYTES && hash.bytes().all(is_digit))
}

fn parse(name: &str, text: &[u8]) -> Result<Filter, String> {
    if name_of(text) != name {
        return Err("its content is not what was put".into());
    }
    Filter::from_json(text, Limits::LARGEST).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
