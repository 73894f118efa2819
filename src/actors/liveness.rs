//! Whether the server is alive.

use super::broker::{Broker, QueueDepths};
use actix::Addr;
use std::time::Duration;
use tokio::time::timeout;

/// How long the Broker has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a server is alive.
#[derive(Debug, Clone)]
pub struct Liveness(Addr<Broker>);

impl Liveness {
    /// That of the server with this Broker.
    pub fn of(broker: Addr<Broker>) -> Self {
        Liveness(broker)
    }

    /// The Broker, through which everything goes, answers within 2 s.
    pub async fn holds(&self) -> bool {
        matches!(timeout(PATIENCE, self.0.send(QueueDepths)).await, Ok(Ok(_)))
    }
}
