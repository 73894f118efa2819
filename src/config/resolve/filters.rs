//! Resolves the named filters, and checks that tokens name some that exist.

use super::{ConfigError, Sources};
use crate::access::Token;
use crate::config::filters::FilterConfig;

/// Maximum number of bytes of a name.
const MAX_NAME: usize = 64;
/// What names of filters begin with that clients have put.
const KEPT: &str = "f-";

pub(super) fn filters(sources: &Sources) -> Result<Vec<FilterConfig>, ConfigError> {
    let (written, folder) = (&sources.written.filters, sources.folder());
    for (i, filter) in written.iter().enumerate() {
        let error = |problem: &str| sources.error(&format!("filters[{i}].name"), problem);
        if !is_name(&filter.name) || filter.name.starts_with(KEPT) {
            return Err(error(
                "expected 1 to 64 letters, digits, \"-\", \"_\" and \".\", without \"f-\" at the beginning",
            ));
        }
        if written.iter().take(i).any(|other| other.name == filter.name) {
            return Err(error(&format!("{:?} is also the name of another filter", filter.name)));
        }
    }
    let read = written.iter().enumerate().map(|(i, filter)| {
        FilterConfig::read(filter, &folder)
            .map_err(|fault| sources.error(&format!("filters[{i}].{}", fault.key), fault.problem))
    });
    read.collect()
}

/// Whether `name` is one that the configuration gives: letters, digits, "-", "_" and ".".
pub(super) fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Checks that the filters of `tokens` are among `filters`.
pub(super) fn check_tokens(
    sources: &Sources,
    tokens: &[Token],
    filters: &[FilterConfig],
) -> Result<(), ConfigError> {
    for (i, token) in tokens.iter().enumerate() {
        let Some(name) = &token.filter else { continue };
        if !filters.iter().any(|filter| filter.name == *name) {
            let problem = format!("there is no filter named {name:?}; add one as [[filters]]");
            return Err(sources.error(&format!("tokens[{i}].filter"), problem));
        }
    }
    Ok(())
}
