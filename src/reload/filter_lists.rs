//! The list files of the named filters. They are read again when they have changed, and clients receive by the new values
//! from then on.

use crate::actors::broker::{Broker, FiltersChanged};
use crate::clock;
use crate::config::{FileStamp, FilterConfig, MAX_PROBLEM_CHARS};
use crate::named_filters::NamedFilters;
use crate::printable::escaped;
use actix::Addr;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// Interval at which the files are looked at. One that has changed is read if it is still the same at the next look: it is
/// complete then.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which filters are removed that clients have put and nobody uses.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3600);

/// The named filters with their list files.
pub(crate) struct FilterLists {
    configured: Mutex<Vec<FilterConfig>>,
    filters: Arc<NamedFilters>,
    broker: Addr<Broker>,
}

impl FilterLists {
    /// The files of `configured`, which `filters` has already.
    pub(crate) fn new(
        configured: Vec<FilterConfig>,
        filters: Arc<NamedFilters>,
        broker: Addr<Broker>,
    ) -> Self {
        FilterLists { configured: Mutex::new(configured), filters, broker }
    }

    /// Replaces all named filters of the configuration. Returns whether values of any have changed.
    pub(crate) fn replace(&self, configured: &[FilterConfig]) -> bool {
        let mut known = self.configured.lock();
        *known = configured.to_vec();
        let pairs = configured.iter().map(|filter| (filter.name.clone(), filter.filter.clone()));
        let has_changed = !self.filters.configured.replace(pairs).is_empty();
        self.broker.do_send(FiltersChanged);
        has_changed
    }

    /// Reads files again when they have changed, for ever.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut unsettled = HashMap::new();
        let mut expired_at = Instant::now();
        loop {
            sleep(LOOK_INTERVAL).await;
            let is_expiry_due = expired_at.elapsed() >= EXPIRE_INTERVAL;
            if is_expiry_due {
                expired_at = Instant::now();
            } else if self.configured.lock().is_empty() {
                continue;
            }
            let lists = self.clone();
            let looked = spawn_blocking(move || {
                if is_expiry_due {
                    lists.filters.kept.expire(clock::unix_us());
                }
                lists.look(&mut unsettled);
                unsettled
            });
            unsettled = looked.await.unwrap_or_default();
        }
    }

    /// Looks at all files once. `unsettled` are those that were different from what was read at the last look, by the name
    /// of the filter.
    fn look(&self, unsettled: &mut HashMap<String, Vec<FileStamp>>) {
        let configured = self.configured.lock().clone();
        for filter in &configured {
            let before = unsettled.remove(&filter.name);
            let Some(stamps) = filter.changed_stamps() else { continue };
            if before.as_ref() != Some(&stamps) {
                unsettled.insert(filter.name.clone(), stamps);
                continue;
            }
            let read = filter.read_again().inspect_err(|fault| {
                let fault = fault.to_string();
                let fault = escaped(&fault, MAX_PROBLEM_CHARS);
                log::error!("filter {:?}: {fault}; keeping the previous values", filter.name);
            });
            // Files that cannot be used are read again when they have changed once more.
            self.use_read(filter, read.unwrap_or_else(|_| filter.with_stamps(stamps)));
        }
    }

    /// Uses `read` in the place of `before`, unless a reload has replaced that meanwhile.
    fn use_read(&self, before: &FilterConfig, read: FilterConfig) {
        let mut configured = self.configured.lock();
        let place = configured.iter_mut().find(|filter| filter.name == before.name);
        let Some(place) = place.filter(|filter| filter.is_written_as(before)) else { return };
        if self.filters.configured.exchange(&read.name, read.filter.clone()) {
            let (was, is) = (before.filter.values(), read.filter.values());
            log::info!("filter {:?}: {is} values, {was} before", read.name);
            self.broker.do_send(FiltersChanged);
        }
        *place = read;
    }
}
