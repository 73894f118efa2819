//! The folder of the filters that clients have put: a file for each, whose time of modification says when it was last
//! used.

use crate::system::{Durability, read_file, replace_file};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const EXTENSION: &str = "json";

/// The folder; see the module documentation.
#[derive(Debug)]
pub(crate) struct FilterFolder {
    dir: PathBuf,
}

/// A file of the folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FilterFile {
    /// The name of the filter.
    pub(crate) name: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// When it was last used, unix microseconds.
    pub(crate) used_us: u64,
}

impl FilterFolder {
    /// Creates the object for the folder `dir`, which is created on disk when it is first needed.
    pub(crate) fn new(dir: PathBuf) -> Self {
        FilterFolder { dir }
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// All files. Those that a crash has left unfinished are removed.
    ///
    /// # Errors
    /// If the folder exists and cannot be read.
    pub(crate) fn list(&self) -> io::Result<Vec<FilterFile>> {
        let folder = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut files = Vec::new();
        for file in folder {
            let path = file?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(String::from);
            match (path.extension().and_then(|extension| extension.to_str()), name) {
                (Some(EXTENSION), Some(name)) => {
                    let metadata = fs::metadata(&path)?;
                    let used = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                    let used_us = u64::try_from(used.as_micros()).unwrap_or(u64::MAX);
                    files.push(FilterFile { name, bytes: metadata.len(), used_us });
                }
                (Some("new"), _) => fs::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(files)
    }

    /// The content of the file for `name`, up to `limit` bytes.
    ///
    /// # Errors
    /// The operating system's error, or that the file is larger.
    pub(crate) fn read(&self, name: &str, limit: usize) -> io::Result<Vec<u8>> {
        read_file(&self.file(name), limit)
    }

    /// Writes the file for `name`.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        replace_file(&self.file(name), content, Durability::Synced)
    }

    /// Records that `name` was used at this moment, unix microseconds.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn touch(&self, name: &str, used_us: u64) -> io::Result<()> {
        let used: SystemTime = UNIX_EPOCH + Duration::from_micros(used_us);
        File::options().write(true).open(self.file(name))?.set_modified(used)
    }

    /// Removes the file for `name`.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file(name))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension(EXTENSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_again_with_the_time_of_their_use() {
        let dir = tempfile::tempdir().unwrap();
        let folder = FilterFolder::new(dir.path().join("filters"));
        assert_eq!(folder.list().unwrap(), []);
        folder.write("f-1", b"{}").unwrap();
        folder.touch("f-1", 1_700_000_000_000_000).unwrap();
        fs::write(folder.path().join("f-2.json.new"), "unfinished").unwrap();
        fs::write(folder.path().join("README"), "somebody's").unwrap();
        let file = FilterFile { name: "f-1".into(), bytes: 2, used_us: 1_700_000_000_000_000 };
        assert_eq!(folder.list().unwrap(), [file]);
        assert_eq!(folder.read("f-1", 2).unwrap(), b"{}");
        assert!(folder.read("f-1", 1).is_err() && folder.read("f-2", 100).is_err());
        assert!(!folder.path().join("f-2.json.new").exists() && folder.path().join("README").exists());
        folder.remove("f-1").unwrap();
        assert_eq!(folder.list().unwrap(), []);
    }
}
