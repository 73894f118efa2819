//! The built-in list, which is in force until a list has been fetched or was saved.

use super::in_force::{InForce, Origin};
use crate::ct::log_list::{LogList, LogListError, ParsedList, parse};

/// The list that is built into the binary: the facts of Chrome's list, created by
/// `scripts/snapshot_log_list.py`.
///
/// # Errors
/// Only if the snapshot was created incorrectly.
pub(crate) fn snapshot() -> Result<ParsedList, LogListError> {
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
