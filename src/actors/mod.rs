//! The actors, and the messages between them. Decisions are computed in pure code; handlers only decode, call and send.
//!
//! | message | from, to | when the receiver is full |
//! |---|---|---|
//! | blocks ([`Append`](crate::journal::Append)) | LogWatcher, journal | the watcher waits: its log is slowed down, nothing is lost |
//! | [`Publish`](broker::Publish) | journal, Broker | the journal waits |
//! | frames ([`Feed`](reader::Feed)) | Broker, [`Connection`](connection::Connection) | the oldest leave memory; clients that need them read the journal (`clients.when_behind`) |
//! | readers ([`Reader::new`](reader::Reader::new)), [`Join`](broker::Join) | Connection, [`Replayer`](replayer::Replayer), Broker | sent regardless: at most one for each client |
//! | [`Heard`](crate::message::Heard) | Connection, [`WebSocketSession`](websocket_session::WebSocketSession) | does not occur: the connection reads nothing more until the last one is handled |
//! | pong, end ([`Reader`](reader::Reader)) | WebSocketSession, Connection | a newer pong replaces the last one; there is one end |
//! | [`Alert`](broker::Alert) | LogWatcher or the stream of a cluster, Broker | not sent; the misbehaviour is in the log file in any case; a gap is sent regardless |
//! | [`Tick`](broker::Tick) | Heartbeat, Broker | skipped |
//! | [`Subscribe`](broker::Subscribe), [`Unsubscribe`](broker::Unsubscribe) | [`Session`](session::Session) or [`Output`](output::Output), Broker | sent regardless: one of each per connection, or per attempt of an output |
//! | [`Newest`](broker::Newest), [`Clients`](broker::Clients), [`ReadFigures`](broker::ReadFigures), [`Ping`](broker::Ping) | routes, Broker | the sender waits |
//! | [`CloseClients`](broker::CloseClients), [`DisconnectClients`](broker::DisconnectClients) | startup, Broker | the sender waits |
//! | [`NewSettings`](broker::NewSettings) | reload, Broker | sent regardless: one per reload |
//! | [`Follow`](log_directory::Follow) | reload, [`LogDirectory`](log_directory::LogDirectory) | sent regardless: one per reload |
//! | [`StopWatching`](log_directory::StopWatching) | startup, LogDirectory | the sender waits |
//! | [`Stop`](log_watcher::Stop) | LogDirectory, LogWatcher | the sender waits |
//! | [`Missed`](broker::Missed) | the stream of a cluster, Broker | sent regardless: one for each gap |
//! | [`Hold`](log_directory::Hold), [`Settled`](log_directory::Settled) | the leases of a cluster, LogDirectory | the sender waits |

pub(crate) mod broker;
pub(crate) mod client;
mod coalescer;
pub(crate) mod connection;
#[cfg(feature = "cluster")]
pub(crate) mod follower;
pub(crate) mod heartbeat;
pub(crate) mod linger;
pub(crate) mod liveness;
pub(crate) mod log_directory;
pub(crate) mod log_watcher;
pub(crate) mod outlet;
pub(crate) mod output;
pub(crate) mod reader;
mod replay_queue;
pub(crate) mod replayer;
pub(crate) mod ring_buffer;
pub(crate) mod session;
pub(crate) mod socket;
#[cfg(target_os = "linux")]
mod splice;
pub(crate) mod subscriptions;
mod trim_policy;
mod websocket_session;
