//! Stores evidence of misbehaviour: one file for each piece, in a folder of limited size.

use super::Usage;
use crate::ct::source::bare_url;
use crate::evidence::Evidence;
use crate::system::replace_file;
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;

/// Maximum number of files for one kind of misbehaviour. A flood of one kind must not prevent storing
/// another.
pub(crate) const MAX_FILES_OF_KIND: usize = 100;
/// Maximum total size of these files, in bytes.
pub(crate) const MAX_BYTES_OF_KIND: u64 = 64 * 1024 * 1024;
/// Maximum size of a file, in bytes. Most evidence has about 200 KB: a proof and the leaf hashes of 2,048
/// entries. The rest allows an entry with its chain.
pub(crate) const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// The folder of evidence.
#[derive(Debug)]
pub struct EvidenceFolder {
    dir: PathBuf,
    /// Held while a file is added to the count.
    turn: Mutex<()>,
}

impl EvidenceFolder {
    /// Stores evidence in `dir`, which is created when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        EvidenceFolder { dir, turn: Mutex::default() }
    }

    /// Writes one file, named after the log, the kind of misbehaviour and the time.
    ///
    /// # Errors
    /// If the folder is full or cannot be written.
    pub fn keep(&self, evidence: &Evidence) -> io::Result<PathBuf> {
        let _turn = self.turn.lock();
        let kind = evidence.misbehaviour.kind();
        let usage = self.usage(kind)?;
        let count = usage.files;
        if count >= MAX_FILES_OF_KIND {
            return Err(io::Error::other(format!(
                "{} already has {count} files of this log",
                self.dir.display()
            )));
        }
        let json = serde_json::to_vec_pretty(evidence)?;
        if json.len() > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("it is too large: {} bytes", json.len())));
        }
        if usage.with(json.len() as u64).bytes > MAX_BYTES_OF_KIND {
            let bytes = usage.bytes;
            return Err(io::Error::other(format!(
                "{} already has {bytes} bytes of this log",
                self.dir.display()
            )));
        }
        let url = &evidence.log.url;
        let bare = bare_url(url);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
        let log: String = bare.chars().map(plain).take(100).collect();
        let name = format!("{kind}-{log}-{}-{count}.json", evidence.detected_ms);
        let path = self.dir.join(name);
        replace_file(&path, &json)?;
        Ok(path)
    }

    fn usage(&self, kind: &str) -> io::Result<Usage> {
        Usage::of_those(&self.dir, |name| name.starts_with(&format!("{kind}-")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::source::Protocol;
    use crate::evidence::{Base64, LogIdentity, Misbehaviour};
    use std::fs;

    fn evidence() -> Evidence {
        let log = LogIdentity {
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
        assert_eq!(path, dir.path().join("evidence/bad_signature-ct.example_2026_.._x-7-0.json"));
        let read: Evidence = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(read, evidence());
        assert_ne!(folder.keep(&evidence()).unwrap(), folder.keep(&evidence()).unwrap());
    }

    #[test]
    fn the_folder_is_bounded_also_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let first = EvidenceFolder::new(dir.path().into());
        (1..MAX_FILES_OF_KIND).for_each(|_| drop(first.keep(&evidence()).unwrap()));
        let second = EvidenceFolder::new(dir.path().into());
        assert!(second.keep(&evidence()).is_ok());
        assert!(second.keep(&evidence()).unwrap_err().to_string().contains("100 files"));
        let (first, second_head) = (Base64(b"1".to_vec()), Base64(b"2".to_vec()));
        let fork = Misbehaviour::Fork { first, second: second_head };
        second.keep(&Evidence::new(8, evidence().log, String::new(), fork)).unwrap();
    }

    #[test]
    fn its_bytes_are_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::new(dir.path().into());
        let large = Misbehaviour::BadSignature { head: Base64(vec![0; MAX_FILE_BYTES]) };
        let large = Evidence::new(7, evidence().log, String::new(), large);
        assert!(folder.keep(&large).unwrap_err().to_string().contains("too large"));
        let full = fs::File::create(dir.path().join("bad_signature-x.json")).unwrap();
        full.set_len(MAX_BYTES_OF_KIND - 100).unwrap();
        assert!(folder.keep(&evidence()).unwrap_err().to_string().contains("bytes of this log"));
    }
}
