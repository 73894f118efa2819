//! What can change while the server runs.

use crate::access::Access;
use crate::config::{ClientLimits, Config, HealthLimits};
use crate::system::{descriptors, tcp_memory};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// One state of it.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// Who may connect, and hear what.
    pub access: Access,
    /// What a client may cost.
    pub clients: ClientLimits,
    /// What is healthy.
    pub health: HealthLimits,
}

impl LiveSettings {
    /// As `config` has them, as far as the system lets us.
    pub fn of(config: &Config) -> Self {
        let mut access = config.access.clone();
        access.connections = access.connections.min(descriptors::room());
        let mut clients = config.clients;
        clients.all_unsent_bytes = clients.all_unsent_bytes.min(tcp_memory::room());
        LiveSettings { access, clients, health: config.health }
    }
}

/// The state in force; it changes as a whole.
#[derive(Debug)]
pub struct LiveConfig(ArcSwap<LiveSettings>);

impl LiveConfig {
    /// Begins with `rules`.
    pub fn new(rules: LiveSettings) -> Self {
        LiveConfig(ArcSwap::from_pointee(rules))
    }

    /// The rules in force now.
    pub fn settings(&self) -> Arc<LiveSettings> {
        self.0.load_full()
    }

    /// Puts others in force.
    pub fn replace(&self, rules: LiveSettings) {
        self.0.store(Arc::new(rules));
    }
}
