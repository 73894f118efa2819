//! Measures a folder, so that the data that logs cause to be written stays limited across restarts.

use std::fs;
use std::io;
use std::path::Path;

/// The number of files in a folder and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Number of files, including incomplete ones.
    pub(crate) files: usize,
    /// Total size in bytes.
    pub(crate) bytes: u64,
}

impl Usage {
    /// Measures `dir`, which is created if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be created or read.
    pub(crate) fn of(dir: &Path) -> io::Result<Self> {
        Self::of_those(dir, |_| true)
    }

    /// Measures only the files whose name matches `fits`.
    ///
    /// # Errors
    /// If the folder cannot be created or read.
    pub(crate) fn of_those(dir: &Path, fits: impl Fn(&str) -> bool) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut usage = Usage::default();
        for file in fs::read_dir(dir)? {
            let file = file?;
            if fits(&file.file_name().to_string_lossy()) {
                // A file that has just been removed counts as empty.
                usage = usage.with(file.metadata().map_or(0, |metadata| metadata.len()));
            }
        }
        Ok(usage)
    }

    /// The usage with one more file.
    pub(crate) fn with(self, bytes: u64) -> Self {
        Usage { files: self.files.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }

    /// The usage with one file less.
    pub(crate) fn without(self, bytes: u64) -> Self {
        Usage { files: self.files.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_their_bytes_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new");
        assert_eq!(Usage::of(&folder).unwrap(), Usage::default());
        fs::write(folder.join("a-1"), "123").unwrap();
        fs::write(folder.join("b-1.new"), "12").unwrap();
        assert_eq!(Usage::of(&folder).unwrap(), Usage { files: 2, bytes: 5 });
        let usage = Usage::of_those(&folder, |name| name.starts_with("a-")).unwrap();
        assert_eq!(usage, Usage { files: 1, bytes: 3 });
        assert_eq!(usage.with(4).without(3), Usage { files: 1, bytes: 4 });
        assert_eq!(Usage::default().without(1), Usage::default());
    }
}
