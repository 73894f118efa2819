//! Files that are there as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts a file with `content` in the place of `dir`/`name`, durably and as a whole.
///
/// # Errors
/// What the system says. What was there before is still there then.
pub(super) fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let unfinished = dir.join(format!("{name}.new"));
    let mut file = File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, dir.join(name))?;
    // The name is part of the folder: without this a power cut could bring the old file back.
    File::open(dir)?.sync_all()
}
