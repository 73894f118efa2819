//! Watches Certificate Transparency logs and streams each new certificate as JSON to everyone who listens.
//!
//! The way of one certificate, always downhill:
//!
//! ```text
//! CT log ─► log_client ─► LogWatcher ─► ct (decode) ─► message (certificate → JSON, framed, once)
//!        ─► Broker (number, newest messages) ─► Outbox (one per client, bounded) ─► Connection ─► socket
//!              └─► /latest.json /example.json         Heartbeat ─ tick ─► Broker
//! ```
//!
//! | room | what it is for |
//! |---|---|
//! | [`ct`] | the structures of RFC 6962 and static-ct-api, and proofs about their trees; pure |
//! | [`certificate`] | X.509 to the fields and texts of the wire format; pure |
//! | [`message`] | the messages of each stream, and their WebSocket frames; pure |
//! | [`access`] | who may connect, what they may hear, how often; pure |
//! | [`config`] | what the user wrote, and what it means |
//! | [`log_list`] | the lists of logs: fetched, believed, kept |
//! | [`log_client`] | one request to a log, one answer |
//! | [`actors`] | LogWatcher, Broker, WebSocketSession, Heartbeat, and what they say to each other |
//! | [`evidence`] | what a log did wrong, in a form that others can check; pure |
//! | [`state`] | what is kept on disk |
//! | [`digest`] | what logs do wrong, summed up for the log file |
//! | [`routes`] | what HTTP clients see |
//! | [`server`] | the HTTP server, and the way out of HTTP |
//! | [`startup`] | the only place that starts actors, threads and servers |
//! | [`reload`] | another configuration for a server that runs |
//! | [`demo`] | a CT log of our own, for trying out and for tests |
//! | [`printable`] | outside text made safe to print; pure |
//! | `rate` | token buckets: how much may happen per second; pure |
//! | [`cli`] | the command line |
//!
//! Pure rooms do no input or output, know no clock, and import neither actix nor tokio.

pub mod access;
pub mod actors;
pub mod certificate;
pub mod cli;
mod clock;
pub mod config;
pub mod ct;
pub mod demo;
pub mod digest;
pub mod evidence;
#[cfg(test)]
mod limits;
mod live;
pub mod log_client;
pub mod log_list;
mod memory;
pub mod message;
mod notify;
pub mod printable;
mod rate;
pub mod reload;
pub mod routes;
pub mod server;
pub mod startup;
pub mod state;
pub mod tally;
