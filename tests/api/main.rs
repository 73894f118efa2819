//! Tests the server as its users do: over real sockets and real HTTP, with a CT log that misbehaves on
//! demand.

mod access;
#[path = "../support/certificate.rs"]
mod certificate;
mod churn;
mod command_line;
mod defects;
mod faults;
mod filter_limits;
mod filtered;
mod filters;
mod following;
mod helpers;
mod http;
mod hybrid_logs;
#[cfg(feature = "kafka")]
mod kafka;
mod kept_filters;
mod metrics;
mod misbehaviour;
#[cfg(feature = "kafka")]
#[path = "../support/mutual_tls.rs"]
mod mutual_tls;
mod named_filters;
mod names_tiles;
mod outputs;
#[path = "../support/ports.rs"]
mod ports;
mod protocol;
mod proxies;
mod reload;
mod restarts;
mod resume;
mod routes;
#[cfg(target_os = "linux")]
mod secrets;
mod shutdown;
mod slow_clients;
mod static_logs;
mod streams;
mod tls;
mod ways_past;
mod wires;
