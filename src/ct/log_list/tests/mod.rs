//! Tests with small generated lists, and with the real list if it is available.

mod reading;
mod selecting;
mod signature;

use super::{LogList, parse};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

/// The key of the log with this name. It is the same on each call.
fn key(name: &str) -> Vec<u8> {
    static KEYS: Mutex<Option<HashMap<String, Vec<u8>>>> = Mutex::new(None);
    let mut keys = KEYS.lock().unwrap();
    let made = keys.get_or_insert_default().entry(name.into()).or_insert_with(|| {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap().public_key_to_der().unwrap()
    });
    made.clone()
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// The list entry of a usable log that accepts certificates of 2026 and 2027.
pub(crate) fn rfc6962(name: &str) -> Value {
    json!({
        "description": name, "log_id": base64(&sha256(&key(name))), "key": base64(&key(name)),
        "url": format!("https://ct.example.com/{name}/"), "mmd": 86400,
        "state": { "usable": { "timestamp": "2025-01-01T00:00:00Z" } },
        "temporal_interval":
            { "start_inclusive": "2026-01-01T00:00:00Z", "end_exclusive": "2028-01-01T00:00:00Z" },
    })
}

/// The same for a static-ct-api log.
pub(crate) fn static_ct(name: &str) -> Value {
    let mut log = rfc6962(name);
    log.as_object_mut().unwrap().remove("url");
    log["submission_url"] = json!(format!("https://log.{name}.example.org/2027/"));
    log["monitoring_url"] = json!(format!("https://mon.{name}.example.org/2027/"));
    log["mmd"] = json!(60);
    log
}

/// `log` with one field replaced.
pub(crate) fn with(mut log: Value, field: &str, value: Value) -> Value {
    log[field] = value;
    log
}

/// A list with one operator.
pub(crate) fn list_of(logs: &[Value], tiled_logs: &[Value]) -> Value {
    json!({
        "version": "7.1", "log_list_timestamp": "2026-05-20T10:00:00Z",
        "operators": [{ "name": "Example", "email": ["ct@example.com"], "logs": logs, "tiled_logs": tiled_logs }],
    })
}

fn parsed(json: &Value) -> LogList {
    let parsed = parse(json.to_string().as_bytes()).unwrap();
    assert_eq!(parsed.broken, []);
    parsed.list
}

fn names<'a>(logs: impl IntoIterator<Item = &'a super::ListedLog>) -> Vec<&'a str> {
    logs.into_iter().map(|log| log.description.as_str()).collect()
}

/// Chrome's list of 2026-05-29 and its signature.
pub(crate) fn real_list() -> Option<(Vec<u8>, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/ct");
    let file = |name| std::fs::read(folder.join(name)).ok();
    let real = file("google_v3_log_list.json").zip(file("google_v3_log_list.sig"));
    if real.is_none() {
        eprintln!("SKIPPED: Chrome's real log list is not here ({})", folder.display());
    }
    real
}
