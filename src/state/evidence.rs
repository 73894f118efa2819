//! Stores evidence of misbehaviour: one file for each piece, in a folder of limited size.

use super::bounded_folder::{BoundedFolder, FolderError, FolderLimits, log_name};
use crate::evidence::Evidence;
use crate::system::Durability;
use std::io;
use std::path::PathBuf;

/// The limits for one kind of misbehaviour: a flood of one kind must not prevent storing another. Most evidence has
/// about 200 KB: a proof and the leaf hashes of 2,048 entries. The rest allows an entry with its chain.
pub(crate) const LIMITS: FolderLimits = FolderLimits {
    files: 100,
    bytes: 64 * 1024 * 1024,
    file_bytes: 4 * 1024 * 1024,
    durability: Durability::Synced,
};

/// The folder of evidence.
#[derive(Debug)]
pub struct EvidenceFolder(BoundedFolder);

impl EvidenceFolder {
    /// Stores evidence in `dir`, which is created when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        EvidenceFolder(BoundedFolder::new(dir, LIMITS))
    }

    /// Writes one file, named after the log, the kind of misbehaviour and the time.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn keep(&self, evidence: &Evidence) -> Result<PathBuf, FolderError> {
        let kind = evidence.misbehaviour.kind();
        let json = serde_json::to_vec_pretty(evidence).map_err(io::Error::from)?;
        let (log, ms) = (log_name(&evidence.log.url), evidence.detected_ms);
        let name = |count| format!("-{log}-{ms}-{count}.json");
        let free = (0..LIMITS.files).map(name).find(|name| !self.0.path(kind, name).exists());
        self.0.write(kind, &free.unwrap_or_else(|| name(LIMITS.files)), &json)
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
        (1..LIMITS.files).for_each(|_| drop(first.keep(&evidence()).unwrap()));
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
        let large = Misbehaviour::BadSignature { head: Base64(vec![0; LIMITS.file_bytes]) };
        let large = Evidence::new(7, evidence().log, String::new(), large);
        assert!(folder.keep(&large).unwrap_err().to_string().contains("too large"));
        let full = fs::File::create(dir.path().join("bad_signature-x.json")).unwrap();
        full.set_len(LIMITS.bytes - 100).unwrap();
        assert!(folder.keep(&evidence()).unwrap_err().to_string().contains("is full"));
    }
}
