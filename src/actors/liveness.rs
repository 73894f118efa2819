//! The liveness check of the server.

use super::broker::{Broker, Ping};
use actix::Addr;
use std::time::Duration;
use tokio::time::timeout;

/// Time that the Broker has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Checks whether the server is alive.
#[derive(Debug, Clone)]
pub struct Liveness(Addr<Broker>);

impl Liveness {
    /// Creates the check for the server with this Broker.
    pub fn of(broker: Addr<Broker>) -> Self {
        Liveness(broker)
    }

    /// Whether the Broker, which handles every message, answers within 2 s.
    pub async fn holds(&self) -> bool {
        matches!(timeout(PATIENCE, self.0.send(Ping)).await, Ok(Ok(_)))
    }
}
