//! Fetches the issuers that the entries of one log's tiles reference (static-ct-api "Issuers").
//!
//! An issuer that the log does not serve is looked for in other logs, and then requested again for as long as entries wait
//! for it. After that, entries are sent without it, and it is requested from time to time. Entries wait less if no client
//! receives chains.

use super::http::Http;
use super::issuers::{Issuers, MAX_ISSUER_BYTES, Offer, hex};
use super::{FetchError, FetchSettings};
use crate::ct::tile::Fingerprint;
use crate::http_client::HttpError;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// Shortest and longest interval between requests for an issuer that entries no longer wait for. It grows with the time
/// since the first request.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(2);
const ISSUER_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Longest time that entries wait for an issuer while no client receives chains.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// Maximum number of issuers of one log that are known to be unavailable.
const MAX_UNAVAILABLE: usize = 1_000;
/// Maximum number of failed requests for issuers before the tile is tried again.
const MAX_ISSUER_FAILURES: usize = 8;
/// Maximum number of other logs that are asked for an issuer in each [`ISSUER_INTERVAL`].
const MAX_OTHER_LOGS: usize = 4;

/// The issuers of one log's entries.
pub(super) struct ChainIssuers {
    http: Rc<Http>,
    /// Prefix of `issuer/`, with a trailing slash.
    prefix: String,
    issuers: Arc<Issuers>,
    settings: FetchSettings,
    /// Held while issuers are fetched, because tiles that are fetched at the same time mostly need the same ones.
    fetching: Arc<Mutex<()>>,
    /// The issuers that could not be fetched.
    unavailable: RefCell<HashMap<Fingerprint, Attempts>>,
    /// Lets other logs ask this one.
    _offer: Option<Offer>,
}

/// The requests for an issuer that could not be fetched.
#[derive(Debug, Clone, Copy)]
struct Attempts {
    /// Since when entries have waited for it.
    first: Instant,
    /// When it was last requested.
    last: Option<Instant>,
    /// When other logs were last asked, and how many so far.
    others: (Option<Instant>, usize),
}

impl ChainIssuers {
    /// Requests issuers below `prefix`, which ends with a slash. They are shared with other logs. `is_offered` says whether
    /// other logs may ask for theirs there.
    pub(super) fn new(
        http: Rc<Http>,
        prefix: &str,
        issuers: Arc<Issuers>,
        settings: &FetchSettings,
        is_offered: bool,
    ) -> Self {
        let _offer = is_offered.then(|| issuers.offer(prefix, settings));
        let (prefix, settings) = (prefix.to_string(), settings.clone());
        let (fetching, unavailable) = (Arc::default(), RefCell::default());
        ChainIssuers { http, prefix, issuers, settings, fetching, unavailable, _offer }
    }

    /// Fetches those of `issuers` that are not known yet, within the timeout of one request. Those that were fetched before it
    /// are kept, so the next attempt continues from there. Returns as soon as none is waited for any more; requests then go on.
    ///
    /// # Errors
    /// [`FetchError::Issuer`] if one could not be fetched and is still waited for.
    pub(super) async fn fetch(self: &Rc<Self>, issuers: BTreeSet<Fingerprint>) -> Result<(), FetchError> {
        let is_unknown = |issuer: &Fingerprint| self.issuers.get(issuer).is_none();
        // All are waited for from now on, and those that were requested longest ago come first.
        let waited_for = |issuer: Fingerprint| (self.wait_for(&issuer), issuer);
        let mut unknown: Vec<_> = issuers.into_iter().filter(is_unknown).map(waited_for).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        let unknown: Vec<_> = unknown.into_iter().map(|(_, issuer)| issuer).collect();
        let until = unknown.iter().map(|issuer| self.waited_for_until(issuer)).max();
        let requested = async {
            let permit = self.fetching.clone().lock_owned().await;
            // Not cancelled when the wait is over.
            actix::spawn(self.clone().request(unknown, permit)).await
        };
        tokio::select! {
            result = requested => result.unwrap_or(Ok(())),
            () = sleep_until(until.unwrap_or_else(Instant::now)) => Ok(()),
        }
    }

    /// Requests `issuers` one after the other.
    async fn request(
        self: Rc<Self>,
        issuers: Vec<Fingerprint>,
        _permit: OwnedMutexGuard<()>,
    ) -> Result<(), FetchError> {
        let deadline = Instant::now() + self.http.timeout();
        let is_unknown = |issuer: &Fingerprint| self.issuers.get(issuer).is_none();
        let (mut failures, mut failed) = (0, None);
        for issuer in issuers.iter().filter(|issuer| self.is_due(issuer) && is_unknown(issuer)) {
            let url = format!("{}issuer/{}", self.prefix, hex(issuer));
            let fetched = timeout_at(deadline, self.fetch_one(issuer, &self.http, &url)).await;
            let fetched = fetched.unwrap_or_else(|_| Err(HttpError::Timeout(self.http.timeout()).into()));
            let fetched = match fetched {
                Err(error) if error.concerns_range() && self.ask_other_logs(issuer).await => {
                    log::debug!("{url}: {error}; another log has it");
                    Ok(())
                }
                fetched => fetched,
            };
            self.attempted(issuer, fetched.is_ok());
            if let Err(error) = fetched {
                failures += 1;
                let is_last = failures == MAX_ISSUER_FAILURES || !error.concerns_range();
                let error = FetchError::Issuer { url, error: Box::new(error) };
                failed.get_or_insert(error);
                if is_last {
                    break;
                }
            }
        }
        // Without a failure, what is unknown was given up before.
        let is_waited_for = |issuer: &Fingerprint| is_unknown(issuer) && !self.is_given_up(issuer);
        failed.filter(|_| issuers.iter().any(is_waited_for)).map_or(Ok(()), Err)
    }

    async fn fetch_one(&self, issuer: &Fingerprint, http: &Http, url: &str) -> Result<(), FetchError> {
        let der = http.body(url, MAX_ISSUER_BYTES).await?;
        if !self.issuers.insert(issuer, der) {
            return Err(FetchError::WrongIssuer { fingerprint: hex(issuer) });
        }
        Ok(())
    }

    /// Asks a few other logs, others each time, within their operators' limits and the timeout of one request. Returns whether
    /// one has it.
    async fn ask_other_logs(&self, issuer: &Fingerprint) -> bool {
        let Some(asked) = self.other_logs_asked(issuer) else { return false };
        let others = self.issuers.others(&self.prefix, &self.settings);
        let ask = async {
            for (prefix, settings) in others.into_iter().skip(asked).take(MAX_OTHER_LOGS) {
                let url = format!("{prefix}issuer/{}", hex(issuer));
                if self.fetch_one(issuer, &Http::new(&settings), &url).await.is_ok() {
                    return true;
                }
            }
            false
        };
        timeout(self.http.timeout(), ask).await.unwrap_or(false)
    }

    /// The number of other logs that were asked for an issuer before. `None` if it is too early to ask more.
    fn other_logs_asked(&self, issuer: &Fingerprint) -> Option<usize> {
        let (now, mut unavailable) = (Instant::now(), self.unavailable.borrow_mut());
        let (last, asked) = &mut unavailable.get_mut(issuer)?.others;
        if last.is_some_and(|last| now < last + ISSUER_INTERVAL) {
            return None;
        }
        let before = *asked;
        (*last, *asked) = (Some(now), before + MAX_OTHER_LOGS);
        Some(before)
    }

    /// Whether to request an issuer now. One that is no longer waited for is requested rarely.
    fn is_due(&self, issuer: &Fingerprint) -> bool {
        let is_rested = |Attempts { first, last, .. }: &Attempts| {
            last.is_none_or(|last| {
                let interval = (last - *first).clamp(SHORTEST_INTERVAL, ISSUER_INTERVAL);
                Instant::now() >= last + interval
            })
        };
        self.unavailable.borrow().get(issuer).is_none_or(is_rested) || !self.is_given_up(issuer)
    }

    /// Begins to wait for an issuer unless it is waited for already. Returns when it was last requested.
    fn wait_for(&self, issuer: &Fingerprint) -> Option<Instant> {
        let mut unavailable = self.unavailable.borrow_mut();
        if unavailable.len() >= MAX_UNAVAILABLE && !unavailable.contains_key(issuer) {
            // The issuers in it are waited for once more.
            unavailable.clear();
        }
        let new = Attempts { first: Instant::now(), last: None, others: (None, 0) };
        unavailable.entry(*issuer).or_insert(new).last
    }

    fn attempted(&self, issuer: &Fingerprint, is_fetched: bool) {
        let mut unavailable = self.unavailable.borrow_mut();
        if is_fetched {
            unavailable.remove(issuer);
        } else if let Some(attempts) = unavailable.get_mut(issuer) {
            attempts.last = Some(Instant::now());
        }
    }

    /// Until when entries wait for an issuer.
    fn waited_for_until(&self, issuer: &Fingerprint) -> Instant {
        let wait = self.settings.issuer_wait;
        let wait = if (self.settings.sends_chains)() { wait } else { wait.min(SHORT_WAIT) };
        self.unavailable.borrow().get(issuer).map_or_else(Instant::now, |attempts| attempts.first) + wait
    }

    /// Whether entries are sent without this issuer.
    pub(super) fn is_given_up(&self, issuer: &Fingerprint) -> bool {
        self.unavailable.borrow().contains_key(issuer) && Instant::now() >= self.waited_for_until(issuer)
    }
}

#[cfg(test)]
mod tests;
