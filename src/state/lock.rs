//! Ensures that only one server uses a state folder. Two would overwrite each other's positions.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "lock";

/// Held while the server runs. The operating system releases it whenever the program ends.
#[derive(Debug)]
pub struct StateLock {
    /// `None` if the folder is not writable, so that there is nothing to protect.
    _file: Option<File>,
}

/// Another server uses the folder.
#[derive(Debug, thiserror::Error)]
#[error("{}: another server uses this folder; set a different state.dir for each", .0.display())]
pub struct StateLockError(PathBuf);

impl StateLock {
    /// Locks `dir`, which is created if it does not exist.
    ///
    /// # Errors
    /// If another server has locked it. If the folder is not writable, this only logs a warning, because the
    /// stream is more important.
    pub fn take(dir: &Path) -> Result<Self, StateLockError> {
        match open(dir).map(|file| file.try_lock().map(|()| file)) {
            Ok(Ok(file)) => Ok(StateLock { _file: Some(file) }),
            Ok(Err(TryLockError::WouldBlock)) => Err(StateLockError(dir.into())),
            Ok(Err(TryLockError::Error(error))) | Err(error) => {
                let hint = hint(dir, &error);
                log::warn!("{}: cannot be locked: {error}{hint}; continuing without a lock", dir.display());
                Ok(StateLock { _file: None })
            }
        }
    }
}

/// How to fix `error` if the folder belongs to another user, as with a volume that another image created.
#[cfg(unix)]
fn hint(dir: &Path, error: &io::Error) -> String {
    use std::os::unix::fs::MetadataExt;

    // The folder itself, or the nearest existing parent folder.
    let owner = dir.ancestors().find_map(|dir| dir.metadata().ok()).map(|folder| folder.uid());
    let own = rustix::process::geteuid().as_raw();
    match owner {
        Some(owner) if error.kind() == io::ErrorKind::PermissionDenied && owner != own => {
            ownership(owner, own)
        }
        _ => String::new(),
    }
}

#[cfg(unix)]
fn ownership(owner: u32, own: u32) -> String {
    format!(" (it belongs to user id {owner}, the server runs as user id {own}: chown it to {own})")
}

/// This platform has no user ids.
#[cfg(not(unix))]
fn hint(_: &Path, _: &io::Error) -> String {
    String::new()
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

    #[cfg(unix)]
    #[test]
    fn the_user_is_named_to_whom_the_folder_should_belong() {
        let dir = tempfile::tempdir().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let missing = dir.path().join("state");
        assert_eq!(hint(&missing, &denied), "", "it is our own");
        let another = rustix::process::geteuid().as_raw() + 1;
        if std::os::unix::fs::chown(dir.path(), Some(another), None).is_ok() {
            let told = hint(&missing, &denied);
            assert!(told.contains(&format!("user id {another}")) && told.contains("chown"), "{told}");
            assert_eq!(hint(&missing, &io::Error::from(io::ErrorKind::NotFound)), "");
        }
        assert!(ownership(7, 8).ends_with("chown it to 8)"));
    }
}
