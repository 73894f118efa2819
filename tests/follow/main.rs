//! Tests the command `follow` as its users do: the real program, against real servers, and against servers that are not
//! ours.

#[path = "../support/certificate.rs"]
mod certificate;
mod client;
mod commands;
mod fake;
mod kills;
mod other_servers;
mod outputs;
#[path = "../support/ports.rs"]
mod ports;
mod refusals;
mod server;
