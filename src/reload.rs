//! Another configuration for a server that runs: all of it is put in force, or nothing.

use crate::access::openings;
use crate::actors::broker::{Broker, NewSettings};
use crate::actors::log_directory::{Follow, LogDirectory};
use crate::config::{Config, TLS, Written, can_change_at_run_time, changed_keys, section};
use crate::live_config::{LiveConfig, LiveSettings};
use crate::printable::{MAX_CHARS, escaped};
use crate::transport::{Connections, Tls, TlsError};
use actix::Addr;
use std::sync::Arc;

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// These keys changed, and are looked at only at the start.
    #[error("{} cannot change while the server runs; restart it for that", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// Each of these restrictions would fall; a file that was cut off looks like that.
    #[error(
        "restrictions would fall ({}); restart the server for that, or write access.allow_opening = true",
        .0.join("; ")
    )]
    Opens(Vec<String>),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Changes a running server.
#[derive(Clone)]
pub struct Reloader {
    pub(crate) in_force: Written,
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) broker: Addr<Broker>,
    pub(crate) directory: Addr<LogDirectory>,
}

impl Reloader {
    /// Puts `config` in force, and reads the certificate anew. Returns the keys that changed. Whatever it opens is said in
    /// the log file.
    ///
    /// # Errors
    /// When it cannot be put in force whole, or opens what was closed without saying that it may; then nothing has changed.
    pub fn reload(&mut self, config: &Config) -> Result<Vec<String>, ReloadError> {
        let changed = changed_keys(&self.in_force, &config.written);
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

/// Restrictions that fall with one reload which have a line of their own in the log file.
pub(crate) const MAX_NAMED: usize = 50;

fn warn_of(openings: &[String]) {
    for opening in openings.iter().take(MAX_NAMED) {
        log::warn!("configuration: a restriction falls: {}", escaped(opening, MAX_CHARS));
    }
    if openings.len() > MAX_NAMED {
        log::warn!("configuration: {} more restrictions fall", openings.len() - MAX_NAMED);
    }
}
