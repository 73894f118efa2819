//! The request rates that were learned from the operators' refusals, in the file `rates.json` in the state folder, so
//! that a restart does not have to learn them again. If the file is lost, only that is lost.

use crate::system::{Durability, read_file, replace_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "rates.json";
/// The only version of the file format so far.
const VERSION: u32 = 1;
/// Largest file that is read, bytes. An operator takes about 100.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// A rate that was learned, requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LearnedRate {
    /// The current rate.
    pub(crate) rate: f64,
    /// The rate that was refused last.
    pub(crate) refused_at: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    operators: BTreeMap<String, LearnedRate>,
}

/// The file of the learned rates.
#[derive(Debug)]
pub(crate) struct RatesFile {
    path: PathBuf,
    /// What it contains.
    saved: BTreeMap<String, LearnedRate>,
}

impl RatesFile {
    /// Reads the file in `dir`. A file that cannot be read is reported and taken to be empty.
    pub(crate) fn load(dir: &Path) -> Self {
        let path = dir.join(FILE);
        let saved = match read(&path) {
            Ok(saved) => saved,
            Err(problem) => {
                log::warn!("{}: {problem}; the operators' request rates are learned anew", path.display());
                BTreeMap::new()
            }
        };
        RatesFile { path, saved }
    }

    /// The rates in the file, by operator.
    pub(crate) fn rates(&self) -> &BTreeMap<String, LearnedRate> {
        &self.saved
    }

    /// Replaces the file if `rates` differ from its content. Blocks.
    ///
    /// # Errors
    /// The error of the operating system. The old file then still exists.
    pub(crate) fn save(&mut self, rates: BTreeMap<String, LearnedRate>) -> io::Result<()> {
        if rates == self.saved {
            return Ok(());
        }
        let written = Written { version: VERSION, operators: rates };
        replace_file(&self.path, &serde_json::to_vec(&written)?, Durability::Unsynced)?;
        self.saved = written.operators;
        Ok(())
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, LearnedRate>, String> {
    let bytes = match read_file(path, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let written: Written = serde_json::from_slice(&bytes).map_err(|error| format!("is damaged: {error}"))?;
    if written.version != VERSION {
        return Err(format!("has version {}, which this program does not know", written.version));
    }
    Ok(written.operators)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(rate: f64) -> BTreeMap<String, LearnedRate> {
        BTreeMap::from([("an operator".to_string(), LearnedRate { rate, refused_at: 2.5 })])
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RatesFile::load(dir.path());
        assert!(file.rates().is_empty());
        file.save(rates(1.5)).unwrap();
        assert_eq!(RatesFile::load(dir.path()).rates(), &rates(1.5));
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        file.save(rates(1.5)).unwrap();
        assert!(!dir.path().join(FILE).exists(), "what has not changed is not written");
        file.save(rates(1.6)).unwrap();
        assert_eq!(RatesFile::load(dir.path()).rates(), &rates(1.6));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for content in ["{", r#"{"version":2,"operators":{}}"#, r#"{"version":1,"operators":{"a":1}}"#] {
            std::fs::write(&path, content).unwrap();
            let mut file = RatesFile::load(dir.path());
            assert!(file.rates().is_empty() && read(&path).is_err(), "{content}");
            file.save(rates(1.5)).unwrap();
            assert_eq!(RatesFile::load(dir.path()).rates(), &rates(1.5));
        }
    }
}
