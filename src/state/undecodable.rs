//! Keeps entries that could not be made a message, for an operator to look at.
//!
//! A hostile log could send nothing else, so the folder is bounded; when it is full, entries are still
//! counted and named in the log file, but not kept.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Most files in the folder.
const MAX_FILES: usize = 1_000;
/// Largest entry that is kept, as JSON; larger ones would be no entries of a certificate.
const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// An entry as the log gave it.
#[derive(Debug, serde::Serialize)]
pub struct UndecodableEntry<'a> {
    /// The log's URL.
    pub url: &'a str,
    /// The entry's index in it.
    pub index: u64,
    /// Why it could not be decoded.
    pub reason: &'a str,
    /// As get-entries gave it: base64, or what stood in its place.
    pub leaf_input: &'a str,
    /// Likewise.
    pub extra_data: &'a str,
}

/// The folder.
#[derive(Debug)]
pub struct Undecodable {
    dir: PathBuf,
    /// Files in the folder; unknown until the first one is written.
    files: Mutex<Option<usize>>,
}

impl Undecodable {
    /// Keeps entries in `dir`, which is made when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        Undecodable { dir, files: Mutex::new(None) }
    }

    /// Writes one file. An entry that is there already is not written again.
    ///
    /// # Errors
    /// When the folder is full or cannot be written, or the entry is too large to be kept.
    pub fn keep(&self, entry: &UndecodableEntry<'_>) -> io::Result<PathBuf> {
        let bare = entry.url.split_once("://").map_or(entry.url, |(_scheme, rest)| rest);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
        let name = format!("{}-{}.json", bare.chars().map(plain).collect::<String>(), entry.index);
        let path = self.dir.join(name);
        let json = serde_json::to_vec_pretty(entry)?;
        if json.len() > MAX_ENTRY_BYTES {
            return Err(io::Error::other(format!("its {} bytes are too many", json.len())));
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match *files {
            Some(count) => count,
            None => self.count()?,
        };
        if path.exists() {
            return Ok(path);
        }
        if count >= MAX_FILES {
            return Err(io::Error::other(format!("{} is full", self.dir.display())));
        }
        fs::write(&path, json)?;
        *files = Some(count + 1);
        Ok(path)
    }

    fn count(&self) -> io::Result<usize> {
        fs::create_dir_all(&self.dir)?;
        Ok(fs::read_dir(&self.dir)?.count())
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
        let kept = Undecodable::new(dir.path().join("undecodable"));
        let path = kept.keep(&entry(7)).unwrap();
        assert_eq!(path, dir.path().join("undecodable/ct.example_2026_.._x-7.json"));
        assert_eq!(kept.keep(&entry(7)).unwrap(), path);
        let json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!((&json["index"], &json["extra_data"]), (&7.into(), &"!".into()));
    }

    #[test]
    fn the_folder_is_bounded_also_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let first = Undecodable::new(dir.path().into());
        (0..MAX_FILES as u64 - 1).for_each(|i| drop(first.keep(&entry(i)).unwrap()));
        let second = Undecodable::new(dir.path().into());
        assert!(second.keep(&entry(5000)).is_ok());
        assert!(second.keep(&entry(5001)).unwrap_err().to_string().contains("is full"));
    }
}
