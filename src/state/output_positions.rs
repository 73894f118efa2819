//! How far each output has come: a file for each in the folder `outputs` in the state folder.

use crate::system::{Durability, read_file, replace_file};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The only version of the file format so far.
const VERSION: u32 = 1;
/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// How far an output has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutputPosition {
    version: u32,
    /// Everything before the entry with this number was delivered.
    pub(crate) next_seq: u64,
    /// Where an output to files writes.
    pub(crate) place: Option<FilePlace>,
}

/// The end of what was delivered to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePlace {
    /// The name of the file when it is whole.
    pub(crate) name: String,
    /// Number of bytes in it that were delivered.
    pub(crate) bytes: u64,
}

impl OutputPosition {
    /// Everything before `next_seq` was delivered, to `place` at last.
    pub(crate) fn new(next_seq: u64, place: Option<FilePlace>) -> Self {
        OutputPosition { version: VERSION, next_seq, place }
    }
}

/// The file of one output.
#[derive(Debug)]
pub(crate) struct OutputPositionFile {
    /// `None`: it is kept in memory alone.
    path: Option<PathBuf>,
    saved: Option<OutputPosition>,
}

/// Why it is not known how far an output has come.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: {problem}; to begin with what is logged from now on, delete the file", path.display()
)]
pub struct OutputPositionError {
    path: PathBuf,
    problem: String,
}

impl OutputPositionFile {
    /// Reads the position of the output `name` in the state folder `dir`. Without one, it is kept in memory alone.
    ///
    /// # Errors
    /// If the file exists and cannot be read, or is damaged.
    pub(crate) fn open(dir: Option<&Path>, name: &str) -> Result<Self, OutputPositionError> {
        let path = dir.map(|dir| dir.join("outputs").join(format!("{name}.json")));
        let saved = match &path {
            Some(path) => {
                read(path).map_err(|problem| OutputPositionError { path: path.clone(), problem })?
            }
            None => None,
        };
        Ok(OutputPositionFile { path, saved })
    }

    /// The position. `None` for a new output.
    pub(crate) fn saved(&self) -> Option<&OutputPosition> {
        self.saved.as_ref()
    }

    /// Whether the next run of the program has the position.
    pub(crate) fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// Replaces the position, on disk when this returns. Blocks.
    ///
    /// # Errors
    /// The operating system's error. The position is what it was then.
    pub(crate) fn save(&mut self, position: OutputPosition) -> io::Result<()> {
        if self.saved.as_ref() == Some(&position) {
            return Ok(());
        }
        if let Some(path) = &self.path {
            replace_file(path, &serde_json::to_vec(&position)?, Durability::Synced)?;
        }
        self.saved = Some(position);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<OutputPosition>, String> {
    let text = match read_file(path, MAX_FILE_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| error.to_string())?,
    };
    let position: OutputPosition = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if position.version != VERSION {
        return Err(format!("version {} is not known", position.version));
    }
    Ok(Some(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_saved_and_damage_is_no_new_output() {
        let dir = tempfile::tempdir().unwrap();
        let open = || OutputPositionFile::open(Some(dir.path()), "a");
        assert_eq!(open().unwrap().saved(), None);
        let place = FilePlace { name: "a-1.ndjson".into(), bytes: 7 };
        for position in [OutputPosition::new(5, None), OutputPosition::new(9, Some(place))] {
            open().unwrap().save(position.clone()).unwrap();
            assert_eq!(open().unwrap().saved(), Some(&position));
        }
        let path = dir.path().join("outputs/a.json");
        for damaged in ["", "{}", r#"{"version":2,"next_seq":1,"place":null}"#] {
            std::fs::write(&path, damaged).unwrap();
            let error = open().unwrap_err().to_string();
            assert!(error.contains("a.json: ") && error.contains("delete the file"), "{error}");
        }
    }

    #[test]
    fn without_a_folder_it_is_kept_in_memory() {
        let mut file = OutputPositionFile::open(None, "a").unwrap();
        file.save(OutputPosition::new(5, None)).unwrap();
        assert_eq!(file.saved().map(|position| position.next_seq), Some(5));
    }
}
