//! `verify-evidence`: verifies a file or folder of evidence.

use crate::evidence::Evidence;
use crate::printable::{MAX_CHARS, escaped};
use clap::Args;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Maximum size of an evidence file, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct VerifyEvidenceArgs {
    /// A file of evidence, or a folder of them, such as `state/evidence`
    path: PathBuf,
}

/// Why the verification failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum EvidenceError {
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{0} of {1} are not confirmed")]
    Unconfirmed(usize, usize),
}

/// Verifies each file and prints its result.
pub(super) fn verify(args: &VerifyEvidenceArgs) -> Result<(), EvidenceError> {
    let files = files(&args.path).map_err(|error| EvidenceError::Read { path: args.path.clone(), error })?;
    let mut unconfirmed = 0;
    for file in &files {
        match check(file) {
            Ok(evidence) => {
                let Evidence { log, problem, misbehaviour, .. } = evidence;
                let (name, problem) = (escaped(&log.name, MAX_CHARS), escaped(&problem, MAX_CHARS));
                println!("confirmed: {}: {name} ({}): {problem}", file.display(), misbehaviour.kind());
            }
            Err(why) => {
                unconfirmed += 1;
                println!("NOT CONFIRMED: {}: {}", file.display(), escaped(&why, MAX_CHARS));
            }
        }
    }
    if unconfirmed > 0 {
        return Err(EvidenceError::Unconfirmed(unconfirmed, files.len()));
    }
    match files.len() {
        0 => println!("no evidence in {}", args.path.display()),
        count => println!("{count} files, all confirmed"),
    }
    Ok(())
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return fs::metadata(path).map(|_| vec![path.into()]);
    }
    let mut files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn check(file: &Path) -> Result<Evidence, String> {
    let length = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("is larger than {MAX_FILE_BYTES} bytes"));
    }
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    let evidence: Evidence = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    evidence.check().map_err(|why| why.to_string())?;
    Ok(evidence)
}
