//! Parses the files in which other certstream servers save their positions. Pure.
//!
//! | file | form |
//! |---|---|
//! | `ct_index.json` | a log's URL without scheme and trailing slash, to the index to start at |
//! | `certstream_state.json` | `{"version": 1, "logs": {url: {"current_index": next, "tree_size": n, "last_success": t}}}` |

use crate::ct::source::bare_url;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The next index of each log, by its URL without scheme and trailing slash.
pub type ForeignPositions = BTreeMap<String, u64>;

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum NotForeign {
    /// The file is not JSON.
    #[error("it is no JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The JSON has neither of the two forms.
    #[error("it is neither a ct_index.json nor a certstream_state.json: {0}")]
    Form(String),
    /// The version is unknown.
    #[error("this certstream_state.json has version {0}; this program reads version 1")]
    Version(u64),
}

#[derive(Deserialize)]
struct StateFile {
    version: u64,
    logs: BTreeMap<String, StateOfLog>,
}

#[derive(Deserialize)]
struct StateOfLog {
    current_index: u64,
}

/// Parses either of the two forms.
///
/// # Errors
/// See [`NotForeign`]. If any part of a file is invalid, nothing is imported.
pub fn parse(text: &[u8]) -> Result<ForeignPositions, NotForeign> {
    let value: Value = serde_json::from_slice(text)?;
    let form = |error: serde_json::Error| NotForeign::Form(error.to_string());
    let by_url = if value.get("logs").is_some_and(Value::is_object) {
        let StateFile { version, logs } = serde_json::from_value(value).map_err(form)?;
        if version != 1 {
            return Err(NotForeign::Version(version));
        }
        logs.into_iter().map(|(url, log)| (url, log.current_index)).collect()
    } else {
        serde_json::from_value::<BTreeMap<String, u64>>(value).map_err(form)?
    };
    Ok(by_url.into_iter().map(|(url, next)| (bare_url(&url).into(), next)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let index = parse(br#"{"ct.example/2026h1": 7, "mon.example/x/": 0}"#).unwrap();
        assert_eq!(index, BTreeMap::from([("ct.example/2026h1".into(), 7), ("mon.example/x".into(), 0)]));
        let state = br#"{"version": 1, "logs": {"https://ct.example/2026h1/":
            {"current_index": 8, "tree_size": 9, "last_success": 1795460507}}}"#;
        assert_eq!(parse(state).unwrap(), BTreeMap::from([("ct.example/2026h1".into(), 8)]));
        assert_eq!(parse(b"{}").unwrap(), BTreeMap::new());
    }

    #[test]
    fn what_is_neither_is_refused_whole() {
        for (text, problem) in [
            ("", "no JSON"),
            ("[]", "neither"),
            (r#"{"a": 1, "b": -1}"#, "neither"),
            (r#"{"a": "1"}"#, "neither"),
            (r#"{"version": 2, "logs": {}}"#, "version 2"),
            (r#"{"version": 1, "logs": {"a": {"tree_size": 1}}}"#, "current_index"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
