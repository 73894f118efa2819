//! The log as its readers see it: over HTTP, with nothing but its URL and its key.

mod certificates;
mod faults;
mod protocol;

use super::{DemoLog, DemoLogOptions};
use crate::ct::sth::SignedTreeHead;
use actix_web::http::StatusCode;
use base64_simd::STANDARD;
use openssl::pkey::{PKey, Public};
use serde_json::Value;
use std::time::Duration;

/// A log that grows only when told to.
async fn idle_log() -> DemoLog {
    log_with(DemoLogOptions { rate: 0.0, ..DemoLogOptions::default() }).await
}

async fn log_with(options: DemoLogOptions) -> DemoLog {
    DemoLog::start(options).await.unwrap()
}

/// An answer, read to its end.
struct Got {
    status: StatusCode,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn entry_count(&self) -> usize {
        self.json()["entries"].as_array().unwrap().len()
    }
}

async fn try_get(log: &DemoLog, path: &str) -> Result<Got, String> {
    let client = awc::Client::builder().timeout(Duration::from_secs(5)).finish();
    let request = client.get(format!("{}/ct/v1/{path}", log.url()));
    let mut answer = request.send().await.map_err(|error| error.to_string())?;
    let body = answer.body().limit(1 << 26).await.map_err(|error| error.to_string())?;
    let retry_after = answer.headers().get("retry-after");
    Ok(Got {
        status: answer.status(),
        retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
        body: body.to_vec(),
    })
}

async fn get(log: &DemoLog, path: &str) -> Got {
    try_get(log, path).await.unwrap()
}

async fn head(log: &DemoLog) -> SignedTreeHead {
    SignedTreeHead::from_json(&get(log, "get-sth").await.body).unwrap()
}

fn public_key(log: &DemoLog) -> PKey<Public> {
    PKey::public_key_from_der(log.public_key()).unwrap()
}

/// The leaf_inputs and extra_datas of an answer to get-entries.
fn decoded(entries: &Got) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |value: &Value| STANDARD.decode_to_vec(value.as_str().unwrap()).unwrap();
    let entries = entries.json()["entries"].as_array().unwrap().clone();
    entries.iter().map(|entry| (bytes(&entry["leaf_input"]), bytes(&entry["extra_data"]))).collect()
}
