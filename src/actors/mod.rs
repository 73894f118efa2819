//! The actors, and the messages between them. Each file has one actor; what they decide is computed in
//! pure code, so that handlers only decode, call and send.
//!
//! | message | from, to | when the receiver is full |
//! |---|---|---|
//! | [`Publish`](broker::Publish) | LogWatcher, Broker | the watcher waits for the answer: its log is slowed down, nothing is lost |
//! | frames ([`SendQueue`](send_queue::SendQueue)) | Broker, WebSocketSession or [`EventSession`](event_session::EventSession) | dropped and counted for that client; nobody waits |
//! | [`Alert`](broker::Alert) | LogWatcher, Broker | not sent; it is in the log file in any case |
//! | [`Tick`](broker::Tick) | Heartbeat, Broker | skipped |
//! | [`Subscribe`](broker::Subscribe), [`Unsubscribe`](broker::Unsubscribe) | WebSocketSession, Broker | sent regardless: one of each per connection |
//! | [`Newest`](broker::Newest), [`Clients`](broker::Clients) | routes, Broker | the route waits |

pub mod broker;
pub mod client;
pub mod client_messages;
mod coalescer;
pub mod connection;
pub mod event_session;
pub mod heartbeat;
pub mod liveness;
pub mod log_directory;
pub mod log_watcher;
mod pace;
pub(crate) mod ring_buffer;
pub mod send_queue;
pub mod session;
pub mod socket;
#[cfg(target_os = "linux")]
mod splice;
mod subscription;
mod trim_policy;
pub mod websocket_session;
