//! The configuration: as written by the user ([`Written`]), and as resolved ([`Config`]).
//!
//! ```text
//! file (TOML, YAML, JSON) ──► environment over it ──► Written ──► checked ──► Config
//! ```
//!
//! Every error is reported. It names its origin, the key, and the expected value.

mod changes;
mod clients;
mod cluster;
mod error;
mod filter_limits;
pub(crate) mod filters;
mod json;
mod logs;
pub(crate) mod paths;
pub(crate) mod read;
mod reference;
mod resolve;
mod resolved;
mod values;
mod watch;
mod written;

pub(crate) use changes::{TLS, can_change_at_run_time, changed_keys, section};
pub use clients::{ClientLimits, WhenBehind};
pub use cluster::{ClusterConfig, Role};
pub use error::ConfigError;
pub(crate) use error::MAX_PROBLEM_CHARS;
pub(crate) use filters::FileStamp;
pub use filters::{FilterConfig, WrittenFilter};
pub use logs::{ListConfig, ListedFacts, LogConfig, LogEndpoint, LogSettings};
pub use reference::EXPLAINED;
pub use resolved::{Config, HealthLimits, JournalConfig, TlsFiles};
#[cfg(test)]
pub(crate) use values::Size;
pub use values::{StartAt, Verify};
pub use watch::{Start, Verification, WatchSettings};
pub use written::{Log, Written};

use crate::http_client::Proxies;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the configuration file, if there is one, and overrides it with `environment`.
///
/// # Errors
/// [`ConfigError`], for the first error found.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    load_with(file, environment, None)
}

/// Like [`load`], but watches `logs` instead of those in the file and in lists.
///
/// # Errors
/// [`ConfigError`], for the first error found.
pub fn load_with_logs(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    logs: Vec<Log>,
) -> Result<Config, ConfigError> {
    load_with(file, environment, Some(logs))
}

fn load_with(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    logs: Option<Vec<Log>>,
) -> Result<Config, ConfigError> {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let mut sources = read::read(file, &environment)?;
    if let Some(logs) = logs {
        sources.written.logs = logs;
        sources.written.log_list.enabled = false;
    }
    let port = environment.get("PORT").map(String::as_str).filter(|port| !port.is_empty());
    let proxies =
        Proxies::from_environment(&environment).map_err(|bad| ConfigError::of(bad.variable, bad.problem))?;
    resolve::resolve(sources, port, proxies)
}

#[cfg(test)]
mod tests;
