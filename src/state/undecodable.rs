//! Stores entries that could not be decoded, for the operator to inspect.
//!
//! A hostile log could send only such entries, so the size of the folder is limited. When it is full, entries
//! are still counted and logged, but not stored.

use super::Usage;
use crate::ct::source::bare_url;
use parking_lot::Mutex;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Maximum number of files in the folder.
pub(crate) const MAX_FILES: usize = 1_000;
/// Maximum total size of the files, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Maximum size of an entry that is stored, in bytes of JSON. No certificate has an entry that is larger.
pub(crate) const MAX_ENTRY_BYTES: usize = 1024 * 1024;
/// Maximum number of characters of a log's name in the name of a file.
const MAX_NAME_CHARS: usize = 100;

/// An undecodable entry as the log sent it.
#[derive(Debug, serde::Serialize)]
pub struct UndecodableEntry<'a> {
    /// The log's URL.
    pub url: &'a str,
    /// The entry's index in the log.
    pub index: u64,
    /// Why it cannot be decoded.
    pub reason: &'a str,
    /// `leaf_input` as get-entries returned it: base64, or the text in its place.
    pub leaf_input: &'a str,
    /// `extra_data` as get-entries returned it.
    pub extra_data: &'a str,
}

/// The folder of undecodable entries.
#[derive(Debug)]
pub struct UndecodableFolder {
    dir: PathBuf,
    /// The usage of the folder. Unknown until the first file is written.
    usage: Mutex<Option<Usage>>,
}

impl UndecodableFolder {
    /// Stores entries in `dir`, which is created when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        UndecodableFolder { dir, usage: Mutex::new(None) }
    }

    /// Writes one file. An entry that already has a file is not written again.
    ///
    /// # Errors
    /// If the folder is full or not writable, or if the entry is too large.
    pub fn keep(&self, entry: &UndecodableEntry<'_>) -> io::Result<PathBuf> {
        let bare = bare_url(entry.url);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
        let log: String = bare.chars().map(plain).take(MAX_NAME_CHARS).collect();
        let path = self.dir.join(format!("{log}-{}.json", entry.index));
        let mut known = self.usage.lock();
        let usage = match *known {
            Some(usage) => usage,
            None => *known.insert(Usage::of(&self.dir)?),
        };
        // A hostile log can send a million of these, so an entry that will not be written is not encoded.
        let full = || Err(io::Error::other(format!("{} is full", self.dir.display())));
        let too_large = |length| Err(io::Error::other(format!("it is too large: {length} bytes")));
        if path.exists() {
            return Ok(path);
        }
        if usage.files >= MAX_FILES || usage.bytes >= MAX_BYTES {
            return full();
        }
        let length = entry.leaf_input.len() + entry.extra_data.len();
        if length > MAX_ENTRY_BYTES {
            return too_large(length);
        }
        let json = serde_json::to_vec_pretty(entry)?;
        let with_it = usage.with(json.len() as u64);
        if json.len() > MAX_ENTRY_BYTES {
            return too_large(json.len());
        }
        if with_it.bytes > MAX_BYTES {
            return full();
        }
        fs::write(&path, json)?;
        *known = Some(with_it);
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> UndecodableEntry<'static> {
        let url = "https://ct.example/2026/../x";
        UndecodableEntry { url, index, reason: "because", leaf_input: "AA==", extra_data: "!" }
    }

    #[test]
    fn an_entry_is_kept_once_under_the_name_of_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let kept = UndecodableFolder::new(dir.path().join("undecodable"));
        let path = kept.keep(&entry(7)).unwrap();
        assert_eq!(path, dir.path().join("undecodable/ct.example_2026_.._x-7.json"));
        assert_eq!(kept.keep(&entry(7)).unwrap(), path);
        let json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!((&json["index"], &json["extra_data"]), (&7.into(), &"!".into()));
    }

    #[test]
    fn the_folder_is_bounded_also_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let first = UndecodableFolder::new(dir.path().into());
        (0..MAX_FILES as u64 - 1).for_each(|i| drop(first.keep(&entry(i)).unwrap()));
        let second = UndecodableFolder::new(dir.path().into());
        assert!(second.keep(&entry(5000)).is_ok());
        assert!(second.keep(&entry(5001)).unwrap_err().to_string().contains("is full"));
    }

    #[test]
    fn its_bytes_are_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let full = fs::File::create(dir.path().join("large.json")).unwrap();
        full.set_len(MAX_BYTES - 100).unwrap();
        let kept = UndecodableFolder::new(dir.path().into());
        assert!(kept.keep(&entry(1)).unwrap_err().to_string().contains("is full"));
        let large = "A".repeat(MAX_ENTRY_BYTES + 1);
        let large = UndecodableEntry { leaf_input: &large, ..entry(2) };
        assert!(kept.keep(&large).unwrap_err().to_string().contains("too large"));
    }
}
