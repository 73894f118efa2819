//! What is in force until a list can be fetched.

use super::in_force::{InForce, Origin};
use super::saved;
use super::source::ListSource;
use crate::ct::log_list::{LogList, LogListError, ParsedList, parse};
use std::path::Path;

/// What is in force until `source` can be asked: the list that was last fetched from it, if `dir` still has it
/// in good order, else the built-in [`snapshot`].
///
/// A saved list that cannot be used is named in the log, with the reason.
pub fn fallback(source: &ListSource, dir: &Path) -> InForce {
    match saved::load_or_warn(source, dir) {
        Some(kept) => InForce { list: kept.list, origin: kept.origin },
        None => built_in(),
    }
}

/// The list that was built into the binary: the facts of Chrome's, by `scripts/snapshot_log_list.py`.
///
/// # Errors
/// None, unless the snapshot was not made as it should be.
pub fn snapshot() -> Result<ParsedList, LogListError> {
    let mut parsed = parse(include_bytes!("snapshot.json"))?;
    parsed.list.logs.iter_mut().for_each(|log| log.vouched_for = true);
    Ok(parsed)
}

pub(super) fn built_in() -> InForce {
    // That the snapshot can be read is what tests are for; were it not, there would still be the other lists.
    let list = snapshot().map(|parsed| parsed.list).unwrap_or_else(|error| {
        log::error!("the built-in log list cannot be used: {error}");
        LogList::default()
    });
    let origin = Origin::BuiltIn { made: list.timestamp };
    InForce { list, origin }
}
