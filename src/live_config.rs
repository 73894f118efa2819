//! The settings that can change while the server runs.

use crate::access::Access;
use crate::config::{ClientLimits, Config, HealthLimits};
use crate::system::{descriptors, tcp_memory};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// One version of the settings.
#[derive(Debug, Clone)]
pub(crate) struct LiveSettings {
    /// The access rules.
    pub access: Access,
    /// The resource limits of clients.
    pub clients: ClientLimits,
    /// The thresholds of the health checks.
    pub health: HealthLimits,
}

impl LiveSettings {
    /// Takes the settings of `config`, reduced to the limits of the operating system.
    pub(crate) fn of(config: &Config) -> Self {
        let mut access = config.access.clone();
        access.connections = access.connections.min(descriptors::room());
        let mut clients = config.clients;
        clients.all_unsent_bytes = clients.all_unsent_bytes.min(tcp_memory::room());
        LiveSettings { access, clients, health: config.health }
    }
}

/// The settings in force. They are replaced as a whole.
#[derive(Debug)]
pub(crate) struct LiveConfig(ArcSwap<LiveSettings>);

impl LiveConfig {
    /// Starts with `rules`.
    pub(crate) fn new(rules: LiveSettings) -> Self {
        LiveConfig(ArcSwap::from_pointee(rules))
    }

    /// The settings in force now.
    pub(crate) fn settings(&self) -> Arc<LiveSettings> {
        self.0.load_full()
    }

    /// Replaces the settings.
    pub(crate) fn replace(&self, rules: LiveSettings) {
        self.0.store(Arc::new(rules));
    }
}
