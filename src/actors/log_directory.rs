//! The LogDirectory actor: which logs are watched. It starts a watcher for each, stops those that lists no longer
//! name, and follows the lists as they change.
//!
//! ```text
//! configured logs ───────────────┐
//! lists, at start and hourly ─► selection ─► wanted ─► start what is new, stop what is gone
//! ```

use super::log_watcher::{LogStatus, LogWatcher, Stop};
use crate::config::{ListConfig, LogConfig};
use crate::ct::log_list::LogList;
use crate::log_list::LogListClient;
use actix::prelude::*;
use chrono::Utc;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::sleep;

/// After a list could not be had, when to ask again; or at the ordinary time, if that is sooner.
const RETRY: Duration = Duration::from_secs(5 * 60);

/// How the watched logs are doing, readable from any thread.
#[derive(Debug, Clone, Default)]
pub struct LogStatuses(Arc<RwLock<Vec<Arc<LogStatus>>>>);

impl LogStatuses {
    /// The logs watched now, by URL.
    pub fn all(&self) -> Vec<Arc<LogStatus>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, statuses: Vec<Arc<LogStatus>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = statuses;
    }
}

/// Starts the watcher of one log.
pub type StartWatcher = Box<dyn FnMut(&LogConfig, Arc<LogStatus>) -> Addr<LogWatcher>>;

/// The lists, merged, as they are in force now.
#[derive(Message)]
#[rtype(result = "()")]
struct Listed(LogList);

/// Stops all watchers; the answer comes when they have.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopWatching;

/// See the module.
pub struct LogDirectory {
    configured: Vec<LogConfig>,
    lists: Option<ListConfig>,
    /// Taken when the actor starts.
    clients: Vec<LogListClient>,
    start: StartWatcher,
    statuses: LogStatuses,
    running: BTreeMap<String, Running>,
}

struct Running {
    watcher: Addr<LogWatcher>,
    status: Arc<LogStatus>,
}

impl LogDirectory {
    /// Watches `configured`, and what `clients` list as far as `lists` selects it.
    pub fn new(
        configured: Vec<LogConfig>,
        lists: Option<ListConfig>,
        clients: Vec<LogListClient>,
        statuses: LogStatuses,
        start: StartWatcher,
    ) -> Self {
        LogDirectory { configured, lists, clients, start, statuses, running: BTreeMap::new() }
    }

    /// Watches exactly what is configured and what `list` adds.
    fn apply(&mut self, list: &LogList) {
        let mut wanted: BTreeMap<String, LogConfig> = BTreeMap::new();
        let listed = self.lists.iter().flat_map(|lists| lists.select(list, Utc::now().timestamp()));
        for log in self.configured.iter().cloned().chain(listed) {
            wanted.entry(log.source.url().to_string()).or_insert(log);
        }
        self.running.retain(|url, running| {
            let stays = wanted.contains_key(url);
            if !stays {
                log::info!("{}: no longer listed, no longer watched", running.status.source().name());
                running.watcher.do_send(Stop);
            }
            stays
        });
        for (url, log) in wanted {
            self.running.entry(url).or_insert_with(|| {
                let status = Arc::new(LogStatus::new(log.source.clone(), log.verification()));
                Running { watcher: (self.start)(&log, status.clone()), status }
            });
        }
        self.statuses.set(self.running.values().map(|running| running.status.clone()).collect());
    }
}

impl Actor for LogDirectory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.apply(&LogList::default());
        if let Some(lists) = &self.lists {
            let follow = follow(std::mem::take(&mut self.clients), lists.refresh_interval, ctx.address());
            ctx.spawn(follow.into_actor(self));
        }
    }
}

/// Asks for the lists, now and then again, and tells the directory what is in force.
async fn follow(mut clients: Vec<LogListClient>, interval: Duration, directory: Addr<LogDirectory>) {
    loop {
        let failures = join_all(clients.iter_mut().map(refresh)).await.into_iter().filter(|ok| !ok).count();
        let merged = LogList::merge(clients.iter().map(|client| client.in_force().list.clone()));
        directory.do_send(Listed(merged));
        let jitter = 0.95 + 0.1 * rand::random::<f64>();
        sleep(if failures > 0 { interval.min(RETRY) } else { interval }.mul_f64(jitter)).await;
    }
}

/// Whether the list could be had.
async fn refresh(client: &mut LogListClient) -> bool {
    let result = client.refresh().await;
    let (name, in_force) = (client.source().name.clone(), client.in_force());
    let (origin, logs) = (&in_force.origin, in_force.list.logs.len());
    match &result {
        Ok(_) => log::info!("log list {name}: {logs} logs, {origin}"),
        Err(error) => log::warn!("log list {name}: {error}; going on with the one {origin}, {logs} logs"),
    }
    result.is_ok()
}

impl Handler<Listed> for LogDirectory {
    type Result = ();

    fn handle(&mut self, Listed(list): Listed, _: &mut Self::Context) {
        let before = self.running.len();
        self.apply(&list);
        if self.running.len() != before {
            log::info!("watching {} logs", self.running.len());
        }
    }
}

impl Handler<StopWatching> for LogDirectory {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopWatching, ctx: &mut Self::Context) -> Self::Result {
        ctx.stop();
        let stops: Vec<_> = self.running.values().map(|running| running.watcher.send(Stop)).collect();
        Box::pin(async move {
            join_all(stops).await;
        })
    }
}
