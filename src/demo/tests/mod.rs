//! Tests the log as clients see it: over HTTP, with only its URL and its key.

mod certificates;
mod faults;
mod hybrid;
mod proofs;
mod protocol;
mod static_ct;
mod tile_faults;

use super::{DemoLog, DemoLogOptions, DemoProtocol};
use crate::ct::merkle::{Hash, empty_root, node_hash};
use crate::ct::sth::SignedTreeHead;
use crate::ct::tile::{TileLeaf, leaves};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use base64_simd::STANDARD;
use openssl::pkey::{PKey, Public};
use serde_json::Value;
use std::time::Duration;

/// A log that grows only by `publish`.
async fn idle_log() -> DemoLog {
    log_with(DemoLogOptions { rate: 0.0, ..DemoLogOptions::default() }).await
}

async fn log_with(options: DemoLogOptions) -> DemoLog {
    DemoLog::start(options).await.unwrap()
}

/// A log of the protocol that grows only by `publish`, and whose head does not change otherwise.
async fn still_log(protocol: DemoProtocol, initial: u64) -> DemoLog {
    let head_interval = Duration::from_secs(3_600);
    log_with(DemoLogOptions { protocol, initial, rate: 0.0, head_interval, ..Default::default() }).await
}

/// MTH of RFC 6962 section 2.1, implemented literally.
fn slow_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&slow_root(left), &slow_root(right))
        }
    }
}

/// A complete response.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    /// The body as sent, compressed if the headers say so.
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The entries of a data tile. Its memory is never freed.
    fn leaves(&self) -> Vec<TileLeaf<'static>> {
        assert_eq!(self.status, StatusCode::OK);
        leaves(self.body.clone().leak()).collect::<Result<_, _>>().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn entry_count(&self) -> usize {
        self.json()["entries"].as_array().unwrap().len()
    }
}

async fn try_fetch(log: &DemoLog, path: &str, headers: &[(&str, &str)]) -> Result<Got, String> {
    let client = awc::Client::builder().timeout(Duration::from_secs(5)).finish();
    let mut request = client.get(format!("{}{path}", log.url())).no_decompress();
    for header in headers {
        request = request.insert_header(*header);
    }
    let mut answer = request.send().await.map_err(|error| error.to_string())?;
    let body = answer.body().limit(1 << 26).await.map_err(|error| error.to_string())?;
    Ok(Got { status: answer.status(), headers: answer.headers().clone(), body: body.to_vec() })
}

/// Fetches any path of the log.
async fn fetch(log: &DemoLog, path: &str) -> Got {
    try_fetch(log, path, &[]).await.unwrap()
}

async fn try_get(log: &DemoLog, path: &str) -> Result<Got, String> {
    try_fetch(log, &format!("/ct/v1/{path}"), &[]).await
}

/// Fetches a path of RFC 6962.
async fn get(log: &DemoLog, path: &str) -> Got {
    try_get(log, path).await.unwrap()
}

async fn head(log: &DemoLog) -> SignedTreeHead {
    SignedTreeHead::from_json(&get(log, "get-sth").await.body).unwrap()
}

fn public_key(log: &DemoLog) -> PKey<Public> {
    PKey::public_key_from_der(log.public_key()).unwrap()
}

/// The leaf_inputs and extra_datas of a get-entries response.
fn decoded(entries: &Got) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |value: &Value| STANDARD.decode_to_vec(value.as_str().unwrap()).unwrap();
    let entries = entries.json()["entries"].as_array().unwrap().clone();
    entries.iter().map(|entry| (bytes(&entry["leaf_input"]), bytes(&entry["extra_data"]))).collect()
}
