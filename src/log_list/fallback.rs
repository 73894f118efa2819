//! The list that is in force until a list can be fetched.

use super::in_force::{InForce, Origin};
use super::saved;
use super::source::ListSource;
use crate::ct::log_list::{LogList, LogListError, ParsedList, parse};
use std::path::Path;

/// The list that is in force until `source` can be requested: the last list that was fetched from it, if
/// `dir` contains it intact, otherwise the built-in [`snapshot`].
///
/// If a saved list cannot be used, this is logged with the reason.
pub fn fallback(source: &ListSource, dir: &Path) -> InForce {
    match saved::load_or_warn(source, dir) {
        Some(kept) => InForce { list: kept.list, origin: kept.origin },
        None => built_in(),
    }
}

/// The list that is built into the binary: the facts of Chrome's list, created by
/// `scripts/snapshot_log_list.py`.
///
/// # Errors
/// Only if the snapshot was created incorrectly.
pub fn snapshot() -> Result<ParsedList, LogListError> {
    let mut parsed = parse(include_bytes!("snapshot.json"))?;
    parsed.list.logs.iter_mut().for_each(|log| log.vouched_for = true);
    Ok(parsed)
}

pub(super) fn built_in() -> InForce {
    // Tests verify that the snapshot can be parsed. If it could not, the other lists would still be
    // available.
    let list = snapshot().map(|parsed| parsed.list).unwrap_or_else(|error| {
        log::error!("the built-in log list cannot be used: {error}");
        LogList::default()
    });
    let origin = Origin::BuiltIn { made: list.timestamp };
    InForce { list, origin }
}
