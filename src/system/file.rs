//! Atomic file replacement and bounded reads.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// Whether a file must be on disk before the function that writes it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A power failure leaves either the old file or the new one.
    Synced,
    /// A power failure may lose or damage the file. This takes much less time.
    Unsynced,
}

/// Replaces the file at `path` as a whole, so that a reader sees either the old content or `content`. Creates its
/// folder if needed.
///
/// # Errors
/// The operating system's error. The previous file is unchanged then.
pub(crate) fn replace_file(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file = File::create(&unfinished)?;
    file.write_all(content)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    fs::rename(&unfinished, path)?;
    // The rename is stored in the folder: without this sync, a power failure could restore the old file.
    if durability == Durability::Synced { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Reads the file at `path`, up to `limit` bytes.
///
/// # Errors
/// The operating system's error, or that the file is larger.
pub(crate) fn read_file(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_of_a_file_is_read_than_it_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace_file(&path, b"12345", Durability::Unsynced).unwrap();
        assert_eq!(read_file(&path, 5).unwrap(), b"12345");
        assert_eq!(read_file(&path, 4).unwrap_err().to_string(), "it is larger than 4 bytes");
        assert!(read_file(Path::new("/dev/zero"), 1000).is_err());
    }
}
