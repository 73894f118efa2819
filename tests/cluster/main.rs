//! Tests of a cluster: the engine (`nats-server`, one node or three), ingest nodes and edges as processes of their own, demo
//! logs and clients in the test's process. The processes are killed and stopped, and the stream is damaged by hand; each
//! client must receive each entry of each log once and in order, or be told what is missing.
//!
//! ```text
//! demo logs ──► ingest nodes ──► engine ──► edges ──► clients ──► what they have received, judged
//!   logs            nodes        engine     nodes     clients          received
//! ```
//!
//! The engine is the program that `NATS_SERVER` names, or `nats-server` in `PATH`. Without it, each test says that
//! it was skipped.
//!
//! A longer run, for use before a release:
//!
//! ```text
//! DURATION=3600 EVERY=20 MAX_STOP=15 RATE=1000 READERS=20 SEED=1 \
//!     cargo test --release --features cluster --test cluster chaos -- --nocapture
//! ```

mod alerts;
mod api;
mod chaos;
mod clients;
mod cluster;
mod damage;
mod disk;
mod engine;
mod failures;
mod logs;
mod moving;
#[path = "../support/mutual_tls.rs"]
mod mutual_tls;
mod nats_output;
mod nodes;
mod outputs;
#[path = "../support/ports.rs"]
mod ports;
mod process;
mod received;
mod refusals;
mod rollback;
mod sharing;
mod story;
mod unacknowledged;
mod wire;

use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Timeout for each step.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the program of the engine. The server would take it for a key of its configuration.
const ENGINE_VARIABLE: &str = "NATS_SERVER";

/// A setting of the environment.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Polls until `holds` returns true.
async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
