//! The parts of a server in a cluster, started and connected.

use super::appender::Appender;
use super::archive::Archive;
use super::edge_file::EdgeFile;
use super::engine::Engine;
use super::error::ClusterError;
use super::filters::BucketFilters;
use super::journal::StreamJournal;
use super::members::{self, Hold, KnownGroups, Member};
use super::output_leases::OutputLease;
use super::positions::{self, Positions};
use super::reports::{self, Report, Reports, Work};
use super::tail::{Arrived, Tail, pass_alerts};
use super::{leases::Leases, stream};
use crate::config::ClusterConfig;
use crate::journal::{AppendBlocks, SharedJournal};
use crate::named_filters::SharedFilters;
use crate::state::{self, SharedPosition, parse_position};
use crate::system::{Durability, replace_file};
use async_nats::jetstream::stream::{Info, Stream};
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// Blocks that wait on their way to the clients. Then reading the stream waits.
const MAX_WAITING: usize = 64;
/// Messages before the newest that an edge reads at its start, so that it has the newest entries.
const READ_AT_START: u64 = 64;
/// Time in which the stream has to be opened at a start, and the delay between attempts.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);
/// Time in which blocks under way have to be appended before their logs are handed over.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time to write positions and to leave when the server stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// The file with the name that was made for this server.
const NODE_FILE: &str = "node";
/// Random bytes of such a name.
const NODE_BYTES: usize = 4;

/// What both kinds of servers have.
#[derive(Debug, Clone)]
struct Common {
    engine: Arc<Engine>,
    journal: Arc<StreamJournal>,
    reports: Arc<Reports>,
}

impl Common {
    /// Connects, and opens the stream. An edge first reads some messages before the newest.
    fn open(config: &ClusterConfig, state_dir: &Path, reads_back: u64) -> Result<Self, ClusterError> {
        let engine = Engine::connect(config, node(config, state_dir)?)?;
        let (inside, config) = (engine.clone(), config.clone());
        let (archive, state) = engine.wait(async move {
            let stream = opened(&inside, &config).await?;
            let state = stream.get_info().await.map_err(ClusterError::engine)?.state;
            Ok::<_, ClusterError>((Archive::new(inside, stream), state))
        })?;
        let behind = state.last_sequence + 1;
        let next = behind.saturating_sub(reads_back).max(state.first_sequence.min(behind));
        let journal = Arc::new(StreamJournal::new(engine.clone(), archive, state, next));
        Ok(Common { engine, journal, reports: Arc::default() })
    }

    fn report(&self, work: impl Fn() -> Work + Send + 'static) {
        self.engine.runtime.spawn(reports::keep_reporting(self.engine.clone(), self.reports.clone(), work));
    }
}

/// A server that fetches logs.
#[derive(Debug, Clone)]
pub(crate) struct Ingester {
    common: Common,
    appender: Arc<Appender>,
    positions: Arc<Positions>,
    config: Arc<ClusterConfig>,
    /// When it took part in the fetching of logs last.
    renewed: Arc<Mutex<Instant>>,
    /// The groups of the logs that it is configured to watch.
    pub(crate) groups: Arc<KnownGroups>,
}

impl Ingester {
    /// Connects to the engine, and opens the stream. Blocks.
    ///
    /// # Errors
    /// If the engine cannot be reached, or the stream is not as `config` says.
    pub(crate) fn open(config: &ClusterConfig, state_dir: &Path) -> Result<Self, ClusterError> {
        let common = Common::open(config, state_dir, 0)?;
        let positions = Arc::new(Positions::default());
        let appender = Appender::new(common.engine.clone(), positions.clone(), config.clone())
            .noting(common.journal.clone());
        let engine = common.engine.clone();
        // The stream may have lost messages since.
        let newest = common.engine.wait(async move { positions::newest_known_sequence(&engine).await })?;
        common.journal.go_on_at(newest + 1);
        common.engine.runtime.spawn(positions.clone().keep_writing(common.engine.clone()));
        common.engine.runtime.spawn(common.journal.clone().keep_fresh(true));
        let (appender, renewed) = (Arc::new(appender), Arc::new(Mutex::new(Instant::now())));
        let config = Arc::new(config.clone());
        Ok(Ingester { common, appender, positions, config, renewed, groups: Arc::default() })
    }

    /// Where watchers append blocks.
    pub(crate) fn appender(&self) -> Arc<dyn AppendBlocks> {
        Arc::new(self.appender.clone())
    }

    /// The stream, of which nothing is read.
    pub(crate) fn journal(&self) -> SharedJournal {
        self.common.journal.clone()
    }

    /// Takes part in the fetching of logs, as `hold` is told, and reports `work`: what it is given are the numbers of blocks that
    /// were appended and superseded.
    pub(crate) fn take_part(&self, hold: Hold, work: impl Fn(u64, u64) -> Work + Send + 'static) {
        let hold = self.handing_over(hold);
        let (engine, config) = (self.common.engine.clone(), self.config.clone());
        let member = Member::new(engine, config, self.groups.clone(), hold, self.renewed.clone());
        self.common.engine.runtime.spawn(member.run());
        let appender = self.appender.clone();
        self.common.report(move || {
            let (appended, superseded) = appender.counts();
            work(appended, superseded)
        });
    }

    /// The same as `hold`; the positions of logs that are not watched any more are in the bucket when it resolves.
    fn handing_over(&self, hold: Hold) -> Hold {
        let (engine, appender) = (self.common.engine.clone(), self.appender.clone());
        let positions = self.positions.clone();
        Box::new(move |groups| {
            let (held, engine) = (hold(groups), engine.clone());
            let (appender, positions) = (appender.clone(), positions.clone());
            Box::pin(async move {
                held.await;
                // Without an answer of the engine, nothing can be handed over either.
                let _ = timeout(SETTLE_TIMEOUT, appender.settle()).await;
                if let Err(error) = positions.write(&engine).await {
                    log::debug!("cluster: positions cannot be written: {error}");
                }
            })
        })
    }

    /// How long ago it took part in the fetching of logs. It reads nothing, and so is never behind.
    pub(crate) fn lag(&self) -> (u64, Duration) {
        (0, self.renewed.lock().elapsed())
    }

    /// The reports of all servers that run.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.common.reports.alive()
    }

    /// Passes a notice about a log to all edges.
    pub(crate) fn alert(&self, text: String) {
        let engine = self.common.engine.clone();
        self.common.engine.runtime.spawn(async move {
            if let Err(error) = engine.client.publish(engine.names.alerts(), text.into()).await {
                log::warn!("cluster: a notice about a log was not sent: {error}");
            }
        });
    }

    /// Hands over to the other ingesters, once nothing is appended any more. Blocks.
    pub(crate) fn close(&self) {
        let (engine, positions) = (self.common.engine.clone(), self.positions.clone());
        let left = self.common.engine.wait(async move {
            let leave = async {
                positions.write(&engine).await?;
                members::leave(&engine).await
            };
            let left = timeout(CLOSE_TIMEOUT, leave).await;
            left.unwrap_or_else(|_| Err(ClusterError::engine("it does not answer")))
        });
        if let Err(error) = left {
            log::warn!("cluster: the other ingesters take over later: {error}");
        }
    }
}

/// A server that serves clients.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    common: Common,
    /// Nothing is appended to it.
    appender: Arc<Appender>,
    file: Arc<EdgeFile>,
    /// Number of outputs that run on this edge.
    outputs: Arc<AtomicU32>,
    /// The number behind what this edge had read when it ended the last time. `None` if that is not known.
    pub(crate) end_of_last_run: Option<u64>,
}

impl Edge {
    /// Connects to the engine, and opens the stream. Blocks.
    ///
    /// # Errors
    /// If the engine cannot be reached, or the stream is not as `config` says.
    pub(crate) fn open(config: &ClusterConfig, state_dir: &Path) -> Result<Self, ClusterError> {
        let common = Common::open(config, state_dir, READ_AT_START)?;
        common.engine.runtime.spawn(common.journal.clone().keep_fresh(false));
        let file = Arc::new(EdgeFile::new(state_dir));
        let end_of_last_run = file.read();
        common.engine.runtime.spawn(file.clone().keep_writing(common.journal.clone()));
        let appender = Arc::new(Appender::new(common.engine.clone(), Arc::default(), config.clone()));
        Ok(Edge { common, appender, file, outputs: Arc::default(), end_of_last_run })
    }

    /// The stream.
    pub(crate) fn journal(&self) -> SharedJournal {
        self.common.journal.clone()
    }

    /// Where watchers would append blocks. An edge has none.
    pub(crate) fn appender(&self) -> Arc<dyn AppendBlocks> {
        Arc::new(self.appender.clone())
    }

    /// The filters that clients have put at any edge.
    pub(crate) fn filters(&self) -> Arc<dyn SharedFilters> {
        let filters = Arc::new(BucketFilters { engine: self.common.engine.clone() });
        self.common.engine.runtime.spawn(filters.clone().keep_forgetting());
        filters
    }

    /// The place of the output `name`, which runs on one edge at a time.
    pub(crate) fn output(&self, name: &str) -> Arc<dyn SharedPosition> {
        Arc::new(OutputLease::new(self.common.engine.clone(), name, self.outputs.clone()))
    }

    /// Begins to read the stream, and reports the number of `clients`.
    pub(crate) fn follow(&self, clients: impl Fn() -> u64 + Send + 'static) -> mpsc::Receiver<Arrived> {
        let (arrived_in, arrived) = mpsc::channel(MAX_WAITING);
        let Common { engine, journal, .. } = self.common.clone();
        let tail = Tail::new(journal.clone(), arrived_in.clone());
        engine.runtime.spawn(tail.run());
        engine.runtime.spawn(pass_alerts(engine.clone(), arrived_in));
        self.common.report(move || Work::Edge { clients: clients(), behind: journal.lag().0 });
        arrived
    }

    /// Notes how far it has read, once it does not read any more.
    pub(crate) fn close(&self) {
        self.file.write(&self.common.journal);
    }

    /// How many messages of the stream were not read, and how long ago that was known.
    pub(crate) fn lag(&self) -> (u64, Duration) {
        self.common.journal.lag()
    }

    /// The reports of all servers that run.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.common.reports.alive()
    }
}

/// The stream. The engine may be starting as well, so this is tried for a while, unless the settings are wrong.
async fn opened(engine: &Engine, config: &ClusterConfig) -> Result<Stream, ClusterError> {
    let deadline = Instant::now() + OPEN_TIMEOUT;
    let mut told = false;
    loop {
        match stream::open(engine, config).await {
            Err(error) if !matches!(error, ClusterError::Settings(_)) && Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    log::warn!("cluster: {error}; trying again");
                }
            }
            result => return result,
        }
        sleep(RETRY).await;
    }
}

/// The name of this server: the configured one, or one that is made once.
fn node(config: &ClusterConfig, state_dir: &Path) -> Result<String, ClusterError> {
    if let Some(node) = &config.node {
        return Ok(node.clone());
    }
    let path = state_dir.join(NODE_FILE);
    let failed = |error| ClusterError::State { path: path.clone(), error };
    match std::fs::read_to_string(&path) {
        Ok(name) => return Ok(name.trim().into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Err(_) => {}
    }
    let random: [u8; NODE_BYTES] = rand::random();
    let name = format!("node-{}", hex_simd::encode_to_string(random, hex_simd::AsciiCase::Lower));
    std::fs::create_dir_all(state_dir).map_err(failed)?;
    replace_file(&path, name.as_bytes(), Durability::Synced).map_err(failed)?;
    Ok(name)
}

/// The state of a cluster.
#[derive(Debug)]
pub(crate) struct Status {
    /// The stream.
    pub(crate) stream: Info,
    /// The reports of all servers that run, or did within the hour.
    pub(crate) reports: Vec<Report>,
    /// The ingester of each group of logs.
    pub(crate) owners: Vec<(String, String)>,
}

/// The state of the cluster.
///
/// # Errors
/// If the engine cannot be reached, or has no stream of a cluster.
pub(crate) fn status(config: &ClusterConfig) -> Result<Status, ClusterError> {
    let engine = Engine::connect(config, "status".into())?;
    let inside = engine.clone();
    engine.wait(async move {
        let stream = inside.context.get_stream(inside.names.stream()).await.map_err(ClusterError::engine)?;
        let Leases { owners, .. } = members::leases(&inside).await?;
        Ok(Status {
            stream: stream.cached_info().clone(),
            reports: reports::read_all(&inside).await?,
            owners: owners.into_iter().collect(),
        })
    })
}

/// Hands the positions of this server to the cluster, where it has none or older ones. Returns their number. Must not be
/// called while ingesters run.
///
/// # Errors
/// If the engine cannot be reached or does not answer, or the stream is not as `config` says.
pub(crate) fn import(config: &ClusterConfig, saved: &state::Positions) -> Result<usize, ClusterError> {
    let engine = Engine::connect(config, "import".into())?;
    let (inside, config, all) = (engine.clone(), config.clone(), saved.all());
    engine.wait(in_time(async move {
        stream::open(&inside, &config).await?;
        let positions = Arc::new(Positions::default());
        let appender = Arc::new(Appender::new(inside.clone(), positions.clone(), config));
        let mut count = 0;
        for (log, position) in all {
            let there = appender.position(&log).await.and_then(|there| parse_position(&there));
            if there.is_none_or(|there| there.ledger.next < position.ledger.next) {
                appender.moved(&log, &|| state::encode_position(&position));
                count += 1;
            }
        }
        positions.write(&inside).await?;
        Ok(count)
    }))
}

/// Takes the positions of the cluster over, where this server has none or older ones. Returns their number. Must not be
/// called while ingesters run.
///
/// # Errors
/// If the engine cannot be reached or does not answer, or a position was written by another version.
pub(crate) fn export(config: &ClusterConfig, saved: &state::Positions) -> Result<usize, ClusterError> {
    let engine = Engine::connect(config, "export".into())?;
    let (inside, config) = (engine.clone(), config.clone());
    let newest = engine.wait(in_time(async move {
        let appender = Arc::new(Appender::new(inside.clone(), Arc::default(), config));
        let mut newest = Vec::new();
        for kept in positions::read_all(&inside).await? {
            let log = state::log_identifier(&kept.log);
            let position = appender.position(&log).await.and_then(|there| parse_position(&there));
            let invalid = || ClusterError::Engine(format!("the position of {} is invalid", kept.log));
            newest.push((log, position.ok_or_else(invalid)?));
        }
        Ok(newest)
    }))?;
    let is_older = |there: state::Position, next| there.ledger.next < next;
    let mut count = 0;
    for (log, position) in newest {
        if saved.get(&log).is_none_or(|there| is_older(there, position.ledger.next)) {
            saved.set(&log, position);
            count += 1;
        }
    }
    Ok(count)
}

/// The result of a command, within its time.
async fn in_time<T>(result: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
    match timeout(COMMAND_TIMEOUT, result).await {
        Ok(result) => result,
        Err(_) => Err(ClusterError::engine("it does not answer")),
    }
}
