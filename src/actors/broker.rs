//! The Broker actor: appends the messages to the tails that the clients read, wakes the clients, and keeps the newest
//! entries for the JSON routes.
//!
//! The Broker waits for no client. It closes clients that stop reading, because the connection of such a client waits for
//! its socket and cannot close itself.

mod audiences;
mod messages;
mod ring;
#[cfg(test)]
mod tests;

use super::client::Client;
use super::coalescer::Coalescers;
use super::reader::{ABANDONED_TIMEOUT, Feed, GOING_AWAY, NORMAL, NOT_ALLOWED, SharedFrames, Unit};
use super::ring_buffer::RingBuffer;
use super::trim_policy::TrimPolicy;
use crate::clock;
use crate::config::ClientLimits;
use crate::counters::{Counters, Ending};
use crate::live_config::LiveSettings;
use crate::message::{CertEntry, Demand, Wire};
use crate::spare;
use crate::system;
use crate::unique::Uniques;
use actix::fut::wrap_future;
use actix::prelude::*;
use audiences::Audiences;
use enum_map::EnumMap;
use ring::Ring;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

pub(crate) use messages::{
    Alert, BrokerFigures, Clients, CloseClients, DisconnectClients, FiltersChanged, Join, Missed,
    NewSettings, Newest, Ping, Publish, ReadFigures, Subscribe, Tick, Unsubscribe,
};

/// The client sweep runs four times per shortest client timeout, clamped to this range.
const SWEEP_INTERVAL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Told to clients for which `unique` means something else than before.
const FILTER_CHANGED: &str = "its filter has changed";
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

/// The Broker actor; see the module documentation.
pub struct Broker {
    connections: HashMap<u64, Subscriber>,
    audiences: Audiences,
    demand: Arc<Demand>,
    counters: Arc<Counters>,
    newest: RingBuffer,
    limits: ClientLimits,
    /// The newest settings, if they were changed after the start.
    new_settings: Option<Arc<LiveSettings>>,
    ring: Ring,
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
        uniques: Arc<Uniques>,
        keep: usize,
        limits: ClientLimits,
        next_seq: u64,
    ) -> Self {
        Broker {
            connections: HashMap::new(),
            audiences: Audiences::new(uniques),
            demand,
            counters,
            newest: RingBuffer::new(keep),
            limits,
            new_settings: None,
            ring: Ring::default(),
            coalescer: Coalescers::default(),
            flush: None,
            trim_policy: TrimPolicy::default(),
            next_seq,
            closing: false,
        }
    }

    /// All who read: clients and outputs.
    fn readers(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.connections.values().map(|connection| &connection.client)
    }

    fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.readers().filter(|client| !client.is_output)
    }

    /// Appends the coalesced frames to the tails, and wakes the clients that read them.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if let Some(flush) = self.flush.take() {
            ctx.cancel_future(flush);
        }
        for (feed, frames) in self.coalescer.take() {
            // Its last client may have left meanwhile.
            let Some(audience) = self.audiences.get(feed) else { continue };
            let units = SharedFrames::joined(&frames, audience.len());
            let last = units.len() - 1;
            for (i, shared) in units.into_iter().enumerate() {
                // Entries without a message are covered by the unit of the next message, or by the last unit.
                let end_seq = if i < last { shared.frames().end_seq() } else { None };
                let end_seq = end_seq.unwrap_or(self.next_seq);
                self.ring.push(&audience.feed, Unit { shared, end_seq });
            }
            audience.wake();
        }
        self.ring.evict(self.limits.ring_bytes);
    }

    /// Merges filters on another thread, if that is due. Those before stay in use meanwhile.
    fn merge_filters(&mut self, ctx: &mut Context<Self>) {
        let Some(merge) = self.audiences.filtered.begin_merge() else { return };
        let merged = wrap_future(spawn_blocking(move || merge.run()));
        ctx.spawn(merged.map(|merged, broker: &mut Broker, ctx| {
            let merged =
                merged.map_err(|_| "the thread ended").and_then(|merged| merged.map_err(|_| "too large"));
            let merged =
                merged.inspect_err(|why| log::error!("failed to merge the filters of clients: {why}"));
            let is_merged = merged.is_ok();
            broker.audiences.filtered.end_merge(merged.ok());
            // Those that came meanwhile. After a failure, the next client is waited for.
            if is_merged {
                broker.merge_filters(ctx);
            }
        }));
    }

    /// Bounds the memory of units that are no longer in a tail. Each is kept by a client that is taking it; those that have
    /// accepted nothing for longest are disconnected.
    fn shed(&mut self) {
        if self.ring.evicted_bytes() <= self.limits.ring_bytes {
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
            if self.ring.evicted_bytes() <= self.limits.ring_bytes {
                return;
            }
        }
    }

    /// Lets a client read `feed` from its start on.
    fn join(&mut self, feed: &Arc<Feed>, client: &Arc<Client>, ctx: &mut Context<Self>) {
        feed.add_to(&self.demand, client.is_output);
        if self.audiences.join(feed, client.clone()) {
            // What was published before is not in a tail that nobody has read.
            self.ring.restart(feed, self.next_seq);
            self.merge_filters(ctx);
        }
        client.reader.join_at(client.start.unwrap_or(self.next_seq));
    }

    /// Returns the memory of departed clients to the system once many have left.
    fn shrink(&mut self) {
        if self.trim_policy.is_over(self.connections.len()) {
            self.connections.shrink_to_fit();
            self.audiences.shrink_to_fit();
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
        if self.client.is_output {
            return;
        }
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
        let identity = client.identity.as_ref();
        let (token, filter) =
            (identity.map(|token| token.digest), identity.and_then(|token| token.filter.as_deref()));
        if self.abandoned_at.is_none()
            && !client.is_output
            && !rules.access.still_admits(client.address, token, filter, client.reader.stream())
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

    fn handle(&mut self, Publish { batch, end_seq }: Publish, ctx: &mut Self::Context) {
        let mut enough = self.limits.flush_interval.is_zero();
        for (feed, frames) in self.audiences.messages(&batch) {
            enough |= self.coalescer.add(&feed, frames);
        }
        self.next_seq = end_seq;
        self.newest.extend(batch.into_entries());
        if enough {
            self.flush(ctx);
        } else if self.flush.is_none() {
            self.flush = Some(ctx.run_later(self.limits.flush_interval, |broker, ctx| broker.flush(ctx)));
        }
    }
}

impl Handler<Missed> for Broker {
    type Result = ();

    /// No tail reaches back to where the clients are, so they read the journal.
    fn handle(&mut self, Missed { next_seq }: Missed, ctx: &mut Self::Context) {
        self.flush(ctx);
        self.next_seq = next_seq;
        for audience in self.audiences.all() {
            self.ring.cut_off(&audience.feed, next_seq);
            audience.wake();
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
        let heartbeat = |wire: Wire| Arc::new(SharedFrames::from(wire.heartbeat(now_us, self.next_seq - 1)));
        let heartbeats = EnumMap::from_fn(heartbeat);
        for audience in self.audiences.all() {
            let shared = heartbeats[audience.feed.asked.wire].clone();
            self.ring.push(&audience.feed, Unit { shared, end_seq: self.next_seq });
            audience.wake();
        }
        for client in self.readers().filter(|client| client.reader.is_replaying()) {
            let heartbeat = client.reader.wire.heartbeat(now_us, client.reader.cursor().saturating_sub(1));
            client.reader.push(&Arc::new(heartbeat.into()));
        }
        self.ring.evict(self.limits.ring_bytes);
        spare::give_back();
    }
}

impl Handler<Subscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Subscribe(client): Subscribe, ctx: &mut Self::Context) {
        if let Some(feed) = client.reader.feed() {
            self.join(feed, &client, ctx);
        }
        if self.closing {
            client.reader.close(GOING_AWAY, "server is stopping");
        } else if client.reader.feed().is_some_and(|feed| feed.asked.is_unique_outdated()) {
            client.reader.close(GOING_AWAY, FILTER_CHANGED);
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

    fn handle(&mut self, Unsubscribe(id): Unsubscribe, ctx: &mut Self::Context) {
        let Some(Subscriber { client, .. }) = self.connections.remove(&id) else { return };
        if let Some(feed) = client.reader.feed() {
            feed.remove_from(&self.demand, client.is_output);
            if self.audiences.leave(feed, id) {
                self.ring.restart(feed, self.next_seq);
                self.merge_filters(ctx);
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

impl Handler<FiltersChanged> for Broker {
    type Result = ();

    fn handle(&mut self, _: FiltersChanged, ctx: &mut Self::Context) {
        self.audiences.filtered.refresh();
        self.merge_filters(ctx);
        // What was the first of each is not the first by other values. Those who come back begin anew with that.
        for audience in self.audiences.all().filter(|audience| audience.feed.asked.is_unique_outdated()) {
            audience.close(GOING_AWAY, FILTER_CHANGED);
        }
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
            ring_bytes: self.ring.bytes() + self.ring.evicted_bytes(),
            replays: self.clients().filter(|client| client.reader.is_replaying()).count(),
            filters: self.audiences.filtered.len(),
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
        log::info!("closing {} clients", self.clients().count());
        self.readers().for_each(|c| c.reader.close(GOING_AWAY, "server is stopping"));
    }
}

impl Handler<DisconnectClients> for Broker {
    type Result = usize;

    fn handle(&mut self, _: DisconnectClients, _: &mut Self::Context) -> usize {
        self.clients().for_each(|c| c.disconnect());
        self.clients().count()
    }
}
