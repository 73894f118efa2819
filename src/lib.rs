//! Watches Certificate Transparency logs and streams each new certificate as JSON to everyone who listens.
//!
//! The way of one certificate, always downhill:
//!
//! ```text
//! CT log ─► log_client ─► LogWatcher ─► ct (decode) ─► message (certificate → JSON, framed, once)
//!        ─► Broker (number, newest messages) ─► SendQueue (one per client, bounded) ─► Connection ─► socket
//!              └─► /latest.json /example.json         Heartbeat ─ tick ─► Broker
//! ```
//!
//! Modules use only what stands below them; `tests/architecture` holds them to this table, and files to having no circles.
//!
//! | module | what it is for | uses |
//! |---|---|---|
//! | [`cli`] | the command line | `startup`, `reload`, `transport`, `config`, `log_list`, `log_client`, `demo`, `state`, `evidence`, `access`, `message`, `ct`, `certificate`, `printable`, `system`, `clock` |
//! | [`startup`] | the only place that starts actors, threads and servers | `reload`, `server`, `routes`, `transport`, `actors`, `live_config`, `config`, `log_list`, `log_client`, `state`, `counters`, `digest`, `evidence`, `access`, `message` |
//! | [`reload`] | another configuration for a server that runs | `transport`, `actors`, `live_config`, `config`, `access`, `printable` |
//! | [`server`] | the HTTP server, and the way out of HTTP | `routes`, `transport`, `actors`, `live_config`, `config`, `counters`, `access`, `rate`, `system` |
//! | [`routes`] | what HTTP clients see | `transport`, `actors`, `live_config`, `config`, `state`, `counters`, `access`, `message`, `rate` |
//! | `transport` | the connections of clients below HTTP: TCP, TLS, and what each holds | `actors`, `live_config`, `config`, `counters`, `access`, `message`, `rate`, `system` |
//! | [`actors`] | LogWatcher, Broker, WebSocketSession, Heartbeat, and what they say to each other | `live_config`, `config`, `log_list`, `log_client`, `state`, `counters`, `digest`, `evidence`, `access`, `message`, `ct`, `rate`, `printable`, `system`, `clock` |
//! | `live_config` | what can change while the server runs | `config`, `access`, `system` |
//! | [`config`] | what the user wrote, and what it means | `log_list`, `log_client`, `access`, `message`, `ct`, `printable` |
//! | [`log_list`] | the lists of logs: fetched, believed, kept | `log_client`, `ct`, `system` |
//! | [`log_client`] | one request to a log, one answer | `state`, `evidence`, `ct`, `certificate`, `system`, `clock` |
//! | [`demo`] | a CT log of our own, for trying out and for tests | `ct`, `certificate`, `clock` |
//! | [`state`] | what is kept on disk | `evidence`, `ct`, `system` |
//! | [`counters`] | what happened to clients, counted | `access`, `message` |
//! | [`digest`] | what logs do wrong, summed up for the log file | `printable` |
//! | [`evidence`] | what a log did wrong, in a form that others can check; pure | `ct`, `certificate` |
//! | [`access`] | who may connect, what they may hear, how often; pure | `message`, `rate` |
//! | [`message`] | the messages of each stream, and their WebSocket frames; pure | `ct`, `certificate` |
//! | [`ct`] | the structures of RFC 6962 and static-ct-api, and proofs about their trees; pure | `certificate`, `printable` |
//! | [`certificate`] | X.509 to the fields and texts of the wire format; pure |  |
//! | `rate` | token buckets: how much may happen per second; pure |  |
//! | [`printable`] | outside text made safe to print; pure |  |
//! | `system` | what the operating system allows and offers, apart from sockets |  |
//! | `clock` | what time it is |  |
//!
//! Pure modules do no input or output, know no clock, and import neither actix nor tokio.

pub mod access;
pub mod actors;
pub mod certificate;
pub mod cli;
mod clock;
pub mod config;
pub mod counters;
pub mod ct;
#[cfg(feature = "demo")]
pub mod demo;
pub mod digest;
pub mod evidence;
#[cfg(test)]
mod limits;
mod live_config;
pub mod log_client;
pub mod log_list;
pub mod message;
pub mod printable;
mod rate;
pub mod reload;
pub mod routes;
pub mod server;
pub mod startup;
pub mod state;
mod system;
mod transport;
