//! Saves the positions of the logs, and the request rates that were learned.

use crate::actors::log_watcher::ClientWait;
use crate::log_client::Operators;
use crate::message::Demand;
use crate::state::{Positions, RatesFile};
use actix_web::web;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Interval at which positions are saved. Each save writes the positions of one interval earlier, so that messages have
/// this long to reach the clients' sockets. After a crash, up to two intervals are repeated.
const SAVE_INTERVAL: Duration = Duration::from_millis(300);
/// Interval at which the learned request rates are saved.
const RATES_INTERVAL: Duration = Duration::from_secs(60);

/// Saves the positions of the logs.
#[derive(Clone)]
pub(super) struct Saver {
    pub(super) positions: Arc<Positions>,
    pub(super) demand: Arc<Demand>,
    /// While it is closed, the previous clients may still reconnect, so their number is not updated.
    pub(super) client_wait: ClientWait,
    /// `None` if nothing is saved.
    pub(super) rates: Option<Arc<Mutex<RatesFile>>>,
    pub(super) operators: Arc<Operators>,
}

impl Saver {
    /// Saves periodically. If a save fails, the streams continue, and the next successful save covers everything.
    pub(super) async fn keep_saving(mut self) {
        let (mut failing, mut rates_due) = (false, Instant::now() + RATES_INTERVAL);
        loop {
            sleep(SAVE_INTERVAL).await;
            self.count_clients();
            let (saver, with_rates) = (self.clone(), Instant::now() >= rates_due);
            if with_rates {
                rates_due = Instant::now() + RATES_INTERVAL;
            }
            let saved = web::block(move || {
                if with_rates {
                    saver.save_rates();
                }
                saver.positions.save_settled()
            })
            .await;
            match saved.map_err(io::Error::other).flatten() {
                Ok(()) if failing => {
                    failing = false;
                    log::info!("positions can be saved again");
                }
                Err(error) if !failing => {
                    failing = true;
                    log_unsaved(&error, &self.positions);
                }
                _ => {}
            }
        }
    }

    /// Saves everything, once all published entries have reached the clients.
    pub(super) fn save_all(&self) {
        self.save_rates();
        if let Err(error) = self.positions.save() {
            log_unsaved(&error, &self.positions);
        }
    }

    /// Saves the learned request rates. They can be learned again, so a failure is only worth a debug line.
    fn save_rates(&self) {
        let saved = self.rates.as_ref().map(|rates| rates.lock().save(self.operators.learned()));
        if let Some(Err(error)) = saved {
            log::debug!("the operators' request rates cannot be saved: {error}");
        }
    }

    pub(super) fn count_clients(&mut self) {
        if self.client_wait.is_open() {
            self.positions.set_clients(self.demand.clients());
        }
    }
}

fn log_unsaved(error: &io::Error, positions: &Positions) {
    let what_follows = match positions.has_file() {
        true => "a restart would go on from the positions saved before, and repeat what came since",
        false => "a restart would begin at the logs' heads, because no positions have been saved yet",
    };
    log::error!(
        "positions cannot be saved: {error}; the stream goes on, but {what_follows}; is state.dir writable, and is there \
         room on its disk?"
    );
}
