//! Receives a stream over as many connections as it takes.

use super::connection::{Connection, Ended};
use super::error::{ConnectFailure, FollowError};
use super::handshake::{self, Access};
use super::message::{Found, Received};
use super::notes::note;
use super::output::Item;
use super::position::{Position, Progress};
use super::target::Target;
use crate::backoff::Backoff;
use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

/// Maximum number of messages that wait for the output.
pub(super) const MAX_WAITING: usize = 512;
/// Maximum size of all of them together, in bytes; one alone may be larger.
const MAX_WAITING_BYTES: u32 = 8 * 1024 * 1024;
/// Longest delay before it connects again, unless the server asks for a longer one.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// Maximum number of invalid messages of one connection that are reported.
const MAX_REPORTED: u32 = 3;

/// Receives a stream.
pub(super) struct Receiver {
    target: Target,
    access: Access,
    idle_timeout: Duration,
    /// Whether another run must be able to resume.
    must_resume: bool,
    position: Position,
    memory: Arc<Semaphore>,
    started: Instant,
    is_connected_before: bool,
    /// Whether it was reported that messages have no numbers.
    has_no_numbers: bool,
}

/// What is known of a connection.
#[derive(Default)]
struct Seen {
    /// Whether any message has come.
    anything: bool,
    /// Whether the server has said what it understood.
    subscribed: bool,
    invalid: u32,
    others: u32,
}

/// Why there is no connection any more, or why none is wanted.
enum Stop {
    /// The stream has ended.
    Finished,
    /// Nobody takes messages any more.
    Unwanted,
    Lost(String, Option<Duration>),
    Failed(FollowError),
}

impl Receiver {
    /// Receives `target` after the number `resume`, or from where the target says.
    pub(super) fn new(
        target: Target,
        access: Access,
        idle_timeout: Duration,
        must_resume: bool,
        resume: Option<u64>,
    ) -> Self {
        Receiver {
            target,
            access,
            idle_timeout,
            must_resume,
            position: Position::at(resume),
            memory: Arc::new(Semaphore::new(MAX_WAITING_BYTES as usize)),
            started: Instant::now(),
            is_connected_before: false,
            has_no_numbers: false,
        }
    }

    /// Sends the messages to `output` until the stream ends. Connects again whenever the connection is lost.
    ///
    /// # Errors
    /// If connecting again would not help.
    pub(super) async fn run(mut self, output: mpsc::Sender<Item>) -> Result<(), FollowError> {
        let mut backoff = Backoff::up_to(LONGEST_DELAY);
        loop {
            let mut seen = Seen::default();
            let Err(stop) = self.connection(&mut seen, &output).await;
            if seen.anything {
                backoff.succeeded();
            }
            match stop {
                Stop::Finished | Stop::Unwanted => return Ok(()),
                Stop::Failed(error) => return Err(error),
                Stop::Lost(why, retry_after) => {
                    let delay = backoff.failed(retry_after, rand::random());
                    let what = if seen.anything { "connection lost" } else { "no connection" };
                    let seconds = delay.as_secs_f64();
                    note(&format!(
                        "{}: {what}: {why}; connecting again in {seconds:.1} s",
                        self.target.shown()
                    ));
                    sleep(delay).await;
                }
            }
        }
    }

    /// One connection.
    async fn connection(&mut self, seen: &mut Seen, output: &mpsc::Sender<Item>) -> Result<Infallible, Stop> {
        let mut connection = self.connect().await?;
        if std::mem::replace(&mut self.is_connected_before, true) {
            let missed = if self.has_no_numbers { "; what was logged meanwhile is missed" } else { "" };
            note(&format!("{}: connected again{missed}", self.target.shown()));
        }
        loop {
            let text = connection.next().await.map_err(|ended| self.ended(ended))?;
            // The memory is taken before anything else is read, so that a slow output stops the server.
            let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX).clamp(1, MAX_WAITING_BYTES);
            let memory = self.memory.clone().acquire_many_owned(bytes).await.ok();
            let (progress, found) = self.received(text, seen)?;
            self.position.advance(progress);
            if found.is_some() || progress != Progress::None {
                output.send(Item { progress, found, _memory: memory }).await.map_err(|_| Stop::Unwanted)?;
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Stop> {
        let uri = self.target.uri(self.position.seq(), self.started.elapsed());
        let uri = uri.parse().map_err(|error| Stop::Lost(format!("{error}"), None))?;
        match handshake::open(&self.access, &uri).await {
            Ok(socket) => Ok(Connection::new(socket, self.idle_timeout)),
            Err(ConnectFailure::Refused(refusal)) if refusal.is_temporary() => {
                Err(Stop::Lost(refusal.to_string(), refusal.retry_after))
            }
            Err(ConnectFailure::Refused(refusal)) => {
                Err(Stop::Failed(FollowError::Refused { url: self.target.shown(), refusal }))
            }
            // A certificate that was accepted before will probably be renewed.
            Err(ConnectFailure::Certificate(problem)) if !self.is_connected_before => {
                Err(Stop::Failed(FollowError::Certificate { url: self.target.shown(), problem }))
            }
            Err(ConnectFailure::Certificate(why) | ConnectFailure::Lost(why)) => Err(Stop::Lost(why, None)),
        }
    }

    fn ended(&self, ended: Ended) -> Stop {
        match ended {
            Ended::Normally if self.target.ends() => Stop::Finished,
            Ended::Normally => Stop::Lost("the server closed the connection".into(), None),
            Ended::Lost(why) => Stop::Lost(why, None),
        }
    }

    /// What a message means: progress, a certificate, or something to report.
    fn received(&mut self, text: Bytes, seen: &mut Seen) -> Result<(Progress, Option<Box<Found>>), Stop> {
        let parsed = String::from_utf8(text.into())
            .map_err(|error| error.to_string())
            .and_then(|text| Received::parse(text).map_err(|error| error.to_string()));
        seen.anything = true;
        let up_to = |seq: Option<u64>| seq.map_or(Progress::None, Progress::UpTo);
        Ok(match parsed {
            Ok(Received::Found(found)) => {
                self.check_server(&found, seen)?;
                (up_to(found.seq), Some(found))
            }
            Ok(Received::Heartbeat { seq }) => (up_to(seq), None),
            Ok(Received::Subscribed { seq }) => {
                seen.subscribed = true;
                // Where a stream begins that the target does not say: now.
                let begins = seq.filter(|_| !self.target.has_start());
                (begins.map_or(Progress::None, Progress::Begins), None)
            }
            Ok(Received::Gap { from_seq, to_seq }) => {
                let count = to_seq.saturating_sub(from_seq).saturating_add(1);
                note(&format!(
                    "{}: missed: the server no longer has the entries {from_seq} to {to_seq} (at most {count})",
                    self.target.shown()
                ));
                (Progress::None, None)
            }
            Ok(Received::Alert { log, problem }) => {
                note(&format!("log {log}: {problem}"));
                (Progress::None, None)
            }
            Ok(Received::Other(kind)) => {
                report(&mut seen.others, &format!("a message of the unknown type {kind:?} is ignored"));
                (Progress::None, None)
            }
            Err(problem) => {
                report(&mut seen.invalid, &format!("an invalid message is ignored: {problem}"));
                (Progress::None, None)
            }
        })
    }

    /// Checks that the server can do what is asked of it, when the first certificate comes.
    fn check_server(&mut self, found: &Found, seen: &Seen) -> Result<(), Stop> {
        let url = || self.target.shown();
        if self.target.has_filter() && !seen.subscribed {
            return Err(Stop::Failed(FollowError::NoFilters { url: url() }));
        }
        if found.seq.is_some() || self.has_no_numbers {
            return Ok(());
        }
        if self.must_resume {
            return Err(Stop::Failed(FollowError::NoNumbers { url: url() }));
        }
        note(&format!(
            "{}: this server gives its messages no numbers (seq): what is logged while there is no connection is missed",
            url()
        ));
        self.has_no_numbers = true;
        Ok(())
    }
}

/// Reports the first few of many problems.
fn report(count: &mut u32, problem: &str) {
    *count = count.saturating_add(1);
    if *count <= MAX_REPORTED {
        let last = if *count == MAX_REPORTED { " (further ones are not reported)" } else { "" };
        note(&format!("{problem}{last}"));
    }
}
