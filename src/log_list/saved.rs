//! The last list that was fetched from a source, saved on disk. There is one file for each source, so a list,
//! its signature and its validators are always from the same request.

use super::in_force::Origin;
use super::source::{ListSource, Unbelievable, warn_of};
use crate::ct::log_list::{LogList, MAX_LIST_BYTES};
use crate::http_client::Validators;
use crate::system::{Durability, replace_file};
use base64_simd::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Maximum size of the file of a saved list, in bytes. The list is a JSON string in it, in which each of its
/// quotes and line breaks takes two bytes. There is one file for each list that is or was configured.
pub(crate) const MAX_FILE_BYTES: usize = 2 * MAX_LIST_BYTES;

/// The content of the file.
#[derive(Debug, Deserialize, Serialize)]
struct SavedFile {
    /// The URL of the list. A list from another URL is not used for this source.
    url: String,
    /// When it was fetched, in unix seconds.
    fetched_unix_s: i64,
    #[serde(flatten)]
    validators: Validators,
    /// Base64. `None` for a list that is not signed.
    signature: Option<String>,
    /// The exact bytes of the list, which the signature covers.
    list: String,
}

/// A list that was loaded from disk.
#[derive(Debug)]
pub(super) struct Kept {
    pub list: LogList,
    pub json: Vec<u8>,
    pub validators: Validators,
    pub origin: Origin,
}

/// Why a saved list cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotUsable {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("it is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("it is not a saved list: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it is from {url}")]
    FromElsewhere { url: String },
    #[error("its fetch time, {0} s after 1970, is not a date")]
    Date(i64),
    #[error("its signature is not base64")]
    NotBase64,
    #[error(transparent)]
    Unbelievable(#[from] Unbelievable),
}

/// The path of the file for `source`.
pub(super) fn path(source: &ListSource, dir: &Path) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    dir.join(format!("{}.json", source.name.chars().map(plain).collect::<String>()))
}

/// Loads the saved list. If there is a file that cannot be used, logs the reason and returns `None`.
pub(super) fn load_or_warn(source: &ListSource, dir: &Path) -> Option<Kept> {
    load(source, dir).unwrap_or_else(|error| {
        let path = path(source, dir);
        log::warn!("log list {}: ignoring the saved list {}: {error}", source.name, path.display());
        None
    })
}

/// Loads the saved list and verifies its signature again. `None` if there is no file.
///
/// # Errors
/// If the file cannot be used; see [`NotUsable`].
pub(super) fn load(source: &ListSource, dir: &Path) -> Result<Option<Kept>, NotUsable> {
    let path = path(source, dir);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut content)?;
    if content.len() > MAX_FILE_BYTES {
        return Err(NotUsable::TooLarge);
    }
    let saved: SavedFile = serde_json::from_slice(&content)?;
    if saved.url != source.url {
        return Err(NotUsable::FromElsewhere { url: saved.url });
    }
    let fetched =
        DateTime::from_timestamp(saved.fetched_unix_s, 0).ok_or(NotUsable::Date(saved.fetched_unix_s))?;
    let signature = saved.signature.map(|base64| STANDARD.decode_to_vec(base64)).transpose();
    let signature = signature.map_err(|_| NotUsable::NotBase64)?;
    let json = saved.list.into_bytes();
    let parsed = source.believe(&json, signature.as_deref())?;
    warn_of(&parsed.broken, source);
    let origin = Origin::Saved { path, fetched };
    Ok(Some(Kept { list: parsed.list, json, validators: saved.validators, origin }))
}

/// Saves a list. The previous file stays until the new one is completely on disk.
///
/// # Errors
/// If the folder or the file cannot be written.
pub(super) fn save(
    source: &ListSource,
    dir: &Path,
    json: &[u8],
    signature: Option<&[u8]>,
    validators: &Validators,
    fetched: DateTime<Utc>,
) -> io::Result<()> {
    let saved = SavedFile {
        url: source.url.clone().into_owned(),
        fetched_unix_s: fetched.timestamp(),
        validators: validators.clone(),
        signature: signature.map(|signature| STANDARD.encode_to_string(signature)),
        list: std::str::from_utf8(json).map_err(io::Error::other)?.into(),
    };
    replace_file(&path(source, dir), &serde_json::to_vec(&saved)?, Durability::Synced)
}
