//! Watches Certificate Transparency logs and streams each new certificate as JSON to all subscribed clients.
//!
//! The path of one certificate, from a log to the clients:
//!
//! ```text
//! CT log ─► log_client ─► ct (decode) ─► LogWatcher (verify) ─► message (certificate to JSON, framed once)
//!        ─► journal (numbered, on disk) ─► Broker ─► Tail (the newest, shared) ─► Reader (a cursor per client)
//!                 │                        ▲  │                                     │         ▲
//!                 │                        │  └─► /latest.json, /example.json       ▼         │ blocks
//!                 └─► Replayer ────────────┼── for clients behind the tail ─────────┼─────────┘
//!                                          │                                    Connection ◄─► socket
//!                                          ├── Tick ── Heartbeat                    ▼
//!                                          └── Subscribe, Unsubscribe ─────────── Session ─► WebSocketSession
//!                                                                                            └─► Reader: pong, close
//! ```
//!
//! In a cluster, the journal is a stream that several servers share: watchers append to it on some of them, and a Follower
//! reads it for the clients of others.
//!
//! Clients that ask for the same stream, wire format and filter share a `Feed`, and so a Tail. The Broker asks the filters
//! of all feeds at once which of them want an entry.
//!
//! An `Output` reads as a client does, and delivers what it reads to files, a URL, Kafka, NATS or the standard output.
//!
//! Every client has a `Session`, which subscribes it. Each WebSocket client has a WebSocketSession as well, which answers
//! what the client says; SSE clients cannot send anything.
//!
//! A module may only use the modules in the last column of its row, which are all below it. `tests/architecture` checks
//! this table against the code, and checks that files do not depend on each other in a circle.
//!
//! | module | what it is for | uses |
//! |---|---|---|
//! | [`cli`] | the command line | `startup`, `reload`, `follow`, `transport`, `cluster`, `config`, `log_list`, `log_client`, `http_client`, `demo`, `state`, `evidence`, `access`, `message`, `ct`, `certificate`, `printable`, `system`, `clock` |
//! | [`startup`] | starts the servers, their threads, and all actors but the sessions of clients | `reload`, `server`, `routes`, `transport`, `actors`, `cluster`, `live_config`, `config`, `named_filters`, `outputs`, `log_list`, `log_client`, `http_client`, `state`, `journal`, `unique`, `counters`, `digest`, `evidence`, `access`, `message`, `clock` |
//! | [`reload`] | applies a new configuration to a running server | `transport`, `actors`, `live_config`, `config`, `named_filters`, `access`, `printable`, `clock` |
//! | `follow` | the client: follows a stream of a certstream server, and hands each certificate on | `http_client`, `filter`, `message`, `backoff`, `printable`, `system`, `clock` |
//! | `server` | the HTTP server, and the hand-over of its connections to sessions | `routes`, `transport`, `actors`, `live_config`, `config`, `counters`, `access`, `rate`, `system` |
//! | `routes` | the HTTP routes | `transport`, `actors`, `live_config`, `config`, `named_filters`, `outputs`, `log_client`, `state`, `journal`, `choice`, `counters`, `access`, `filter`, `message`, `rate`, `printable`, `clock` |
//! | `transport` | client connections below HTTP: TCP, TLS, and the memory that each holds | `actors`, `live_config`, `config`, `counters`, `access`, `message`, `rate`, `system` |
//! | `actors` | the actors LogDirectory, LogWatcher, Broker, WebSocketSession and Heartbeat; the clients' Reader and Connection; Output | `cluster`, `live_config`, `config`, `named_filters`, `outputs`, `log_list`, `log_client`, `http_client`, `state`, `journal`, `unique`, `choice`, `counters`, `digest`, `evidence`, `access`, `filter`, `message`, `ct`, `spare`, `rate`, `backoff`, `printable`, `system`, `clock` |
//! | `cluster` | several servers with one journal, a stream of NATS JetStream | `config`, `nats`, `named_filters`, `state`, `journal`, `ct`, `system`, `clock` |
//! | `live_config` | the settings that can change while the server runs | `config`, `access`, `system` |
//! | `outputs` | where outputs deliver messages: files, webhooks, Kafka, NATS, the standard output | `nats`, `config`, `http_client`, `state`, `filter`, `message`, `printable`, `clock` |
//! | `nats` | connections to NATS | `config` |
//! | [`config`] | the configuration file and environment, parsed and resolved | `log_list`, `log_client`, `http_client`, `state`, `choice`, `unique`, `access`, `filter`, `message`, `ct`, `printable`, `system` |
//! | `named_filters` | the filters that have a name: those of the configuration, and those that clients have put | `state`, `filter` |
//! | `log_list` | the lists of logs: downloaded, verified and stored | `http_client`, `ct`, `system` |
//! | `log_client` | requests to a log and their responses, at the rate that its operator accepts; its caller decides what to request | `http_client`, `state`, `evidence`, `ct`, `certificate`, `system`, `clock` |
//! | `http_client` | HTTP requests to logs, list servers and webhooks: TLS, proxies, and limits of responses; connections of the client | `spare` |
//! | [`demo`] | a local CT log, for trying the server out and for tests | `ct`, `certificate`, `rate`, `clock` |
//! | [`state`] | the files that survive a restart | `evidence`, `ct`, `system` |
//! | [`journal`] | the durable sequence of verified entries, their numbers, and the logs' positions | `message`, `ct`, `certificate`, `clock` |
//! | `choice` | which messages of a stream are wanted: a part of query strings | `unique`, `filter`, `printable` |
//! | `unique` | which entries are the first ones of their issuance or certificate | `filter`, `message`, `ct`, `certificate` |
//! | `counters` | counters of client events | `access`, `message` |
//! | `digest` | groups repeated problems of the CT logs into few lines of the log file | `printable` |
//! | [`evidence`] | proof of a log's misbehaviour, which `actors` notices, in a form that others can verify; pure | `ct`, `certificate` |
//! | `access` | access control: who may connect and subscribe, and how often; pure | `filter`, `message`, `rate` |
//! | [`filter`] | what a subscriber wants, and the filters of all subscribers matched at once; pure | `ct`, `certificate`, `printable` |
//! | [`message`] | the messages of each stream, and their WebSocket and SSE frames; pure | `ct`, `certificate`, `spare` |
//! | [`ct`] | the structures of RFC 6962 and static-ct-api, and the proofs of their trees; pure | `certificate`, `printable` |
//! | [`certificate`] | conversion of X.509 certificates to the fields and texts of the messages; pure |  |
//! | `spare` | the memory of large buffers, which is used again; pure |  |
//! | `backoff` | delays after failures; pure |  |
//! | `rate` | token buckets for rate limits; pure |  |
//! | `printable` | escaping of untrusted text for output; pure |  |
//! | `system` | limits and services of the operating system, except sockets |  |
//! | `clock` | the current time |  |
//!
//! Pure modules do no input or output, do not read the clock, and import neither actix nor tokio.
//!
//! The documentation of a folder's module describes its files. This is where the main decisions are made:
//!
//! | decision | file |
//! |---|---|
//! | when to request a tree head | `actors/log_watcher/poll_schedule/mod.rs` |
//! | whether to fetch a partial tile now or to wait for the full one | `actors/log_watcher/fetcher.rs` |
//! | how many requests per second an operator gets | `log_client/pace.rs` |
//! | whether two tree heads contradict each other: fork, rollback | `actors/log_watcher/heads.rs` |
//! | whether entries lead to a tree head | `log_client/client.rs`, with the proofs of `ct/consistency.rs`; what follows: `actors/log_watcher/verifier.rs` |
//! | what is kept of a malformed entry or certificate | `ct/entry.rs`, `certificate/parts.rs` |
//! | whether such an entry is requested again | `actors/log_watcher/fetcher.rs` |
//! | whether such an entry is sent or skipped | `actors/log_watcher/publisher.rs` |
//! | which names are in `all_domains` | `certificate/domains.rs`; of names tiles: `ct/names_tile.rs` |
//! | which entries a filter wants | `filter/oracle.rs`; of all filters: `actors/reader/filtered_feeds.rs` |
//! | which entries are the same for `unique=` | `unique/kind.rs` |
//! | which parameters are understood | `choice.rs`, `routes/query.rs` |
//! | which filters of clients are kept, and for how long | `named_filters/kept.rs` |
//! | when a named filter's list is exchanged | `reload/filter_lists.rs`, `actors/reader/named_parts.rs` |
//! | whether an address may connect, and a token may subscribe | `access/mod.rs`, `access/token.rs`; applied in `server/gate.rs` |
//! | where a client reads, and what happens when it falls behind | `actors/reader/state.rs` |
//! | which numbers entries get, also after a crash | `journal/store.rs`, `journal/recovery.rs` |
//! | what is missing when a client comes back, and what it is told | `actors/replayer.rs` |
//! | what a WebSocket client is answered | `actors/websocket_session.rs` |
//! | when the position of an output moves, and what follows a failure | `actors/output.rs` |
//! | how the connection of a client ends, step by step | `actors/reader/closing.rs` |
//! | when a slow or silent subscriber is closed | `actors/broker.rs`; any other client: `server/http.rs` |
//! | which messages stay in memory | `actors/broker/ring.rs` |
//! | which connections end when all together have too much unsent | `transport/connections.rs` |
//! | when the cursor of `follow` moves | `follow/output.rs` |
//! | whether `follow` connects again | `follow/receiver.rs` |

// Public items are those that the binary, tests, benches or fuzz targets need.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod access;
mod actors;
mod backoff;
pub mod certificate;
mod choice;
pub mod cli;
mod clock;
#[cfg(feature = "cluster")]
mod cluster;
pub mod config;
mod counters;
pub mod ct;
#[cfg(feature = "demo")]
pub mod demo;
mod digest;
pub mod evidence;
pub mod filter;
mod follow;
mod http_client;
pub mod journal;
#[cfg(test)]
mod limits;
mod live_config;
mod log_client;
mod log_list;
pub mod message;
mod named_filters;
#[cfg(feature = "nats")]
mod nats;
mod outputs;
mod printable;
mod rate;
pub mod reload;
mod routes;
mod server;
mod spare;
pub mod startup;
pub mod state;
mod system;
mod transport;
mod unique;
