//! The Broker actor: numbers the messages, keeps the newest entries and adds the messages to the queue of every
//! subscribed client.
//!
//! The Broker never waits for a single client. It closes clients that stop reading, because the session of such a
//! client is not polled and cannot close itself.

mod messages;
#[cfg(test)]
mod tests;

use super::client::{Client, GOING_AWAY, NOT_ALLOWED};
use super::closing::ABANDONED_TIMEOUT;
use super::coalescer::Coalescers;
use super::pace::Pace;
use super::ring_buffer::RingBuffer;
use super::send_queue::SharedFrames;
use super::trim_policy::TrimPolicy;
use crate::clock;
use crate::config::ClientLimits;
use crate::counters::{Counters, Ending};
use crate::live_config::LiveSettings;
use crate::message::{CertEntry, Demand, Stream, Wire, heartbeat};
use crate::system;
use actix::prelude::*;
use enum_map::EnumMap;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

pub(crate) use messages::{
    Alert, Clients, CloseClients, DisconnectClients, NewSettings, Newest, Ping, Publish, QueueDepths, Queues,
    Subscribe, Tick, Unsubscribe, Waiting,
};

/// The client sweep runs four times per shortest client timeout, clamped to this range.
const SWEEP_INTERVAL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Interval between checks of the client queues while watchers wait for them.
const PAUSE: Duration = Duration::from_millis(5);
/// Mailbox capacity. Each watcher waits for its answer and routes are few, so this is far above the usual load.
const MAILBOX: usize = 1024;
/// The depths of the queues are computed at most this often: the Broker looks at every client for them.
const DEPTHS_INTERVAL: Duration = Duration::from_millis(500);

/// A client with the state of its supervision.
#[derive(Debug)]
struct Subscriber {
    client: Arc<Client>,
    pinged_at: Instant,
    /// When its queue was abandoned.
    abandoned_at: Option<Instant>,
}

/// The frames that any client still has to receive. Shared frames count once.
#[derive(Debug, Default)]
struct Backlog(VecDeque<Weak<SharedFrames>>);

impl Backlog {
    fn add(&mut self, shared: &Arc<SharedFrames>) {
        self.0.push_back(Arc::downgrade(shared));
    }

    fn bytes(&mut self) -> usize {
        self.0.retain(|shared| shared.strong_count() > 0);
        self.0.iter().filter_map(Weak::upgrade).map(|shared| shared.bytes()).sum()
    }
}

/// The Broker actor; see the module documentation.
#[derive(Debug)]
pub struct Broker {
    connections: HashMap<u64, Subscriber>,
    demand: Arc<Demand>,
    counters: Arc<Counters>,
    newest: RingBuffer,
    limits: ClientLimits,
    /// The newest settings, if they were changed after the start.
    new_settings: Option<Arc<LiveSettings>>,
    /// Frames that are pushed to the queues at the next flush.
    coalescer: Coalescers,
    /// Timer of the next flush, if one is scheduled.
    flush: Option<SpawnHandle>,
    /// Frames queued for all clients together.
    backlog: Backlog,
    /// Watchers that wait for their answer, each with the time since when it waits.
    waiting: Vec<(oneshot::Sender<()>, Instant)>,
    pace: Pace,
    trim_policy: TrimPolicy,
    /// Sequence number of the next message, by stream.
    next_seq: EnumMap<Stream, u64>,
    closing: bool,
    /// The depths of the queues, and when they were computed.
    depths: Option<(Queues, Instant)>,
}

impl Broker {
    /// Creates a Broker that keeps the `keep` newest entries.
    pub fn new(demand: Arc<Demand>, counters: Arc<Counters>, keep: usize, limits: ClientLimits) -> Self {
        Broker {
            connections: HashMap::new(),
            demand,
            counters,
            newest: RingBuffer::new(keep),
            limits,
            new_settings: None,
            coalescer: Coalescers::default(),
            flush: None,
            backlog: Backlog::default(),
            waiting: Vec::new(),
            pace: Pace::new(Instant::now()),
            trim_policy: TrimPolicy::default(),
            next_seq: EnumMap::default(),
            closing: false,
            depths: None,
        }
    }

    fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.connections.values().map(|connection| &connection.client)
    }

    /// Answers the waiting watchers now, or later if the pace requires the clients to drain their queues first.
    fn release_watchers(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let Some((_, since)) = self.waiting.first() else { return };
        let load = self.clients().filter_map(|client| client.send_queue.filling(now)).collect();
        if self.pace.holds(load, *since, now) {
            ctx.run_later(PAUSE, Self::release_watchers);
            return;
        }
        self.pace.waited(*since, now);
        for (done, _) in self.waiting.drain(..) {
            // Sending fails if the watcher was stopped in the meantime; it does not wait for the answer then.
            let _ = done.send(());
        }
    }

    /// Pushes the coalesced frames to the queues of all subscribers.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if let Some(flush) = self.flush.take() {
            ctx.cancel_future(flush);
        }
        let now = Instant::now();
        for (stream, wire, frames, first_seq) in self.coalescer.take() {
            let shared = SharedFrames::new(frames, self.demand.clients_of(stream, wire));
            self.backlog.add(&shared);
            let hears =
                |c: &&mut Subscriber| c.client.stream == Some(stream) && c.client.send_queue.wire == wire;
            let listeners = self.connections.values_mut().filter(hears);
            listeners.for_each(|c| c.send(&shared, first_seq, now, &self.counters));
        }
    }

    /// Keeps the backlog of all clients within its limit. The clients that lag furthest behind lose their queued
    /// messages first. A client with an empty queue, whose connection holds the unsent bytes, is disconnected instead.
    fn shed(&mut self) {
        let limit = self.limits.all_queues_bytes;
        if self.backlog.bytes() <= limit {
            return;
        }
        let waiting =
            self.connections.values().filter_map(|c| Some((c.client.send_queue.oldest()?, &c.client)));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, slowest) in waiting {
            let (address, queued) = (slowest.address, slowest.send_queue.queued());
            if queued > 0 {
                log::debug!(
                    "client {address}: {queued} messages dropped, all clients together exceed their memory limit"
                );
                slowest.send_queue.shed();
            } else {
                log::debug!("client {address}: disconnected, all clients together exceed their memory limit");
                self.counters.ended(Ending::Shed);
                slowest.disconnect();
            }
            if self.backlog.bytes() <= limit {
                return;
            }
        }
    }

    /// Returns the memory of departed clients to the system once many have left.
    fn shrink(&mut self) {
        if self.trim_policy.is_over(self.connections.len()) {
            self.connections.shrink_to_fit();
            system::give_back();
        }
    }

    fn sweep_interval(&self) -> Duration {
        let shortest = self.limits.ping_interval.min(self.limits.stall_timeout);
        (shortest / 4).clamp(SWEEP_INTERVAL.0, SWEEP_INTERVAL.1)
    }
}

impl Subscriber {
    /// Pings the client when the interval has passed, abandons it when it has stalled or gone silent, and disconnects
    /// it when it does not close in time.
    fn check_liveness(&mut self, now: Instant, limits: &ClientLimits, counters: &Counters) {
        if let Some(since) = self.abandoned_at {
            if now.saturating_duration_since(since) >= ABANDONED_TIMEOUT {
                self.client.disconnect();
            }
        } else if self.client.send_queue.is_stalled(now, limits.stall_timeout) {
            counters.ended(Ending::Stalled);
            self.abandon(now, &format!("read nothing for {:?}", limits.stall_timeout), "too slow");
        } else if self.client.send_queue.wire == Wire::Events {
            // SSE clients cannot send data, so they are exempt from pings and the ping timeout.
        } else if self.client.silent_for(now) >= limits.pong_timeout {
            counters.ended(Ending::Silent);
            self.abandon(now, &format!("said nothing for {:?}", limits.pong_timeout), "no answer to pings");
        } else if now.saturating_duration_since(self.pinged_at) >= limits.ping_interval {
            self.pinged_at = now;
            self.client.send_queue.ping();
        }
    }

    /// Queues messages of the client's stream. Abandons the client if they exceed its queue limits.
    fn send(&mut self, shared: &Arc<SharedFrames>, first_seq: u64, now: Instant, counters: &Counters) {
        if !self.client.send_queue.push(shared, first_seq, now) && self.abandoned_at.is_none() {
            counters.ended(Ending::TooFarBehind);
            self.abandon(now, "is too far behind", "too slow");
        }
    }

    /// Applies the queue limits of new clients to this one. A client without a stream (`/develop`) has no queue limits.
    fn limit(&self, limits: &ClientLimits) {
        if self.client.stream.is_some() {
            self.client.send_queue.set_limits(limits.queue);
        }
    }

    /// Abandons the client if `rules` no longer admit it.
    fn judge(&mut self, rules: &LiveSettings, counters: &Counters) {
        let client = &self.client;
        let token = client.identity.as_ref().map(|identity| identity.digest);
        if self.abandoned_at.is_none() && !rules.access.still_admits(client.address, token, client.stream) {
            log::info!("client {}: the new configuration does not allow it, closing", client.address);
            counters.ended(Ending::NotAllowed);
            self.give_up(Instant::now(), NOT_ALLOWED, "not allowed any more");
        }
    }

    fn abandon(&mut self, now: Instant, what: &str, reason: &str) {
        let queued = self.client.send_queue.queued();
        log::debug!("client {} {what}, closing; {queued} messages were queued", self.client.address);
        self.give_up(now, GOING_AWAY, reason);
    }

    fn give_up(&mut self, now: Instant, code: u16, reason: &str) {
        self.client.send_queue.abandon(code, reason);
        self.abandoned_at = Some(now);
    }
}

impl Actor for Broker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(self.sweep_interval(), |broker, _| {
            let now = Instant::now();
            broker
                .connections
                .values_mut()
                .for_each(|c| c.check_liveness(now, &broker.limits, &broker.counters));
            broker.shed();
            broker.shrink();
        });
    }
}

impl Handler<Publish> for Broker {
    type Result = ();

    fn handle(&mut self, Publish { batch, done }: Publish, ctx: &mut Self::Context) {
        let mut enough = self.limits.flush_interval.is_zero();
        for (stream, next_seq) in &mut self.next_seq {
            for wire in Wire::ALL.into_iter().filter(|wire| self.demand.wants_as(stream, *wire)) {
                let frames = batch.on_wire(stream, wire, *next_seq);
                if !frames.is_empty() {
                    enough |= self.coalescer.add(stream, wire, frames, *next_seq);
                }
            }
            *next_seq += batch.count(stream) as u64;
        }
        self.newest.extend(batch.into_entries());
        if enough {
            self.flush(ctx);
        } else if self.flush.is_none() {
            self.flush = Some(ctx.run_later(self.limits.flush_interval, |broker, ctx| broker.flush(ctx)));
        }
        self.waiting.push((done, Instant::now()));
        // If other watchers wait already, a timer for them is running.
        if self.waiting.len() == 1 {
            self.release_watchers(ctx);
        }
    }
}

impl Handler<Alert> for Broker {
    type Result = ();

    fn handle(&mut self, Alert(text): Alert, _: &mut Self::Context) {
        let now = Instant::now();
        for wire in Wire::ALL {
            let message = Arc::new(wire.single(text.as_bytes()).into());
            let asked = |c: &&Arc<Client>| c.send_queue.notices && c.send_queue.wire == wire;
            self.clients().filter(asked).for_each(|c| c.send_queue.push_if_room(&message, now));
        }
    }
}

impl Handler<Tick> for Broker {
    type Result = ();

    fn handle(&mut self, _: Tick, _: &mut Self::Context) {
        let (text, now) = (heartbeat(clock::unix_us()), Instant::now());
        for wire in Wire::ALL {
            let message = Arc::new(wire.heartbeat(text.as_bytes()).into());
            let hears = |c: &&Arc<Client>| c.stream.is_some() && c.send_queue.wire == wire;
            self.clients().filter(hears).for_each(|c| c.send_queue.push_if_room(&message, now));
        }
    }
}

impl Handler<Subscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Subscribe(client): Subscribe, _: &mut Self::Context) {
        if self.closing {
            client.send_queue.close(GOING_AWAY, "server is stopping");
        }
        if let Some(stream) = client.stream {
            self.demand.add(stream, client.send_queue.wire);
        }
        let mut connection = Subscriber { client, pinged_at: Instant::now(), abandoned_at: None };
        // The client was admitted under the settings of that moment, which may have changed since.
        if let Some(rules) = &self.new_settings {
            connection.limit(&rules.clients);
            connection.judge(rules, &self.counters);
        }
        self.connections.insert(connection.client.id, connection);
    }
}

impl Handler<Waiting> for Broker {
    type Result = ();

    fn handle(&mut self, Waiting(shared): Waiting, _: &mut Self::Context) {
        self.backlog.add(&shared);
    }
}

impl Handler<Unsubscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Unsubscribe(id): Unsubscribe, _: &mut Self::Context) {
        let Some(Subscriber { client, .. }) = self.connections.remove(&id) else { return };
        if let Some(stream) = client.stream {
            self.demand.remove(stream, client.send_queue.wire);
        }
    }
}

impl Handler<NewSettings> for Broker {
    type Result = ();

    fn handle(&mut self, NewSettings(rules): NewSettings, _: &mut Self::Context) {
        self.limits = rules.clients;
        for connection in self.connections.values_mut() {
            connection.limit(&rules.clients);
            connection.judge(&rules, &self.counters);
        }
        self.new_settings = Some(rules);
    }
}

impl Handler<Ping> for Broker {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<QueueDepths> for Broker {
    type Result = Queues;

    /// Looks at every client, so the result is computed at most twice a second.
    fn handle(&mut self, _: QueueDepths, _: &mut Self::Context) -> Queues {
        let now = Instant::now();
        if let Some((queues, _)) =
            self.depths.filter(|(_, at)| now.saturating_duration_since(*at) < DEPTHS_INTERVAL)
        {
            return queues;
        }
        let longest_bytes = self.clients().map(|client| client.send_queue.queued_bytes()).max().unwrap_or(0);
        let queues = Queues { bytes: self.backlog.bytes(), longest_bytes };
        self.depths = Some((queues, now));
        queues
    }
}

impl Handler<Newest> for Broker {
    type Result = Vec<Arc<CertEntry>>;

    fn handle(&mut self, _: Newest, _: &mut Self::Context) -> Self::Result {
        self.newest.entries()
    }
}

impl Handler<Clients> for Broker {
    type Result = Vec<Arc<Client>>;

    fn handle(&mut self, _: Clients, _: &mut Self::Context) -> Self::Result {
        let mut clients: Vec<_> = self.clients().cloned().collect();
        clients.sort_unstable_by_key(|c| c.id);
        clients
    }
}

impl Handler<CloseClients> for Broker {
    type Result = ();

    fn handle(&mut self, _: CloseClients, ctx: &mut Self::Context) {
        self.flush(ctx);
        self.closing = true;
        log::info!("closing {} clients", self.connections.len());
        self.clients().for_each(|c| c.send_queue.close(GOING_AWAY, "server is stopping"));
    }
}

impl Handler<DisconnectClients> for Broker {
    type Result = usize;

    fn handle(&mut self, _: DisconnectClients, _: &mut Self::Context) -> usize {
        self.clients().for_each(|c| c.disconnect());
        self.connections.len()
    }
}
