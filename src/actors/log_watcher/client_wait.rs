//! The wait for the previous clients after a restart, so that they receive the entries logged in between.

use crate::message::Demand;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Interval between checks of the number of clients.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Opens when as many clients are connected as before the restart, or when the wait has timed out.
#[derive(Debug, Clone)]
pub(crate) struct ClientWait {
    demand: Arc<Demand>,
    clients: usize,
    deadline: Instant,
}

impl ClientWait {
    /// Creates a wait until `demand` counts `clients` clients, or until `wait` has passed.
    pub(crate) fn new(demand: Arc<Demand>, clients: usize, wait: Duration) -> Self {
        ClientWait { demand, clients, deadline: Instant::now() + wait }
    }

    /// Whether it is open. Once this has returned `true`, it stays open.
    pub(crate) fn is_open(&mut self) -> bool {
        if self.demand.clients() >= self.clients || Instant::now() >= self.deadline {
            self.clients = 0;
        }
        self.clients == 0
    }

    /// Waits until it is open.
    pub(crate) async fn passed(&mut self) {
        while !self.is_open() {
            sleep(LOOK_INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Stream, Wire};

    #[actix::test]
    async fn it_opens_when_the_clients_are_back() {
        let demand = Arc::new(Demand::default());
        demand.add(Stream::Lite, Wire::WebSocket);
        let mut client_wait = ClientWait::new(demand.clone(), 2, Duration::from_secs(3600));
        let patience = Duration::from_millis(50);
        assert!(tokio::time::timeout(patience, client_wait.passed()).await.is_err(), "one is missing");
        demand.add(Stream::Full, Wire::Events);
        assert!(client_wait.is_open());
        demand.remove(Stream::Full, Wire::Events);
        client_wait.passed().await;
    }

    #[actix::test]
    async fn it_opens_at_once_where_nobody_was_and_at_last_where_nobody_comes() {
        let demand = Arc::new(Demand::default());
        ClientWait::new(demand.clone(), 0, Duration::from_secs(3600)).passed().await;
        ClientWait::new(demand, 5, Duration::from_millis(30)).passed().await;
    }
}
