//! Stores what was known about entries when they were passed over by decision: why, and up to where the log was verified.

use super::Skip;
use super::bounded_folder::{BoundedFolder, FolderError, FolderLimits, log_name};
use crate::system::Durability;
use std::io;
use std::path::PathBuf;

/// The limits of the folder. People make these decisions, so there are few.
pub(crate) const LIMITS: FolderLimits = FolderLimits {
    files: 1_000,
    bytes: 16 * 1024 * 1024,
    file_bytes: 64 * 1024,
    durability: Durability::Synced,
};
/// All files are in one group.
const GROUP: &str = "";

/// What is written down about a skip.
#[derive(Debug, serde::Serialize)]
pub(crate) struct SkipRecord<'a> {
    /// The log's URL.
    pub(crate) url: &'a str,
    /// SHA-256 of the log's key, base64.
    pub(crate) log_id: Option<String>,
    #[serde(flatten)]
    pub(crate) skip: &'a Skip,
    /// The newest failure of a request to the log.
    pub(crate) last_failure: Option<String>,
    /// The newest misbehaviour of the log. The evidence itself is in its own folder.
    pub(crate) last_misbehaviour: Option<String>,
    /// Size and root hash (base64) of the last tree that was verified before the skip.
    pub(crate) verified_tree: Option<(u64, String)>,
    /// The newest head before the skip, as the log served it.
    pub(crate) head: Option<String>,
}

/// The folder of skip records.
#[derive(Debug)]
pub(crate) struct SkippedFolder(BoundedFolder);

impl SkippedFolder {
    /// Stores records in `dir`, which is created when it is first needed.
    pub(crate) fn new(dir: PathBuf) -> Self {
        SkippedFolder(BoundedFolder::new(dir, LIMITS))
    }

    /// Writes one file, named after the log and the range.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub(crate) fn keep(&self, record: &SkipRecord<'_>) -> Result<PathBuf, FolderError> {
        let Skip { start, end_exclusive, at_ms, .. } = record.skip;
        let name = format!("{}-{start}-{end_exclusive}-{at_ms}.json", log_name(record.url));
        let json = serde_json::to_vec_pretty(record).map_err(io::Error::from)?;
        self.0.write(GROUP, &name, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_was_known() {
        let dir = tempfile::tempdir().unwrap();
        let skip = Skip { start: 5, end_exclusive: 9, entries: 3, because: "lost".into(), at_ms: 7 };
        let record = SkipRecord {
            url: "https://ct.example/2026",
            log_id: Some("id".into()),
            skip: &skip,
            last_failure: Some("status 500".into()),
            last_misbehaviour: None,
            verified_tree: Some((5, "root".into())),
            head: Some("head".into()),
        };
        let path = SkippedFolder::new(dir.path().into()).keep(&record).unwrap();
        assert_eq!(path, dir.path().join("ct.example_2026-5-9-7.json"));
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let expected = serde_json::json!({ "url": "https://ct.example/2026", "log_id": "id", "start": 5,
            "end_exclusive": 9, "entries": 3, "because": "lost", "at_ms": 7, "last_failure": "status 500",
            "last_misbehaviour": null, "verified_tree": [5, "root"], "head": "head" });
        assert_eq!(written, expected);
    }
}
