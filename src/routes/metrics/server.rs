//! The metrics of the server and its clients.

use super::families::{Families, Labels, one};
use crate::access::LimitKey;
use crate::actors::broker::BrokerFigures;
use crate::actors::log_directory::ListStatus;
use crate::journal::StoreFigures;
use crate::message::{Stream, Wire};
use crate::routes::AppState;
use std::fmt::Error;
use std::time::SystemTime;

/// The metrics of the server at one moment.
#[derive(Debug)]
pub(super) struct ServerFigures {
    logs: usize,
    lists: Vec<ListStatus>,
    clients: Vec<(Stream, Wire, usize)>,
    /// By stream: messages sent, bytes sent, messages dropped.
    streams: Vec<(Stream, (u64, u64, u64))>,
    endings: Vec<(&'static str, u64)>,
    refusals: Vec<(String, u64)>,
    connections: usize,
    most_connections: usize,
    broker: BrokerFigures,
    most_ring_bytes: usize,
    filter_bytes: usize,
    most_filter_bytes: usize,
    unique_bytes: usize,
    journal: StoreFigures,
    unsent_bytes: usize,
    most_unsent_bytes: usize,
    are_positions_saved: bool,
    saved_seconds_ago: Option<f64>,
    uptime_seconds: f64,
}

impl ServerFigures {
    pub(super) fn read(state: &AppState, broker: BrokerFigures) -> Self {
        let rules = state.live.settings();
        let pairs = Stream::ALL.into_iter().flat_map(|stream| Wire::ALL.map(|wire| (stream, wire)));
        let name = |refusal| serde_json::to_value(refusal).ok().and_then(|name| Some(name.as_str()?.into()));
        ServerFigures {
            logs: state.logs.all().len(),
            lists: state.logs.lists(),
            clients: pairs
                .map(|(stream, wire)| (stream, wire, state.demand.clients_of(stream, wire)))
                .collect(),
            streams: Stream::ALL.map(|stream| (stream, state.counters.of(stream).read())).into(),
            endings: state.counters.endings().map(|(why, count)| (why.name(), count)).collect(),
            refusals: state
                .counters
                .refusals()
                .filter_map(|(why, count)| Some((name(why)?, count)))
                .collect(),
            connections: state.slots.taken(LimitKey::Everyone),
            most_connections: rules.access.connections,
            broker,
            most_ring_bytes: rules.clients.ring_bytes,
            filter_bytes: state.subscriptions.feeds.filter_bytes(),
            most_filter_bytes: rules.clients.filter_bytes,
            unique_bytes: state.subscriptions.uniques.bytes(),
            journal: state.subscriptions.journal.figures(),
            unsent_bytes: state.connections.held(),
            most_unsent_bytes: rules.clients.all_unsent_bytes,
            are_positions_saved: state.positions.error().is_none(),
            saved_seconds_ago: state.positions.saved_ago().map(|ago| ago.as_secs_f64()),
            uptime_seconds: state.begin.elapsed().as_secs_f64(),
        }
    }

    pub(super) fn write(&self, families: &mut Families) -> Result<(), Error> {
        self.write_clients(families)?;
        self.write_memory(families)?;
        self.write_journal(families)?;
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_string())];
        families.info("certstream_build", "Version of the program", version)?;
        families.gauge(
            "certstream_uptime_seconds",
            "Time since the program started",
            one(self.uptime_seconds),
        )?;
        families.gauge("certstream_logs", "Watched logs", one(self.logs as f64))?;
        let now = SystemTime::now();
        let age =
            |list: &ListStatus| Some((vec![("list", list.name.to_string())], list.age(now)?.as_secs_f64()));
        families.gauge(
            "certstream_log_list_age_seconds",
            "Time since the log list in use was last confirmed by its publisher",
            self.lists.iter().filter_map(age),
        )?;
        families.gauge(
            "certstream_positions_saved",
            "1 if the last attempt to save the logs' positions succeeded",
            one(u8::from(self.are_positions_saved).into()),
        )?;
        families.gauge(
            "certstream_positions_saved_age_seconds",
            "Time since the logs' positions were last saved or unchanged",
            self.saved_seconds_ago.into_iter().flat_map(one),
        )
    }

    fn write_clients(&self, families: &mut Families) -> Result<(), Error> {
        let of = |stream: Stream| vec![("stream", stream.to_string())];
        let clients = self.clients.iter().map(|(stream, wire, count)| {
            let mut labels = of(*stream);
            labels.push(("wire", wire.name().into()));
            (labels, *count as f64)
        });
        families.gauge("certstream_clients", "Clients subscribed to the stream", clients)?;
        families.gauge(
            "certstream_replays",
            "Clients that read the journal",
            one(self.broker.replays as f64),
        )?;
        families.gauge(
            "certstream_filters",
            "Different filters, streams and wire formats of clients that have a filter",
            one(self.broker.filters as f64),
        )?;
        let streams = || self.streams.iter();
        families.counter(
            "certstream_sent_messages",
            "Messages written to clients' connections",
            streams().map(|(stream, (messages, ..))| (of(*stream), *messages)),
        )?;
        families.counter(
            "certstream_sent_bytes",
            "Bytes written to clients' connections, before TLS",
            streams().map(|(stream, (_, bytes, _))| (of(*stream), *bytes)),
        )?;
        families.counter(
            "certstream_dropped_messages",
            "Messages dropped because clients were too slow",
            streams().map(|(stream, (.., dropped))| (of(*stream), *dropped)),
        )?;
        let endings = self.endings.iter().map(|(why, count)| (vec![("reason", why.to_string())], *count));
        families.counter(
            "certstream_clients_ended",
            "Connections closed by the server, by reason",
            endings,
        )?;
        let refusals = self.refusals.iter().map(|(why, count)| (vec![("reason", why.clone())], *count));
        families.counter("certstream_refused", "Refused connections and requests, by reason", refusals)?;
        families.gauge("certstream_connections", "Open connections", one(self.connections as f64))?;
        families.gauge(
            "certstream_connections_limit",
            "Maximum number of open connections",
            one(self.most_connections as f64),
        )
    }

    fn write_memory(&self, families: &mut Families) -> Result<(), Error> {
        families.gauge(
            "certstream_ring_bytes",
            "Bytes of the newest messages in memory",
            one(self.broker.ring_bytes as f64),
        )?;
        families.gauge(
            "certstream_ring_bytes_limit",
            "Maximum number of bytes of the newest messages in memory",
            one(self.most_ring_bytes as f64),
        )?;
        families.gauge(
            "certstream_filter_bytes",
            "Estimated memory of the filters of all clients",
            one(self.filter_bytes as f64),
        )?;
        families.gauge(
            "certstream_filter_bytes_limit",
            "Maximum memory of the filters of all clients",
            one(self.most_filter_bytes as f64),
        )?;
        families.gauge(
            "certstream_unique_bytes",
            "Memory of what was seen, for clients that want each certificate once",
            one(self.unique_bytes as f64),
        )?;
        families.gauge(
            "certstream_unsent_bytes",
            "Bytes held for clients that do not read, in the kernel and in responses",
            one(self.unsent_bytes as f64),
        )?;
        families.gauge(
            "certstream_unsent_bytes_limit",
            "Maximum number of bytes held for clients that do not read",
            one(self.most_unsent_bytes as f64),
        )
    }

    fn write_journal(&self, families: &mut Families) -> Result<(), Error> {
        let journal = &self.journal;
        families.gauge("certstream_journal_bytes", "Size of the journal", one(journal.bytes as f64))?;
        families.gauge(
            "certstream_journal_segments",
            "Segments of the journal",
            one(journal.segments as f64),
        )?;
        families.gauge(
            "certstream_journal_oldest_seq",
            "Number of the oldest entry in the journal",
            one(journal.floor as f64),
        )?;
        families.gauge(
            "certstream_journal_newest_seq",
            "Number of the newest entry",
            one(journal.next_seq.saturating_sub(1) as f64),
        )?;
        families.counter(
            "certstream_journal_blocks",
            "Blocks appended to the journal",
            [(Labels::new(), journal.appended_blocks)],
        )?;
        families.counter(
            "certstream_journal_appended_bytes",
            "Bytes appended to the journal",
            [(Labels::new(), journal.appended_bytes)],
        )?;
        families.counter(
            "certstream_journal_failed_appends",
            "Blocks that could not be appended to the journal",
            [(Labels::new(), journal.failed_appends)],
        )?;
        families.counter_of_seconds(
            "certstream_journal_append_seconds",
            "Time spent appending blocks to the journal",
            journal.append_time.as_secs_f64(),
        )?;
        families.gauge(
            "certstream_journal_sync_seconds",
            "Duration of the last sync of the journal",
            journal.last_sync.into_iter().flat_map(|duration| one(duration.as_secs_f64())),
        )
    }
}
