//! An output: a reader like that of a client, which delivers what it reads to a target.
//!
//! ```text
//! Tail or journal ─► Reader ─► Inbox ─► Batch ─► Target ─► position saved
//!       ▲                                          │
//!       └── a failure: leave, wait, come back at the position
//! ```
//!
//! Each output has a thread of its own, which a target may block. While a target fails, the output does not read: what it has
//! not delivered is in the journal alone.

use super::broker::{Broker, Subscribe, Unsubscribe};
use super::client::Client;
use super::reader::{Asked, Next, Reader};
use super::subscriptions::{Manner, Subscriptions};
use crate::backoff::Backoff;
use crate::clock;
use crate::config::{Begin, OutputConfig, WhenBehind};
use crate::counters::Counters;
use crate::message::Wire;
use crate::named_filters::NamedFilter;
use crate::outputs::{Batch, DeliveryError, Inbox, OutputStatus, Target, WebhookSettings};
use crate::state::{OutputPosition, OutputPositions};
use crate::system::service_manager;
use actix::Addr;
use futures_util::FutureExt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Longest delay between attempts to deliver, unless the target asks for a longer one.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Interval at which it reads what is logged while messages are collected. In that time, less is published than stays in
/// memory; what a burst pushes out of it is read from the journal.
const READ_INTERVAL: Duration = Duration::from_millis(250);
/// Time in which this server has to read what another one has delivered before.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
/// Delay before it reads again after its reader was closed.
const CLOSED_DELAY: Duration = Duration::from_millis(100);

/// An output.
pub(crate) struct Output {
    /// Its settings.
    pub(crate) config: OutputConfig,
    /// The named filter that has to want its messages as well.
    pub(crate) named: Option<Arc<NamedFilter>>,
    /// What it reads from.
    pub(crate) subscriptions: Subscriptions,
    /// The Broker.
    pub(crate) broker: Addr<Broker>,
    /// How far it has come.
    pub(crate) position: OutputPositions,
    /// What is told of it.
    pub(crate) status: Arc<OutputStatus>,
    /// What requests of webhooks have in common.
    pub(crate) webhooks: WebhookSettings,
    /// Whether the server is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
    /// The number of the first entry that it has not delivered, once it may deliver.
    pub(crate) next_seq: u64,
    /// A position that could not be saved. What lies before it is delivered, so it is saved before anything else is done.
    pub(crate) owed: Option<OutputPosition>,
}

/// Its part in the Broker, which ends when it is dropped.
struct Attached {
    client: Arc<Client>,
    broker: Addr<Broker>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.broker.do_send(Unsubscribe(self.client.id));
    }
}

impl Output {
    /// The number of the first entry that it has not delivered, if it runs for the first time: where its settings say.
    pub(crate) fn first_seq(
        config: &OutputConfig,
        position: &OutputPositions,
        subscriptions: &Subscriptions,
    ) -> u64 {
        let journal = &subscriptions.journal;
        let next = journal.next_seq();
        match (position.saved(), config.begin) {
            (Some(saved), _) if saved.next_seq > next => {
                log::error!(
                    "output {}: it has delivered everything before {}, and the journal ends at {}: is this another journal? It goes on with what is logged from now on",
                    config.name,
                    saved.next_seq,
                    next
                );
                next
            }
            (Some(saved), _) => saved.next_seq,
            (None, Begin::Now) => next,
            (None, Begin::Oldest) => journal.floor(),
        }
    }

    /// Delivers until the server stops. Drops `done` then.
    pub(crate) async fn run(mut self, done: oneshot::Sender<()>) {
        let mut stopping = self.stopping.clone();
        let stopped = async move { drop(stopping.wait_for(|stopping| *stopping).await) }.fuse();
        tokio::pin!(stopped);
        let mut backoff = Backoff::up_to(LONGEST_DELAY);
        let mut target = None;
        let mut is_first = true;
        while !*self.stopping.borrow() {
            if is_first || !self.position.is_held() {
                (target, self.owed) = (None, None);
                tokio::select! {
                    () = self.begin() => is_first = false,
                    () = &mut stopped => break,
                }
            }
            let delay = match self.deliver_until_closed(&mut target, &mut backoff).await {
                Ok(()) => CLOSED_DELAY,
                Err(error) if error.is_final => {
                    log::error!("output {}: {error}; stopping", self.config.name);
                    service_manager::terminate();
                    break;
                }
                Err(error) if self.position.is_held() => self.wait_after(&error, &mut backoff),
                Err(error) => {
                    log::info!("output {}: {error}", self.config.name);
                    // Whatever was wrong concerns the next server.
                    self.status.succeeded();
                    continue;
                }
            };
            tokio::select! {
                () = sleep(delay) => {}
                () = &mut stopped => {}
            }
        }
        // The next run begins anew.
        if !self.position.is_kept()
            && let Some(Err(error)) = target.as_mut().map(Target::finish)
        {
            log::warn!("output {}: {error}", self.config.name);
        }
        self.position.release();
        drop(done);
    }

    /// Waits until this server may deliver, and finds where to begin.
    async fn begin(&mut self) {
        if self.position.is_shared() {
            self.position.acquire().await;
            self.catch_up().await;
            self.next_seq = Self::first_seq(&self.config, &self.position, &self.subscriptions);
            self.status.begins(self.next_seq);
        }
        let (name, kind) = (&self.config.name, self.config.target.kind().name());
        let begins = if self.position.saved().is_some() { "goes on" } else { "begins" };
        log::info!("output {name} ({kind}): {begins} with entry {}", self.next_seq);
    }

    /// Waits until this server has read what another one has delivered.
    async fn catch_up(&self) {
        let begin = Instant::now();
        while let Some(saved) = self.position.saved()
            && saved.next_seq > self.subscriptions.journal.next_seq()
            && begin.elapsed() < CATCH_UP_TIMEOUT
        {
            sleep(CLOSED_DELAY).await;
        }
    }

    /// The delay after a failure, which is told if it is not the same as before.
    fn wait_after(&self, error: &DeliveryError, backoff: &mut Backoff) -> Duration {
        let delay = backoff.failed(error.retry_after, rand::random());
        self.tell(&error.text, &format!("trying again in {delay:.1?}"));
        delay
    }

    /// Tells why nothing is delivered, and what it does `next`.
    fn tell(&self, error: &str, next: &str) {
        let name = &self.config.name;
        if self.status.failed(error, std::time::Instant::now()) {
            log::warn!("output {name}: {error}; what is logged meanwhile stays in the journal; {next}");
        } else {
            log::debug!("output {name}: {error}; {next}");
        }
    }

    /// Delivers to `target`, which is opened if it is not open, until the Broker closes the reader.
    async fn deliver_until_closed(
        &mut self,
        target: &mut Option<Target>,
        backoff: &mut Backoff,
    ) -> Result<(), DeliveryError> {
        if let Some(owed) = self.owed.take() {
            self.save(owed)?;
        }
        let place = self.position.saved().and_then(|saved| saved.place.clone());
        let mut open = match target.take() {
            Some(target) => target,
            None => Target::open(&self.config, place.as_ref(), &self.webhooks, &self.status).await?,
        };
        let delivered = self.deliver_to(&mut open, backoff).await;
        if delivered.is_ok() || open.outlasts_failures() {
            *target = Some(open);
        }
        delivered
    }

    async fn deliver_to(&mut self, target: &mut Target, backoff: &mut Backoff) -> Result<(), DeliveryError> {
        // A new output must not begin later if it is killed before it has delivered anything.
        self.reach(self.next_seq, target)?;
        let attached = self.attach().await?;
        let (reader, mut inbox, mut is_closed) = (&attached.client.reader, Inbox::default(), false);
        let mut batch = Batch::default();
        let mut present = self.present();
        while !(is_closed && inbox.is_empty()) {
            batch.clear();
            is_closed |= self.collect(reader, &mut inbox, &mut batch).await;
            let is_all = inbox.is_empty() && !reader.is_replaying();
            target.prepare(&batch, self.next_seq)?;
            // A crash in the middle of the first batch must find where it was written.
            self.reach(self.next_seq, target)?;
            if !batch.is_empty() {
                if !self.position.is_held() {
                    return Err(DeliveryError::new("another server may run it now"));
                }
                self.deliver(&batch, target).await?;
                backoff.succeeded();
            }
            self.reach(inbox.next_seq(&batch, self.next_seq), target)?;
            if self.next_seq >= present.0 {
                self.status.caught_up(present.1);
                present = self.present();
            }
            // Without messages, only an output that has everything shows that its failure is over.
            if (is_all || !batch.is_empty()) && self.status.succeeded() {
                log::info!("output {}: it delivers again", self.config.name);
            }
        }
        Ok(())
    }

    /// The end of the journal, and the time. Under load there is always something to deliver; what counts is how old it is.
    fn present(&self) -> (u64, std::time::Instant) {
        (self.subscriptions.journal.next_seq(), std::time::Instant::now())
    }

    /// Delivers the batch. If only its beginning is delivered, the rest comes in another batch.
    async fn deliver(&mut self, batch: &Batch, target: &mut Target) -> Result<(), DeliveryError> {
        let stalled = |why: &str| self.tell(why, "it goes on by itself");
        let Err(error) = target.deliver(batch, &stalled).await else {
            self.status.delivered(batch.len(), batch.bytes().len());
            return Ok(());
        };
        if let Some(reached) = batch.next_seq_after(error.delivered) {
            self.status.delivered(error.delivered, batch.bytes_of(error.delivered));
            self.reach(reached, target)?;
        }
        Err(error)
    }

    /// Saves that everything before `next_seq` was delivered.
    fn reach(&mut self, next_seq: u64, target: &Target) -> Result<(), DeliveryError> {
        self.save(OutputPosition::new(next_seq, target.place()))
    }

    fn save(&mut self, position: OutputPosition) -> Result<(), DeliveryError> {
        let next_seq = position.next_seq;
        match self.position.save(position.clone()) {
            Ok(()) => {
                self.next_seq = next_seq;
                self.status.reached(next_seq);
                Ok(())
            }
            Err(error) => {
                self.owed = Some(position);
                Err(DeliveryError::new(format!("its position cannot be saved: {error}")))
            }
        }
    }

    /// Fills `batch`, for as long as messages are collected. Returns whether the reader was closed.
    async fn collect(&self, reader: &Arc<Reader>, inbox: &mut Inbox, batch: &mut Batch) -> bool {
        let limits = self.config.batch;
        if inbox.fill(batch, limits) {
            return false;
        }
        let mut deadline = (!batch.is_empty()).then(|| Instant::now() + limits.wait);
        loop {
            let next = match deadline {
                None => Some(next(reader).await),
                // The journal is read in small pieces, as fast as they are taken.
                Some(deadline) if reader.is_replaying() => timeout_at(deadline, next(reader)).await.ok(),
                // Whoever has something to deliver is not woken for each message.
                Some(_) => ready(reader),
            };
            match (next, deadline) {
                (Some(Next::Frames(chunk)), _) => {
                    if inbox.add(chunk.bytes(), reader.cursor(), batch, limits) {
                        return false;
                    }
                    deadline.get_or_insert_with(|| Instant::now() + limits.wait);
                }
                (Some(_), _) => return true,
                (None, Some(deadline)) if Instant::now() < deadline => {
                    sleep_until(deadline.min(Instant::now() + READ_INTERVAL)).await;
                }
                (None, _) => return false,
            }
        }
    }

    /// Subscribes it.
    async fn attach(&self) -> Result<Attached, DeliveryError> {
        let choice = &self.config.choice;
        let named: Vec<_> = self.named.iter().cloned().collect();
        let of_named: Vec<_> = named.iter().map(|named| named.filter()).collect();
        let unique = choice.kind_with(&of_named).map_err(|error| DeliveryError::new(error.to_string()))?;
        let asked = Asked {
            stream: self.config.stream,
            wire: Wire::Lines,
            filter: Arc::new(choice.filter.clone()),
            explains: choice.explains && !(choice.filter.is_empty() && named.is_empty()),
            named,
            sample: choice.sample,
            unique,
        };
        let manner = Manner {
            notices: false,
            tells_gaps: true,
            when_behind: WhenBehind::Replay,
            until: None,
            // The counters of clients are about clients.
            counters: Arc::new(Counters::default()),
        };
        let reader = self.subscriptions.reader(asked, manner, usize::MAX, clock::unix_us()).await;
        let reader = reader.map_err(|error| DeliveryError::new(error.to_string()))?;
        let client = Arc::new(Client::of_output(reader, self.next_seq));
        self.broker.do_send(Subscribe(client.clone()));
        Ok(Attached { client, broker: self.broker.clone() })
    }
}

/// What the reader gets next.
async fn next(reader: &Arc<Reader>) -> Next {
    poll_fn(|cx| poll_next(reader, cx)).await
}

/// What there is for the reader now.
fn ready(reader: &Arc<Reader>) -> Option<Next> {
    match poll_next(reader, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

fn poll_next(reader: &Arc<Reader>, cx: &mut Context<'_>) -> Poll<Next> {
    match reader.poll_cut(cx) {
        Poll::Ready(()) => Poll::Ready(Next::Linger),
        Poll::Pending => reader.poll_next(cx),
    }
}
