//! Stores entries that could not be decoded, for the operator to inspect.
//!
//! A hostile log could send only such entries, so the size of the folder is limited. When it is full, entries
//! are still counted and logged, but not stored.

use super::bounded_folder::{BoundedFolder, FolderError, FolderLimits, log_name};
use crate::system::Durability;
use std::io;
use std::path::PathBuf;

/// The limits of the folder. No certificate has an entry of more than a megabyte.
pub(crate) const LIMITS: FolderLimits = FolderLimits {
    files: 1_000,
    bytes: 64 * 1024 * 1024,
    file_bytes: 1024 * 1024,
    durability: Durability::Unsynced,
};
/// All files are in one group.
const GROUP: &str = "";

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
pub struct UndecodableFolder(BoundedFolder);

impl UndecodableFolder {
    /// Stores entries in `dir`, which is created when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        UndecodableFolder(BoundedFolder::new(dir, LIMITS))
    }

    /// Writes one file. An entry that already has a file is not written again.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn keep(&self, entry: &UndecodableEntry<'_>) -> Result<PathBuf, FolderError> {
        let name = format!("{}-{}.json", log_name(entry.url), entry.index);
        let path = self.0.path(GROUP, &name);
        if path.exists() {
            return Ok(path);
        }
        // A hostile log can send a million of these, so an entry that will not be written is not encoded.
        self.0.check(GROUP, entry.leaf_input.len() + entry.extra_data.len())?;
        let json = serde_json::to_vec_pretty(entry).map_err(io::Error::from)?;
        self.0.write(GROUP, &name, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
        (0..LIMITS.files as u64 - 1).for_each(|i| drop(first.keep(&entry(i)).unwrap()));
        let second = UndecodableFolder::new(dir.path().into());
        assert!(second.keep(&entry(5000)).is_ok());
        assert!(second.keep(&entry(5001)).unwrap_err().to_string().contains("is full"));
    }

    #[test]
    fn its_bytes_are_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let full = fs::File::create(dir.path().join("large.json")).unwrap();
        full.set_len(LIMITS.bytes - 100).unwrap();
        let kept = UndecodableFolder::new(dir.path().into());
        assert!(kept.keep(&entry(1)).unwrap_err().to_string().contains("is full"));
        let large = "A".repeat(LIMITS.file_bytes + 1);
        let large = UndecodableEntry { leaf_input: &large, ..entry(2) };
        assert!(kept.keep(&large).unwrap_err().to_string().contains("too large"));
    }
}
