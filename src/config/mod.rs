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
mod nats;
pub(crate) mod outputs;
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
pub use nats::NatsConfig;
pub use outputs::{
    BatchLimits, Begin, ClientErrors, Compression, FileConfig, KafkaConfig, NatsOutputConfig, OutputConfig,
    OutputType, RecordKey, SaslMechanism, TargetConfig, Template, WebhookConfig,
};
pub use reference::EXPLAINED;
pub use resolved::{Config, HealthLimits, JournalConfig, TlsFiles};
#[cfg(test)]
pub(crate) use values::Size;
pub use values::{StartAt, Verify};
pub use watch::{Start, Verification, WatchSettings};
pub use written::{Log, Written};

use crate::http_client::Proxies;
use crate::message::Stream;
use outputs::WrittenOutput;
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
    load_with(file, environment, Overrides::default())
}

/// What takes precedence over the file and the environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The logs to watch, instead of those in the file and in lists.
    pub logs: Option<Vec<Log>>,
    /// The stream that goes to the standard output as well.
    pub stdout: Option<Stream>,
}

/// Like [`load`], with `overrides`.
///
/// # Errors
/// [`ConfigError`], for the first error found.
pub fn load_with(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: Overrides,
) -> Result<Config, ConfigError> {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let mut sources = read::read(file, &environment)?;
    if let Some(logs) = overrides.logs {
        sources.written.logs = logs;
        sources.written.log_list.enabled = false;
    }
    if let Some(stream) = overrides.stdout {
        sources.written.outputs.push(WrittenOutput::stdout(stream));
    }
    let port = environment.get("PORT").map(String::as_str).filter(|port| !port.is_empty());
    let proxies =
        Proxies::from_environment(&environment).map_err(|bad| ConfigError::of(bad.variable, bad.problem))?;
    resolve::resolve(sources, port, proxies)
}

#[cfg(test)]
mod tests;
