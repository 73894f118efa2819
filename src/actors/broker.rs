//! The Broker actor: numbers the messages, keeps the newest, hands them to every client's queue.
//!
//! It never waits for a client. It is the one that ends clients which take nothing, since such a client's own
//! session does not run.

use super::client::{Client, GOING_AWAY};
use crate::clock;
use crate::message::{CertEntry, Demand, EntryBatch, Frames, Stream, heartbeat};
use actix::prelude::*;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often clients are looked at for having stalled.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// After its queue was given up, how long a stalled client has to take the close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Watchers wait for their answers and routes are few, so this is far above what is ever used.
const MAILBOX: usize = 1024;

/// Entries of one log, in order, to be sent to everyone. The answer comes when they stand in all queues.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Publish(pub EntryBatch);

/// Time for a heartbeat.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Tick;

/// A client wants its stream from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Arc<Client>);

/// The client with this id is gone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Unsubscribe(pub u64);

/// Asks for the newest entries, oldest first.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Arc<CertEntry>>")]
pub struct Newest;

/// Asks for the connected clients, in the order in which they came.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Arc<Client>>")]
pub struct Clients;

/// Ends the clients: what is queued for them is still sent, then they are told to go.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CloseClients;

/// Ends the connections of all clients that are still there.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub struct DisconnectClients;

/// See the module.
#[derive(Debug)]
pub struct Broker {
    clients: HashMap<u64, Arc<Client>>,
    /// Clients whose queue was given up, and when.
    abandoned: HashMap<u64, Instant>,
    demand: Arc<Demand>,
    newest: VecDeque<Arc<CertEntry>>,
    keep: usize,
    stall_timeout: Duration,
    /// The number of the next message.
    next_sequence: u64,
    closing: bool,
}

impl Broker {
    /// Keeps the `keep` newest messages; ends a client that took nothing for `stall_timeout`.
    pub fn new(demand: Arc<Demand>, keep: usize, stall_timeout: Duration) -> Self {
        Broker {
            clients: HashMap::new(),
            abandoned: HashMap::new(),
            demand,
            newest: VecDeque::with_capacity(keep),
            keep,
            stall_timeout,
            next_sequence: 0,
            closing: false,
        }
    }

    fn send(&self, stream: Stream, frames: &Arc<Frames>) {
        self.clients
            .values()
            .filter(|c| c.stream == Some(stream))
            .for_each(|c| c.outbox.push(frames));
    }

    fn remember(&mut self, entries: Vec<CertEntry>) {
        self.next_sequence += entries.len() as u64;
        let skip = entries.len().saturating_sub(self.keep);
        for entry in entries.into_iter().skip(skip) {
            if self.newest.len() == self.keep {
                self.newest.pop_front();
            }
            self.newest.push_back(Arc::new(entry));
        }
    }

    /// Gives up stalled clients, and disconnects those given up that did not go.
    fn sweep(&mut self, now: Instant) {
        for (id, client) in &self.clients {
            match self.abandoned.get(id) {
                None if client.outbox.is_stalled(now, self.stall_timeout) => {
                    log::info!(
                        "client {}: took nothing for {:?}, closing; {} messages were waiting",
                        client.address,
                        self.stall_timeout,
                        client.outbox.queued()
                    );
                    client.outbox.abandon(GOING_AWAY, "too slow");
                    self.abandoned.insert(*id, now);
                }
                Some(since) if now.saturating_duration_since(*since) >= CLOSE_GRACE => {
                    client.disconnect()
                }
                _ => {}
            }
        }
    }
}

impl Actor for Broker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(SWEEP_INTERVAL, |broker, _| broker.sweep(Instant::now()));
    }
}

impl Handler<Publish> for Broker {
    type Result = ();

    fn handle(&mut self, Publish(batch): Publish, _: &mut Self::Context) {
        for stream in Stream::ALL {
            if self.demand.wants(stream) {
                self.send(stream, batch.frames(stream));
            }
        }
        self.remember(batch.into_entries());
    }
}

impl Handler<Tick> for Broker {
    type Result = ();

    fn handle(&mut self, _: Tick, _: &mut Self::Context) {
        let frames = Frames::single(heartbeat(clock::unix_us()).as_bytes());
        self.clients
            .values()
            .filter(|c| c.stream.is_some())
            .for_each(|c| c.outbox.push_if_room(&frames));
    }
}

impl Handler<Subscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Subscribe(client): Subscribe, _: &mut Self::Context) {
        if self.closing {
            client.outbox.close(GOING_AWAY, "server is stopping");
        }
        if let Some(stream) = client.stream {
            self.demand.add(stream);
        }
        self.clients.insert(client.id, client);
    }
}

impl Handler<Unsubscribe> for Broker {
    type Result = ();

    fn handle(&mut self, Unsubscribe(id): Unsubscribe, _: &mut Self::Context) {
        self.abandoned.remove(&id);
        if let Some(stream) = self.clients.remove(&id).and_then(|c| c.stream) {
            self.demand.remove(stream);
        }
    }
}

impl Handler<Newest> for Broker {
    type Result = Vec<Arc<CertEntry>>;

    fn handle(&mut self, _: Newest, _: &mut Self::Context) -> Self::Result {
        self.newest.iter().cloned().collect()
    }
}

impl Handler<Clients> for Broker {
    type Result = Vec<Arc<Client>>;

    fn handle(&mut self, _: Clients, _: &mut Self::Context) -> Self::Result {
        let mut clients: Vec<_> = self.clients.values().cloned().collect();
        clients.sort_unstable_by_key(|c| c.id);
        clients
    }
}

impl Handler<CloseClients> for Broker {
    type Result = ();

    fn handle(&mut self, _: CloseClients, _: &mut Self::Context) {
        self.closing = true;
        log::info!("closing {} clients after {} messages", self.clients.len(), self.next_sequence);
        self.clients.values().for_each(|c| c.outbox.close(GOING_AWAY, "server is stopping"));
    }
}

impl Handler<DisconnectClients> for Broker {
    type Result = usize;

    fn handle(&mut self, _: DisconnectClients, _: &mut Self::Context) -> usize {
        self.clients.values().for_each(|c| c.disconnect());
        self.clients.len()
    }
}
