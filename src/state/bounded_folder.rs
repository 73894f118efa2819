//! A folder for files whose content logs determine. Its size is limited across restarts, so that a hostile log cannot
//! fill the disk.

use crate::ct::source::bare_url;
use crate::system::{Durability, replace_file};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Maximum number of characters of a log's name in the name of a file.
const MAX_NAME_CHARS: usize = 100;
/// A full folder is measured again at this interval, because its operator may have removed files.
const MEASURE_INTERVAL: Duration = Duration::from_secs(60);

/// The limits of a folder. Those of number and size apply to each group of files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FolderLimits {
    /// Maximum number of files.
    pub(crate) files: usize,
    /// Maximum total size, in bytes.
    pub(crate) bytes: u64,
    /// Maximum size of a file, in bytes.
    pub(crate) file_bytes: usize,
    /// Whether a file must survive a power failure right after it was written.
    pub(crate) durability: Durability,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder has no room for the file.
    #[error("{} is full: it has {files} files{} with {bytes} bytes", dir.display(), of_group(group))]
    Full {
        /// The folder.
        dir: PathBuf,
        /// The group of the file.
        group: &'static str,
        /// Number of files in the group.
        files: usize,
        /// Their total size.
        bytes: u64,
    },
    /// The file would be larger than any file may be.
    #[error("it is too large: {0} bytes")]
    TooLarge(usize),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn of_group(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(" \"{group}*\"") }
}

/// The number of files of a group and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    files: usize,
    bytes: u64,
}

impl Usage {
    fn with(self, bytes: u64) -> Self {
        Usage { files: self.files.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }

    fn without(self, bytes: u64) -> Self {
        Usage { files: self.files.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }
}

/// A folder of limited size. A group of files has a common beginning of their names, and limits of its own.
#[derive(Debug)]
pub(crate) struct BoundedFolder {
    dir: PathBuf,
    limits: FolderLimits,
    /// The usage of each group, and when it was measured. Measured when the group is first written to.
    usages: Mutex<HashMap<&'static str, (Usage, Instant)>>,
}

impl BoundedFolder {
    /// Creates the object for the folder `dir`, which is created on disk when it is first needed.
    pub(crate) fn new(dir: PathBuf, limits: FolderLimits) -> Self {
        BoundedFolder { dir, limits, usages: Mutex::default() }
    }

    /// The path of the file `name` of `group`.
    pub(crate) fn path(&self, group: &'static str, name: &str) -> PathBuf {
        self.dir.join(format!("{group}{name}"))
    }

    /// Checks whether a new file of `bytes` bytes would be written.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub(crate) fn check(&self, group: &'static str, bytes: usize) -> Result<(), FolderError> {
        self.usage_with(&mut self.usages.lock(), group, bytes, None, Instant::now()).map(drop)
    }

    /// Writes the file `name` of `group`, or replaces it.
    ///
    /// # Errors
    /// See [`FolderError`]. The previous file is unchanged then.
    pub(crate) fn write(
        &self,
        group: &'static str,
        name: &str,
        content: &[u8],
    ) -> Result<PathBuf, FolderError> {
        self.write_at(group, name, content, Instant::now())
    }

    fn write_at(
        &self,
        group: &'static str,
        name: &str,
        content: &[u8],
        now: Instant,
    ) -> Result<PathBuf, FolderError> {
        let path = self.path(group, name);
        let mut usages = self.usages.lock();
        let replaced = path.metadata().ok().map(|metadata| metadata.len());
        let usage = self.usage_with(&mut usages, group, content.len(), replaced, now)?;
        replace_file(&path, content, self.limits.durability)?;
        if let Some((known, _)) = usages.get_mut(group) {
            *known = usage;
        }
        Ok(path)
    }

    /// The usage of `group` with another file of `bytes` bytes, which replaces one of `replaced` bytes.
    fn usage_with(
        &self,
        usages: &mut HashMap<&'static str, (Usage, Instant)>,
        group: &'static str,
        bytes: usize,
        replaced: Option<u64>,
        now: Instant,
    ) -> Result<Usage, FolderError> {
        if bytes > self.limits.file_bytes {
            return Err(FolderError::TooLarge(bytes));
        }
        let grown = |usage: Usage| replaced.map_or(usage, |old| usage.without(old)).with(bytes as u64);
        let fits = |usage: Usage| usage.files <= self.limits.files && usage.bytes <= self.limits.bytes;
        let mut known = usages.get(group).copied();
        if known.is_some_and(|(usage, at)| !fits(grown(usage)) && now >= at + MEASURE_INTERVAL) {
            known = None;
        }
        let usage = match known {
            Some((usage, _)) => usage,
            None => usages.entry(group).insert_entry((measure(&self.dir, group)?, now)).get().0,
        };
        if fits(grown(usage)) {
            return Ok(grown(usage));
        }
        let Usage { files, bytes } = usage;
        Err(FolderError::Full { dir: self.dir.clone(), group, files, bytes })
    }
}

/// Counts the files of `group` in `dir`, including incomplete ones. Creates `dir` if it does not exist.
fn measure(dir: &Path, group: &str) -> io::Result<Usage> {
    fs::create_dir_all(dir)?;
    let mut usage = Usage::default();
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(group) {
            // A file that has just been removed counts as empty.
            usage = usage.with(file.metadata().map_or(0, |metadata| metadata.len()));
        }
    }
    Ok(usage)
}

/// The log at `url` as a part of a file's name.
pub(super) fn log_name(url: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    bare_url(url).chars().map(plain).take(MAX_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FolderLimits =
        FolderLimits { files: 3, bytes: 100, file_bytes: 60, durability: Durability::Unsynced };

    fn problem(result: Result<PathBuf, FolderError>) -> String {
        result.expect_err("it was written").to_string()
    }

    #[test]
    fn a_file_is_written_whole_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = BoundedFolder::new(dir.path().join("new"), LIMITS);
        let path = folder.write("a-", "1", b"first").unwrap();
        assert_eq!((&path, fs::read(&path).unwrap()), (&dir.path().join("new/a-1"), b"first".into()));
        assert_eq!(folder.write("a-", "1", b"second").unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1);
    }

    #[test]
    fn number_and_size_are_limited_for_each_group_also_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let folder = || BoundedFolder::new(dir.path().into(), LIMITS);
        let first = folder();
        (0..3).for_each(|i| drop(first.write("a-", &i.to_string(), &[0; 20]).unwrap()));
        let full = format!("{} is full: it has 3 files \"a-*\" with 60 bytes", dir.path().display());
        assert_eq!(problem(first.write("a-", "3", b"")), full);
        assert_eq!(problem(folder().write("a-", "3", b"")), full);
        assert!(folder().check("a-", 0).is_err());
        // A replaced file counts once, with its new size.
        let again = folder();
        again.write("a-", "2", &[0; 60]).unwrap();
        assert!(problem(again.write("a-", "1", &[0; 21])).ends_with("3 files \"a-*\" with 100 bytes"));
        again.write("a-", "1", &[0; 20]).unwrap();

        again.write("b-", "0", &[0; 60]).unwrap();
        again.check("b-", 40).unwrap();
        assert!(problem(again.write("b-", "1", &[0; 41])).ends_with("1 files \"b-*\" with 60 bytes"));
        again.write("b-", "1", &[0; 40]).unwrap();
        assert_eq!(problem(again.write("c-", "0", &[0; 61])), "it is too large: 61 bytes");
        assert!(matches!(again.check("c-", 61), Err(FolderError::TooLarge(61))));
    }

    #[test]
    fn incomplete_files_count() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.new"), [0; 90]).unwrap();
        let folder = BoundedFolder::new(dir.path().into(), LIMITS);
        assert!(problem(folder.write("", "b", &[0; 11])).ends_with("is full: it has 1 files with 90 bytes"));
    }

    #[test]
    fn a_full_folder_is_used_again_some_time_after_files_were_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = BoundedFolder::new(dir.path().into(), LIMITS);
        let begin = Instant::now();
        for name in ["1", "2", "3"] {
            folder.write_at("", name, b"", begin).unwrap();
        }
        fs::remove_file(dir.path().join("2")).unwrap();
        let at = |time: Instant| folder.write_at("", "4", b"", time);
        assert!(at(begin).is_err());
        assert!(at(begin + MEASURE_INTERVAL - Duration::from_millis(1)).is_err(), "measuring is not free");
        assert!(at(begin + MEASURE_INTERVAL + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn a_log_cannot_choose_a_path() {
        assert_eq!(log_name("https://ct.example/2026/../x"), "ct.example_2026_.._x");
        assert_eq!(log_name(&"é/".repeat(MAX_NAME_CHARS)).len(), MAX_NAME_CHARS);
    }
}
