//! The LogDirectory actor: decides which logs are watched. It starts a watcher for each, stops watchers of logs that
//! left the lists, and follows the lists as they change.
//!
//! ```text
//! configured logs ───────────────┐
//! lists, at start and hourly ─► selection ─► wanted ─► stop removed or changed logs, start new ones
//! ```

use super::log_watcher::{LogStatus, LogWatcher, Stop};
use crate::config::{ListConfig, LogConfig};
use crate::ct::log_list::{LogList, NotSelected};
use crate::ct::source::LogIdentifier;
use crate::digest::Digest;
use crate::log_list::{LogListClient, Origin};
use actix::prelude::*;
use chrono::Utc;
use futures_util::future::join_all;
use parking_lot::RwLock;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

/// Delay before a failed list download is retried; the refresh interval applies if it is shorter.
const RETRY: Duration = Duration::from_secs(5 * 60);
/// Interval between checks for due lines in the [`Digest`].
const DIGEST_INTERVAL: Duration = Duration::from_secs(1);
/// Largest number of lines in the log file about stopped watchers after each list change.
pub(crate) const MAX_STOPPED_LINES: usize = 10;

/// The status of all watched logs, readable from any thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogStatuses(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    logs: Vec<Arc<LogStatus>>,
    lists: Vec<ListStatus>,
}

/// The status of a log list.
#[derive(Debug, Clone)]
pub(crate) struct ListStatus {
    /// The list's name.
    pub name: Cow<'static, str>,
    origin: Origin,
}

impl ListStatus {
    /// Age of the list content that is in use; `None` if it is unknown.
    pub(crate) fn age(&self, now: SystemTime) -> Option<Duration> {
        let from = match self.origin {
            Origin::Fetched { at } => at,
            Origin::Saved { fetched, .. } => fetched,
            Origin::BuiltIn { made } => made?,
        };
        Some(now.duration_since(from.into()).unwrap_or_default())
    }
}

impl LogStatuses {
    /// The logs that are watched now, ordered by URL.
    pub(crate) fn all(&self) -> Vec<Arc<LogStatus>> {
        self.0.read().logs.clone()
    }

    /// The lists in use.
    pub(crate) fn lists(&self) -> Vec<ListStatus> {
        self.0.read().lists.clone()
    }

    fn set(&self, statuses: Vec<Arc<LogStatus>>) {
        self.0.write().logs = statuses;
    }

    fn set_lists(&self, lists: Vec<ListStatus>) {
        self.0.write().lists = lists;
    }
}

/// Starts the watcher of one log.
pub(crate) type StartWatcher = Box<dyn FnMut(&LogConfig, Arc<LogStatus>) -> Addr<LogWatcher>>;

/// Creates the clients that download the lists.
pub(crate) type ListClients = Box<dyn Fn(&ListConfig) -> Vec<LogListClient>>;

/// The merged lists, after a download.
#[derive(Message)]
#[rtype(result = "()")]
struct Listed {
    list: LogList,
    statuses: Vec<ListStatus>,
    /// The configuration generation that the download belongs to.
    generation: u64,
}

/// Replaces the configured logs and lists.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Follow {
    /// Logs that are watched regardless of the lists.
    pub configured: Vec<LogConfig>,
    /// The lists, and the criteria that select logs from them.
    pub lists: Option<ListConfig>,
}

/// Watches only the logs of these groups. A group is an operator, or the URL of a log without one.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Hold(pub(crate) BTreeSet<String>);

/// Answered once the watchers that an earlier message stops have stopped.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Settled;

/// The groups of logs that servers of a cluster share, and those of them that this server watches.
pub(crate) struct SharedGroups {
    /// Is told the groups of all logs that the configuration wants, with the number of logs of each.
    pub(crate) tell: Box<dyn Fn(BTreeMap<String, u64>)>,
    /// Those that this server watches.
    pub(crate) held: BTreeSet<String>,
}

/// Stops all watchers. The answer is sent once they have stopped.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct StopWatching;

/// The LogDirectory actor; see the module documentation.
pub(crate) struct LogDirectory {
    configured: Vec<LogConfig>,
    lists: Option<ListConfig>,
    clients: ListClients,
    following: Option<SpawnHandle>,
    /// Number of the current configuration; incremented by each [`Follow`].
    generation: u64,
    start: StartWatcher,
    statuses: LogStatuses,
    digest: Arc<Digest>,
    running: BTreeMap<LogIdentifier, Running>,
    /// What was last written about logs that are not watched.
    left_out: String,
    /// `None`: this server watches all logs.
    shared: Option<SharedGroups>,
    /// The list that was applied last.
    newest: LogList,
}

struct Running {
    config: LogConfig,
    watcher: Addr<LogWatcher>,
    status: Arc<LogStatus>,
}

impl LogDirectory {
    /// Creates a directory that watches `configured` and the logs that `lists` selects.
    pub(crate) fn new(
        configured: Vec<LogConfig>,
        lists: Option<ListConfig>,
        clients: ListClients,
        statuses: LogStatuses,
        digest: Arc<Digest>,
        start: StartWatcher,
    ) -> Self {
        LogDirectory {
            configured,
            lists,
            clients,
            following: None,
            generation: 0,
            start,
            statuses,
            digest,
            running: BTreeMap::new(),
            left_out: String::new(),
            shared: None,
            newest: LogList::default(),
        }
    }

    /// Shares the logs with other servers.
    pub(crate) fn sharing(self, shared: Option<SharedGroups>) -> Self {
        LogDirectory { shared, ..self }
    }

    /// Watches exactly the configured logs and those selected from `list`. A log whose configuration changed is started
    /// again only after its old watcher has stopped, so that no entry is sent twice.
    fn apply(&mut self, list: LogList, ctx: &mut Context<Self>) {
        self.newest = list;
        let list = &self.newest;
        let listed = self.lists.iter().flat_map(|lists| lists.select(list, Utc::now().timestamp()));
        let mut wanted = by_identity(self.configured.iter().cloned().chain(listed));
        if let Some(SharedGroups { tell, held }) = &self.shared {
            tell(groups(&wanted));
            wanted.retain(|_, log| held.contains(group(log)));
        }
        let before: BTreeMap<_, _> =
            self.running.iter().map(|(log, running)| (log.clone(), running.status.clone())).collect();
        let stopping = self.stop_all_but(&wanted);
        if stopping.is_empty() {
            return self.start_all_of(wanted, &before);
        }
        let then = join_all(stopping).into_actor(self);
        ctx.wait(then.map(move |_, directory, _| directory.start_all_of(wanted, &before)));
    }

    /// Says once, and again when it changes, how many logs of the lists are not watched, and why.
    fn tell_left_out(&mut self, list: &LogList) {
        let mut counts: BTreeMap<NotSelected, usize> = BTreeMap::new();
        let left_out = self.lists.iter().flat_map(|lists| lists.left_out(list, Utc::now().timestamp()));
        left_out.for_each(|(_, why)| *counts.entry(why).or_default() += 1);
        let reasons: Vec<String> = counts.iter().map(|(why, count)| format!("{count}: {why}")).collect();
        let told = reasons.join("; ");
        if !told.is_empty() && self.left_out != told {
            let all: usize = counts.values().sum();
            log::info!("not watching {all} logs of the lists ({told}); `certstream-server logs` names them");
        }
        self.left_out = told;
    }

    fn stop_all_but(
        &mut self,
        wanted: &BTreeMap<LogIdentifier, LogConfig>,
    ) -> Vec<Request<LogWatcher, Stop>> {
        let mut stopping: Vec<Request<LogWatcher, Stop>> = Vec::new();
        self.running.retain(|id, running| {
            let stays = wanted.get(id).is_some_and(|log| log.watched_as(&running.config));
            if !stays {
                let why = if wanted.contains_key(id) { "reconfigured" } else { "no longer watched" };
                if stopping.len() < MAX_STOPPED_LINES {
                    log::info!("{}: {why}", running.status.source().name());
                }
                stopping.push(running.watcher.send(Stop));
            }
            stays
        });
        if let Some(more @ 1..) = stopping.len().checked_sub(MAX_STOPPED_LINES) {
            log::info!("{more} more logs: no longer watched, or reconfigured");
        }
        stopping
    }

    /// Starts the watchers of `wanted` that do not run. Logs that were watched `before` keep their counts.
    fn start_all_of(
        &mut self,
        wanted: BTreeMap<LogIdentifier, LogConfig>,
        before: &BTreeMap<LogIdentifier, Arc<LogStatus>>,
    ) {
        let count = self.running.len();
        for (id, log) in wanted {
            let known = before.get(&id);
            self.running.entry(id).or_insert_with(|| {
                let status = LogStatus::new(log.source.clone(), log.verification());
                let status = Arc::new(known.map_or(status, |known| known.of_another_source(&log)));
                Running { watcher: (self.start)(&log, status.clone()), config: log, status }
            });
        }
        let mut statuses: Vec<_> = self.running.values().map(|running| running.status.clone()).collect();
        statuses.sort_by(|a, b| a.source().url().cmp(b.source().url()));
        self.statuses.set(statuses);
        if self.running.len() != count {
            log::info!("watching {} logs", self.running.len());
        }
    }

    /// Applies the configuration with the lists known so far, then follows the lists.
    fn begin(&mut self, ctx: &mut Context<Self>) {
        let Some(lists) = &self.lists else {
            self.statuses.set_lists(Vec::new());
            return self.apply(LogList::default(), ctx);
        };
        let (clients, interval) = ((self.clients)(lists), lists.refresh_interval);
        // At startup no watcher runs yet, so nothing is missed until the lists arrive.
        let known = if self.running.is_empty() { LogList::default() } else { merged(&clients) };
        self.apply(known, ctx);
        let following = follow(clients, interval, ctx.address(), self.generation);
        self.following = Some(ctx.spawn(following.into_actor(self)));
    }
}

impl Actor for LogDirectory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(DIGEST_INTERVAL, |directory, _| directory.digest.tell_due());
        self.begin(ctx);
    }
}

impl Handler<Follow> for LogDirectory {
    type Result = ();

    fn handle(&mut self, Follow { configured, lists }: Follow, ctx: &mut Self::Context) {
        if let Some(following) = self.following.take() {
            ctx.cancel_future(following);
        }
        (self.configured, self.lists) = (configured, lists);
        self.generation += 1;
        self.begin(ctx);
    }
}

/// Each log once: two entries with one log id, or with one URL, are one log. The first one counts.
fn by_identity(logs: impl Iterator<Item = LogConfig>) -> BTreeMap<LogIdentifier, LogConfig> {
    let (mut wanted, mut urls) = (BTreeMap::new(), BTreeSet::new());
    for log in logs {
        let id = log.source.identity();
        if !wanted.contains_key(&id) && urls.insert(log.source.url().to_string()) {
            wanted.insert(id, log);
        }
    }
    wanted
}

/// The group of a log.
fn group(log: &LogConfig) -> &str {
    if log.operator.is_empty() { log.source.url() } else { &log.operator }
}

/// The groups of `logs`, with the number of logs of each.
fn groups(logs: &BTreeMap<LogIdentifier, LogConfig>) -> BTreeMap<String, u64> {
    let mut groups = BTreeMap::new();
    logs.values().for_each(|log| *groups.entry(group(log).into()).or_default() += 1);
    groups
}

fn status(client: &LogListClient) -> ListStatus {
    ListStatus { name: client.source().name.clone(), origin: client.in_force().origin.clone() }
}

fn merged(clients: &[LogListClient]) -> LogList {
    LogList::merge(clients.iter().map(|client| client.in_force().list.clone()))
}

/// Refreshes the lists periodically and sends the merged result to the directory.
async fn follow(
    mut clients: Vec<LogListClient>,
    interval: Duration,
    directory: Addr<LogDirectory>,
    generation: u64,
) {
    loop {
        let failures = join_all(clients.iter_mut().map(refresh)).await.into_iter().filter(|ok| !ok).count();
        let (list, statuses) = (merged(&clients), clients.iter().map(status).collect());
        directory.do_send(Listed { list, statuses, generation });
        let jitter = 0.95 + 0.1 * rand::random::<f64>();
        sleep(if failures > 0 { interval.min(RETRY) } else { interval }.mul_f64(jitter)).await;
    }
}

/// Returns whether the list could be refreshed.
async fn refresh(client: &mut LogListClient) -> bool {
    let result = client.refresh().await;
    let (name, in_force) = (client.source().name.clone(), client.in_force());
    let (origin, logs) = (&in_force.origin, in_force.list.logs.len());
    match &result {
        Ok(_) => log::info!("log list {name}: {logs} logs, {origin}"),
        Err(error) => log::warn!("log list {name}: {error}; still using the list {origin}, {logs} logs"),
    }
    result.is_ok()
}

impl Handler<Listed> for LogDirectory {
    type Result = ();

    fn handle(&mut self, Listed { list, statuses, generation }: Listed, ctx: &mut Self::Context) {
        // The download was started under an older configuration.
        if generation != self.generation {
            return;
        }
        self.statuses.set_lists(statuses);
        self.tell_left_out(&list);
        self.apply(list, ctx);
    }
}

impl Handler<Hold> for LogDirectory {
    type Result = ();

    fn handle(&mut self, Hold(groups): Hold, ctx: &mut Self::Context) {
        if let Some(shared) = &mut self.shared {
            shared.held = groups;
            let list = std::mem::take(&mut self.newest);
            self.apply(list, ctx);
        }
    }
}

impl Handler<Settled> for LogDirectory {
    type Result = ();

    /// The directory handles nothing while it waits for watchers.
    fn handle(&mut self, _: Settled, _: &mut Self::Context) {}
}

impl Handler<StopWatching> for LogDirectory {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopWatching, ctx: &mut Self::Context) -> Self::Result {
        ctx.stop();
        let stops: Vec<_> = self.running.values().map(|running| running.watcher.send(Stop)).collect();
        let digest = self.digest.clone();
        Box::pin(async move {
            join_all(stops).await;
            digest.finish();
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Log, Overrides};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn each_log_is_watched_once() {
        let log = |url: &str, key: Option<&str>| {
            let key = key.map(str::to_string);
            let log = Log { key, ..Log::rfc6962(url) };
            crate::config::load_with(None, [], Overrides { logs: Some(vec![log]), stdout: None })
                .expect("a configuration")
                .logs
                .remove(0)
        };
        let keys = [1, 2].map(|_| {
            let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
            let key =
                openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
            base64_simd::STANDARD.encode_to_string(key.public_key_to_der().unwrap())
        });
        let (one, two) = (Some(keys[0].as_str()), Some(keys[1].as_str()));
        for (logs, watched) in [
            (vec![log("https://a", one), log("https://b", one)], vec!["https://a"]),
            (vec![log("https://a", None), log("https://a", one)], vec!["https://a"]),
            (vec![log("https://a", one), log("https://b", two)], vec!["https://a", "https://b"]),
            (vec![log("https://a", one), log("https://a", two)], vec!["https://a"]),
            (vec![log("https://a", None), log("https://b", None)], vec!["https://a", "https://b"]),
        ] {
            let wanted = by_identity(logs.into_iter());
            let urls: BTreeSet<_> = wanted.values().map(|log| log.source.url()).collect();
            assert_eq!(urls, watched.into_iter().collect());
        }
    }

    #[actix::test]
    async fn lists_that_were_asked_for_before_the_configuration_changed_change_nothing() {
        let (statuses, started) = (LogStatuses::default(), Arc::new(AtomicUsize::new(0)));
        let count = started.clone();
        let start: StartWatcher = Box::new(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("no log is to be watched");
        });
        let clients: ListClients = Box::new(|_| Vec::new());
        let directory =
            LogDirectory::new(Vec::new(), None, clients, statuses.clone(), Arc::default(), start).start();
        directory.send(Follow { configured: Vec::new(), lists: None }).await.unwrap();
        let old = ListStatus { name: "old".into(), origin: Origin::BuiltIn { made: None } };
        let listed =
            |generation| Listed { list: LogList::default(), statuses: vec![old.clone()], generation };
        directory.send(listed(0)).await.unwrap();
        assert!(statuses.lists().is_empty());
        directory.send(listed(1)).await.unwrap();
        assert_eq!(statuses.lists().len(), 1, "those of the configuration in force count");
        assert_eq!(started.load(Ordering::Relaxed), 0);
    }
}
