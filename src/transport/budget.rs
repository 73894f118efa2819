//! The memory budget of all connections together.

use super::connections::Connections;
use crate::counters::Counters;
use crate::live_config::LiveConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Interval between checks of the budget.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the memory of all connections within `clients.all_unsent_bytes`.
pub(crate) struct Budget {
    pub(crate) connections: Arc<Connections>,
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) counters: Arc<Counters>,
}

impl Budget {
    /// Checks the budget periodically. Never returns.
    pub(crate) async fn keep(self) {
        loop {
            sleep(SWEEP_INTERVAL).await;
            self.connections.keep_within(self.live.settings().clients.all_unsent_bytes, &self.counters);
        }
    }
}
