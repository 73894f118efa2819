//! Reloads the configuration of a running server. A new configuration is applied completely or not at all.

mod filter_lists;

use crate::access::openings;
use crate::actors::broker::{Broker, NewSettings};
use crate::actors::log_directory::{Follow, LogDirectory};
use crate::config::{Config, TLS, Written, can_change_at_run_time, changed_keys, section};
use crate::live_config::{LiveConfig, LiveSettings};
use crate::printable::{MAX_CHARS, escaped};
use crate::transport::{Connections, Tls, TlsError};
use actix::Addr;
use std::sync::Arc;

pub(crate) use filter_lists::FilterLists;

/// The reason why the old configuration stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// These keys changed, but are only read at startup.
    #[error("{} cannot change while the server runs; restart it to apply the change", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// Each of these restrictions would be removed. A truncated file has the same effect.
    #[error(
        "this removes restrictions ({}); restart the server to apply it, or set access.allow_opening = true",
        .0.join("; ")
    )]
    Opens(Vec<String>),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Applies configurations to a running server.
#[derive(Clone)]
pub struct Reloader {
    pub(crate) in_force: Written,
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) broker: Addr<Broker>,
    pub(crate) filters: Arc<FilterLists>,
    pub(crate) directory: Addr<LogDirectory>,
}

impl Reloader {
    /// Applies `config` and reloads the certificate. Returns the keys that changed. Removed restrictions are written to
    /// the log file.
    ///
    /// # Errors
    /// If a part of it cannot be applied, or if it removes restrictions without allowing that (`access.allow_opening`).
    /// Nothing has changed then.
    pub fn reload(&mut self, config: &Config) -> Result<Vec<String>, ReloadError> {
        let mut changed = changed_keys(&self.in_force, &config.written);
        let fixed: Vec<_> = changed.iter().filter(|key| !self.can_change(key, config)).cloned().collect();
        if !fixed.is_empty() {
            return Err(ReloadError::NeedsRestart(fixed));
        }
        let rules = LiveSettings::of(config);
        let openings = openings(&self.live.settings().access, &rules.access);
        warn_of(&openings);
        if !openings.is_empty() && !config.allow_opening {
            return Err(ReloadError::Opens(openings));
        }
        if let (Some(tls), Some(files)) = (&self.tls, &config.tls) {
            tls.replace(files.clone())?;
        }
        if self.filters.replace(&config.filters) && !changed.iter().any(|key| key == FILTERS) {
            changed.push(FILTERS.into());
        }
        self.live.replace(rules);
        let rules = self.live.settings();
        self.connections.readmit(|peer| rules.access.admit_peer(peer).is_ok());
        self.broker.do_send(NewSettings(rules));
        let is_of_logs = |key: &String| key == "logs" || key.starts_with("log_list.");
        if changed.iter().any(is_of_logs) {
            let follow = Follow { configured: config.logs.clone(), lists: config.lists.clone() };
            self.directory.do_send(follow);
        }
        self.in_force = config.written.clone();
        Ok(changed)
    }

    fn can_change(&self, key: &str, config: &Config) -> bool {
        let is_tls = section(key) == TLS;
        can_change_at_run_time(key) && (!is_tls || self.tls.is_some() == config.tls.is_some())
    }
}

/// The section of the named filters.
const FILTERS: &str = "filters";

/// Largest number of removed restrictions per reload that get a line of their own in the log file.
pub(crate) const MAX_NAMED: usize = 50;

fn warn_of(openings: &[String]) {
    for opening in openings.iter().take(MAX_NAMED) {
        log::warn!("configuration: a restriction is removed: {}", escaped(opening, MAX_CHARS));
    }
    if openings.len() > MAX_NAMED {
        log::warn!("configuration: {} more restrictions are removed", openings.len() - MAX_NAMED);
    }
}
