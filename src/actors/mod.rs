//! The actors, and the messages between them. Decisions are computed in pure code; handlers only decode, call and send.
//!
//! | message | from, to | when the receiver is full |
//! |---|---|---|
//! | [`Publish`](broker::Publish) | LogWatcher, Broker | the watcher waits for the answer: its log is slowed down, nothing is lost |
//! | frames ([`SendQueue`](send_queue::SendQueue)) | Broker, [`Connection`](connection::Connection) | dropped and counted for that client, or the client is closed (`clients.when_full`); the Broker does not wait |
//! | received bytes ([`ReadBuffer`](client_messages::ReadBuffer)) | Connection, WebSocketSession | the connection reads nothing more from its socket |
//! | [`Alert`](broker::Alert) | LogWatcher, Broker | not sent; the misbehaviour is in the log file in any case |
//! | [`Tick`](broker::Tick) | Heartbeat, Broker | skipped |
//! | [`Subscribe`](broker::Subscribe), [`Unsubscribe`](broker::Unsubscribe) | [`WebSocketControl`](websocket_session::WebSocketControl) or [`EventSession`](event_session::EventSession), Broker | sent regardless: one of each per connection |
//! | [`Waiting`](broker::Waiting) | routes, Broker | sent regardless: the answers that it belongs to are rate limited |
//! | [`Newest`](broker::Newest), [`Clients`](broker::Clients), [`QueueDepths`](broker::QueueDepths), [`Ping`](broker::Ping) | routes, Broker | the sender waits |
//! | [`CloseClients`](broker::CloseClients), [`DisconnectClients`](broker::DisconnectClients) | startup, Broker | the sender waits |
//! | [`NewSettings`](broker::NewSettings) | reload, Broker | sent regardless: one per reload |
//! | [`Follow`](log_directory::Follow) | reload, [`LogDirectory`](log_directory::LogDirectory) | sent regardless: one per reload |
//! | [`StopWatching`](log_directory::StopWatching) | startup, LogDirectory | the sender waits |
//! | [`Stop`](log_watcher::Stop) | LogDirectory, LogWatcher | the sender waits |

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod client_messages;
pub(crate) mod closing;
mod coalescer;
pub(crate) mod connection;
pub(crate) mod event_session;
pub(crate) mod heartbeat;
pub(crate) mod liveness;
pub(crate) mod log_directory;
pub(crate) mod log_watcher;

pub(crate) mod reader;
pub(crate) mod replayer;
pub(crate) mod ring_buffer;
pub(crate) mod session;
pub(crate) mod socket;
#[cfg(target_os = "linux")]
mod splice;
mod subscription;
mod trim_policy;
pub(crate) mod websocket_session;
