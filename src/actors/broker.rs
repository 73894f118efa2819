//! The Broker actor: appends the messages to the tails that the clients read, wakes the clients, and keeps the newest
//! entries for the JSON routes.
//!
//! The Broker waits for no client. It closes clients that stop reading, because the connection of such a client waits for
//! its socket and cannot close itself.

mod messages;
#[cfg(test)]
mod tests;

use super::client::Client;
use super::coalescer::Coalescers;
use super::reader::{ABANDONED_TIMEOUT, GOING_AWAY, NORMAL, NOT_ALLOWED, SharedFrames, Tail, Unit};
use super::ring_buffer::RingBuffer;
use super::trim_policy::TrimPolicy;
use crate::clock;
use crate::config::ClientLimits;
use crate::counters::{Counters, Ending};
use crate::live_config::LiveSettings;
use crate::message::{CertEntry, Demand, Stream, Wire};
use crate::spare;
use crate::system;
use actix::prelude::*;
use enum_map::EnumMap;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

pub(crate) use messages::{
    Alert, BrokerFigures, Clients, CloseClients, DisconnectClients, Join, NewSettings, Newest, Ping, Publish,
    ReadFigures, Subscribe, Tick, Unsubscribe,
};

/// The client sweep runs four times per shortest client timeout, clamped to this range.
const SWEEP_INTERVAL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Mailbox capacity. The journal waits while it is full, and routes are few, so this is far above the usual load.
const MAILBOX: usize = 1024;

/// A client with the state of its supervision.
#[derive(Debug)]
struct Subscriber {
    client: Arc<Client>,
    pinged_at: Instant,
    /// When its queue was abandoned.
    abandoned_at: Option<Instant>,
}

/// The tails of all streams and wire formats.
#[derive(Debug, Clone, Default)]
pub struct Tails(Arc<EnumMap<Stream, EnumMap<Wire, Arc<Tail>>>>);

impl Tails {
    /// The newest messages of `stream` on `wire`.
    pub(crate) fn of(&self, stream: Stream, wire: Wire) -> &Arc<Tail> {
        &self.0[stream][wire]
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Tail>> {
        self.0.values().flat_map(EnumMap::values)
    }

    /// Memory of all tails, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.all().map(|tail| tail.bytes()).sum()
    }
}

/// Units that are no longer in a tail, while a client that is taking one keeps it in memory.
#[derive(Debug, Default)]
struct Evicted(VecDeque<Weak<SharedFrames>>);

impl Evicted {
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
    tails: Tails,
    evicted: Evicted,
    /// Frames that are appended to the tails at the next flush.
    coalescer: Coalescers,
    /// Timer of the next flush, if one is scheduled.
    flush: Option<SpawnHandle>,
    trim_policy: TrimPolicy,
    /// The number behind the last published entry.
    next_seq: u64,
    closing: bool,
}

impl Broker {
    /// Creates a Broker that keeps the `keep` newest entries. The next entry has the number `next_seq`.
    pub fn new(
        demand: Arc<Demand>,
        counters: Arc<Counters>,
        tails: Tails,
        keep: usize,
        limits: ClientLimits,
        next_seq: u64,
    ) -> Self {
        Broker {
            connections: HashMap::new(),
            demand,
            counters,
            newest: RingBuffer::new(keep),
            limits,
            new_settings: None,
            tails,
            evicted: Evicted::default(),
            coalescer: Coalescers::default(),
            flush: None,
            trim_policy: TrimPolicy::default(),
            next_seq,
            closing: false,
        }
    }

    fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.connections.values().map(|connection| &connection.client)
    }

    /// Appends the coalesced frames to the tails, and wakes the clients that read them.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if let Some(flush) = self.flush.take() {
            ctx.cancel_future(flush);
        }
        let mut has_grown: EnumMap<Stream, EnumMap<Wire, bool>> = EnumMap::default();
        for (stream, wire, frames) in self.coalescer.take() {
            let units = SharedFrames::joined(&frames, self.demand.clients_of(stream, wire));
            let last = units.len() - 1;
            for (i, shared) in units.into_iter().enumerate() {
                // Entries without a message are covered by the unit of the next message, or by the last unit.
                let end_seq = if i < last { shared.frames().end_seq() } else { None };
                self.append(stream, wire, shared, end_seq.unwrap_or(self.next_seq));
            }
            has_grown[stream][wire] = true;
        }
        self.wake(|stream, wire| has_grown[stream][wire]);
        self.evict();
    }

    fn append(&self, stream: Stream, wire: Wire, shared: Arc<SharedFrames>, end_seq: u64) {
        self.tails.of(stream, wire).push(Unit { shared, end_seq, since: Instant::now() });
    }

    /// Wakes the clients of the tails that have grown.
    fn wake(&self, has_grown: impl Fn(Stream, Wire) -> bool) {
        for client in self.clients() {
            if client.reader.stream().is_some_and(|stream| has_grown(stream, client.reader.wire)) {
                client.reader.wake();
            }
        }
    }

    /// Keeps the tails within their limit. The oldest units leave memory; clients that need them read the journal.
    fn evict(&mut self) {
        let mut bytes = self.tails.bytes();
        while bytes > self.limits.ring_bytes {
            let oldest = self.tails.all().filter_map(|tail| Some((tail.oldest()?, tail)));
            let Some((_, tail)) = oldest.min_by_key(|(since, _)| *since) else { return };
            let Some(unit) = tail.evict() else { return };
            bytes -= unit.shared.bytes();
            self.evicted.0.push_back(Arc::downgrade(&unit.shared));
        }
    }

    /// Bounds the memory of units that are no longer in a tail. Each is kept by a client that is taking it; those that have
    /// accepted nothing for longest are disconnected.
    fn shed(&mut self) {
        if self.evicted.bytes() <= self.limits.ring_bytes {
            return;
        }
        let waiting =
            self.clients().filter_map(|client| Some((client.reader.waiting_since()?, client.clone())));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, slowest) in waiting {
            log::debug!("client {}: disconnected, it keeps old messages in memory", slowest.address);
            self.counters.ended(Ending::Shed);
            slowest.disconnect();
            if self.evicted.bytes() <= self.limits.ring_bytes {
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
        if self.client.ends_at_us.is_some_and(|end_us| clock::unix_us() >= end_us) {
            self.client.reader.close(NORMAL, "");
        }
        if let Some(since) = self.abandoned_at {
            if now.saturating_duration_since(since) >= ABANDONED_TIMEOUT {
                self.client.disconnect();
            }
        } else if self.client.reader.is_stalled(now, limits.stall_timeout) {
            counters.ended(Ending::Stalled);
            self.abandon(now, &format!("read nothing for {:?}", limits.stall_timeout), "too slow");
        } else if !self.client.reader.wire.is_web_socket() {
            // Clients of plain HTTP cannot send data, so they are exempt from pings and the ping timeout.
        } else if self.client.silent_for(now) >= limits.pong_timeout {
            counters.ended(Ending::Silent);
            self.abandon(now, &format!("said nothing for {:?}", limits.pong_timeout), "no answer to pings");
        } else if now.saturating_duration_since(self.pinged_at) >= limits.ping_interval {
            self.pinged_at = now;
            self.client.reader.ping();
        }
    }

    /// Abandons the client if `rules` no longer admit it.
    fn judge(&mut self, rules: &LiveSettings, counters: &Counters) {
        let client = &self.client;
        let token = client.identity.as_ref().map(|identity| identity.digest);
        if self.abandoned_at.is_none()
            && !rules.access.still_admits(client.address, token, client.reader.stream())
        {
            log::info!("client {}: the new configuration does not allow it, closing", client.address);
            counters.ended(Ending::NotAllowed);
            self.give_up(Instant::now(), NOT_ALLOWED, "not allowed any more");
        }
    }

    fn abandon(&mut self, now: Instant, what: &str, reason: &str) {
        log::debug!("client {} {what}, closing", self.client.address);
        self.give_up(now, GOING_AWAY, reason);
    }

    fn give_up(&mut self, now: Instant, code: u16, reason: &str) {
        self.client.reader.abandon(code, reason);
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

    fn handle(&mut self, Publish(batch): Publish, ctx: &mut Self::Context) {
        let mut enough = self.limits.flush_interval.is_zero();
        for stream in Stream::ALL {
            for wire in Wire::ALL.into_iter().filter(|wire| self.demand.wants_as(stream, *wire)) {
                let frames = batch.on_wire(stream, wire);
                if !frames.is_empty() {
                    enough |= self.coalescer.add(stream, wire, frames);
                }
            }
        }
        let entries = batch.into_entries();
        if let Some(last) = entries.last().and_then(|entry| entry.seq) {
            self.next_seq = last + 1;
        }
        self.newest.extend(entries);
        if enough {
            self.flush(ctx);
        } else if self.flush.is_none() {
            self.flush = Some(ctx.run_later(self.limits.flush_interval, |broker, ctx| broker.flush(ctx)));
        }
    }
}

impl Handler<Alert> for Broker {
    type Result = ();

    fn handle(&mut self, Alert(text): Alert, _: &mut Self::Context) {
        for wire in Wire::ALL {
            let message = Arc::new(wire.single(text.as_bytes()).into());
            let asked = |c: &&Arc<Client>| c.reader.notices && c.reader.wire == wire;
            self.clients().filter(asked).for_each(|c| c.reader.push(&message));
        }
    }
}

impl Handler<Tick> for Broker {
    type Result = ();

    /// A client at the tail reads the heartbeat behind everything before it. The others get their own.
    fn handle(&mut self, _: Tick, ctx: &mut Self::Context) {
        self.flush(ctx);
        let now_us = clock::unix_us();
        for wire in Wire::ALL {
            let message = Arc::new(SharedFrames::from(wire.heartbeat(now_us, self.next_seq - 1)));
            for stream in Stream::ALL.into_iter().filter(|stream| self.demand.wants_as(*stream, wire)) {
                self.append(stream, wire, message.clone(), self.next_seq);
            }
        }
        self.wake(|_, _| true);
        for client in self.clients().filter(|client| client.reader.is_replaying()) {
            let heartbeat = client.reader.wire.heartbeat(now_us, client.reader.cursor().saturating_sub(1));
            client.reader.push(&Arc::new(heartbeat.into()));
        }
        self.evict();
        spare::give_back();
    }
}

impl Handler<Subscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Subscribe(client): Subscribe, ctx: &mut Self::Context) {
        if let Some(stream) = client.reader.stream() {
            // What was published before is not in a tail that nobody has read.
            self.flush(ctx);
            if !self.demand.wants_as(stream, client.reader.wire) {
                self.tails.of(stream, client.reader.wire).restart(self.next_seq);
            }
            self.demand.add(stream, client.reader.wire);
            client.reader.join_at(client.start.unwrap_or(self.next_seq));
        }
        if self.closing {
            client.reader.close(GOING_AWAY, "server is stopping");
        }
        let mut connection = Subscriber { client, pinged_at: Instant::now(), abandoned_at: None };
        // The client was admitted under the settings of that moment, which may have changed since.
        if let Some(rules) = &self.new_settings {
            connection.judge(rules, &self.counters);
        }
        self.connections.insert(connection.client.id, connection);
    }
}

impl Handler<Join> for Broker {
    type Result = ();

    fn handle(&mut self, Join { reader, end_seq }: Join, ctx: &mut Self::Context) {
        self.flush(ctx);
        reader.join_before(end_seq);
    }
}

impl Handler<Unsubscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Unsubscribe(id): Unsubscribe, _: &mut Self::Context) {
        let Some(Subscriber { client, .. }) = self.connections.remove(&id) else { return };
        if let Some(stream) = client.reader.stream() {
            self.demand.remove(stream, client.reader.wire);
            if !self.demand.wants_as(stream, client.reader.wire) {
                self.tails.of(stream, client.reader.wire).restart(self.next_seq);
            }
        }
    }
}

impl Handler<NewSettings> for Broker {
    type Result = ();

    fn handle(&mut self, NewSettings(rules): NewSettings, _: &mut Self::Context) {
        self.limits = rules.clients;
        for connection in self.connections.values_mut() {
            connection.judge(&rules, &self.counters);
        }
        self.new_settings = Some(rules);
    }
}

impl Handler<Ping> for Broker {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<ReadFigures> for Broker {
    type Result = BrokerFigures;

    fn handle(&mut self, _: ReadFigures, _: &mut Self::Context) -> BrokerFigures {
        BrokerFigures {
            ring_bytes: self.tails.bytes() + self.evicted.bytes(),
            replays: self.clients().filter(|client| client.reader.is_replaying()).count(),
        }
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
        self.clients().for_each(|c| c.reader.close(GOING_AWAY, "server is stopping"));
    }
}

impl Handler<DisconnectClients> for Broker {
    type Result = usize;

    fn handle(&mut self, _: DisconnectClients, _: &mut Self::Context) -> usize {
        self.clients().for_each(|c| c.disconnect());
        self.connections.len()
    }
}
