//! One server per state folder: two would undo each other's positions.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "lock";

/// Held as long as the server runs. The system lets it go however the program ends.
#[derive(Debug)]
pub struct StateLock {
    /// `None`: the folder cannot be written, so that there is nothing to protect.
    _file: Option<File>,
}

/// Another server has the folder.
#[derive(Debug, thiserror::Error)]
#[error("{}: another server uses this folder; give each its own state.dir", .0.display())]
pub struct StateLockError(PathBuf);

impl StateLock {
    /// Takes `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// When another server has it. A folder that cannot be written is only warned of: the stream is worth more.
    pub fn take(dir: &Path) -> Result<Self, StateLockError> {
        match open(dir).map(|file| file.try_lock().map(|()| file)) {
            Ok(Ok(file)) => Ok(StateLock { _file: Some(file) }),
            Ok(Err(TryLockError::WouldBlock)) => Err(StateLockError(dir.into())),
            Ok(Err(TryLockError::Error(error))) | Err(error) => {
                log::warn!("{}: cannot be locked: {error}; going on without", dir.display());
                Ok(StateLock { _file: None })
            }
        }
    }
}

fn open(dir: &Path) -> io::Result<File> {
    fs::create_dir_all(dir)?;
    File::options().create(true).truncate(false).write(true).open(dir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_servers_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let lock = StateLock::take(&state).unwrap();
        assert!(StateLock::take(&state).unwrap_err().to_string().contains("state.dir"));
        drop(lock);
        StateLock::take(&state).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_had_does_not_stop_anyone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state");
        fs::write(&file, "a file where the folder should be").unwrap();
        StateLock::take(&file).unwrap();
    }
}
