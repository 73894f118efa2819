//! Keeps evidence of what logs did wrong: one file each, in a folder that is bounded.

use super::file::replace;
use crate::evidence::Evidence;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Most files in the folder. One is at most some 200 KB, which is a proof and the leaf hashes of 2,048 entries.
const MAX_FILES: usize = 200;

/// The folder.
#[derive(Debug)]
pub struct EvidenceFolder {
    dir: PathBuf,
    /// Files in the folder; unknown until the first one is written.
    files: Mutex<Option<usize>>,
}

impl EvidenceFolder {
    /// Keeps evidence in `dir`, which is made when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        EvidenceFolder { dir, files: Mutex::new(None) }
    }

    /// Writes one file, named after the log, the kind of misbehaviour and the time.
    ///
    /// # Errors
    /// When the folder is full or cannot be written.
    pub fn keep(&self, evidence: &Evidence) -> io::Result<PathBuf> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match *files {
            Some(count) => count,
            None => self.count()?,
        };
        if count >= MAX_FILES {
            return Err(io::Error::other(format!("{} is full, with {MAX_FILES} files", self.dir.display())));
        }
        let url = &evidence.log.url;
        let bare = url.split_once("://").map_or(url.as_str(), |(_scheme, rest)| rest);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
        let log: String = bare.chars().map(plain).take(100).collect();
        let name = format!("{log}-{}-{}-{count}.json", evidence.misbehaviour.kind(), evidence.detected_ms);
        replace(&self.dir, &name, &serde_json::to_vec_pretty(evidence)?)?;
        *files = Some(count + 1);
        Ok(self.dir.join(name))
    }

    fn count(&self) -> io::Result<usize> {
        fs::create_dir_all(&self.dir)?;
        Ok(fs::read_dir(&self.dir)?.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Accused, Base64, Misbehaviour};
    use crate::message::Protocol;

    fn evidence() -> Evidence {
        let log = Accused {
            url: "https://ct.example/2026/../x".into(),
            name: "A log".into(),
            protocol: Protocol::Rfc6962,
            key: None,
            origin: None,
        };
        Evidence::new(7, log, "because".into(), Misbehaviour::BadSignature { head: Base64(b"{}".to_vec()) })
    }

    #[test]
    fn evidence_is_kept_whole_under_the_name_of_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::new(dir.path().join("evidence"));
        let path = folder.keep(&evidence()).unwrap();
        assert_eq!(path, dir.path().join("evidence/ct.example_2026_.._x-bad_signature-7-0.json"));
        let read: Evidence = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(read, evidence());
        assert_ne!(folder.keep(&evidence()).unwrap(), folder.keep(&evidence()).unwrap());
    }

    #[test]
    fn the_folder_is_bounded_also_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let first = EvidenceFolder::new(dir.path().into());
        (1..MAX_FILES).for_each(|_| drop(first.keep(&evidence()).unwrap()));
        let second = EvidenceFolder::new(dir.path().into());
        assert!(second.keep(&evidence()).is_ok());
        assert!(second.keep(&evidence()).unwrap_err().to_string().contains("is full"));
    }
}
