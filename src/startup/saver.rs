//! Syncs the journal, and saves the positions of the logs and the request rates that were learned.

use crate::clock;
use crate::journal::Store;
use crate::log_client::{Issuers, Operators};
use crate::state::{Positions, RatesFile};
use actix_web::web;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Interval at which everything is saved if the journal is synced with every block.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which the learned request rates are saved.
const RATES_INTERVAL: Duration = Duration::from_secs(60);

/// Saves what survives a restart.
#[derive(Clone)]
pub(super) struct Saver {
    pub(super) positions: Arc<Positions>,
    /// The journal on this server's disk.
    pub(super) journal: Option<Arc<Store>>,
    pub(super) issuers: Arc<Issuers>,
    /// `journal.sync_interval`.
    pub(super) interval: Duration,
    /// `None` if nothing is saved.
    pub(super) rates: Option<Arc<Mutex<RatesFile>>>,
    pub(super) operators: Arc<Operators>,
}

impl Saver {
    /// Saves periodically. If that fails, the streams continue, and the next successful save covers everything.
    pub(super) async fn keep_saving(self) {
        let (mut failing, mut unsynced) = (false, false);
        let mut rates_due = Instant::now() + RATES_INTERVAL;
        let interval = if self.interval.is_zero() { SAVE_INTERVAL } else { self.interval };
        loop {
            sleep(interval).await;
            let (saver, with_rates) = (self.clone(), Instant::now() >= rates_due);
            if with_rates {
                rates_due = Instant::now() + RATES_INTERVAL;
            }
            let saved = web::block(move || {
                if with_rates {
                    saver.save_rates();
                }
                saver.save()
            })
            .await;
            let saved = saved.unwrap_or_else(|error| Ok(Err(io::Error::other(error))));
            match &saved {
                Ok(_) if unsynced => log::info!("the journal can be synced again"),
                Err(error) if !unsynced => log_unsynced(error),
                _ => {}
            }
            unsynced = saved.is_err();
            match saved {
                Ok(Ok(())) if failing => {
                    failing = false;
                    log::info!("positions can be saved again");
                }
                Ok(Err(error)) if !failing => {
                    failing = true;
                    log_unsaved(&error, &self.positions);
                }
                _ => {}
            }
        }
    }

    /// Makes the journal durable, after the issuers that its blocks refer to, and then the positions. Returns the result for
    /// the positions.
    ///
    /// # Errors
    /// If the journal cannot be made durable. The positions are not saved then; the journal has those behind the saved ones.
    fn save(&self) -> io::Result<io::Result<()>> {
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.expire(clock::unix_us())) {
            log::debug!("failed to delete old entries from the journal: {error}");
        }
        self.positions.save_after(|| {
            self.issuers.sync()?;
            self.journal.as_ref().map_or(Ok(()), |journal| journal.sync().map_err(io::Error::other))
        })
    }

    /// Saves everything and closes the journal, once nothing is appended any more.
    pub(super) fn close(&self) {
        self.save_rates();
        match self.save() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log_unsaved(&error, &self.positions),
            Err(error) => log_unsynced(&error),
        }
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.close()) {
            log::error!("the journal cannot be closed: {error}");
        }
    }

    /// Saves the learned request rates. They can be learned again, so a failure is only worth a debug line.
    fn save_rates(&self) {
        let saved = self.rates.as_ref().map(|rates| rates.lock().save(self.operators.learned()));
        if let Some(Err(error)) = saved {
            log::debug!("the operators' request rates cannot be saved: {error}");
        }
    }
}

fn log_unsynced(error: &io::Error) {
    log::error!(
        "the journal cannot be synced: {error}; the stream goes on, but a power failure would lose what came since, which \
         would be fetched from the logs again"
    );
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
