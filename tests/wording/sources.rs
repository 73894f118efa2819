//! The sources of the certificates.

use certstream_server::certificate::Issuer;
use certstream_server::ct::{entry, get_entries};
use certstream_server::demo::{DemoLog, DemoLogOptions};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

/// An entry as a log serves it, with both members in base64.
#[derive(Deserialize)]
pub struct Recorded {
    #[serde(deserialize_with = "as_text")]
    pub id: String,
    pub leaf_input: String,
    pub extra_data: String,
}

/// Some ids are numbers in the JSON.
fn as_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    serde_json::Value::deserialize(deserializer).map(|id| id.to_string())
}

/// Entries that the demo log issued.
pub fn demo(count: u64) -> Vec<Recorded> {
    let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
    actix::System::new().block_on(async {
        let options = DemoLogOptions { rate: 0.0, initial: count, ..DemoLogOptions::default() };
        let log = DemoLog::start(options).await.expect("the demo log");
        let entries = (0..count).map(|index| log.entry(index).expect("an entry"));
        let entries = entries.map(|entry| Recorded {
            id: format!("demo/{}", entry.index),
            leaf_input: base64(&entry.leaf_input),
            extra_data: base64(&entry.extra_data),
        });
        let entries = entries.collect();
        log.stop().await;
        entries
    })
}

/// The entries of a corpus next to the repository. If it does not exist, prints a line and returns `None`.
pub fn conformance(corpus: &str) -> Option<Vec<Recorded>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    let path = folder.join(format!("{corpus}.inputs.jsonl.gz"));
    if !path.exists() {
        println!("SKIPPED: the recorded entries are not here: {}", path.display());
        return None;
    }
    let unpacked = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip");
    assert!(unpacked.status.success(), "gzip could not read {}", path.display());
    let lines = unpacked.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Some(lines.map(|line| serde_json::from_slice(line).expect("an entry")).collect())
}

impl Recorded {
    /// `leaf_input` and `extra_data`, decoded as leniently as in the server.
    pub fn bytes(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let page = serde_json::json!({ "entries":
            [{ "leaf_input": self.leaf_input, "extra_data": self.extra_data }] });
        let decoded = |raw: get_entries::PageEntry<'_>| match raw {
            Ok(raw) => Some((raw.leaf_input.to_vec(), raw.extra_data.to_vec())),
            Err(not_base64) => not_base64.salvage(),
        };
        let page = get_entries::parse(page.to_string().as_bytes(), 1, decoded).expect("a page");
        page.into_iter().next()?
    }

    /// The certificate and its issuers. Empty for an entry with malformed framing.
    pub fn certificates(&self) -> Vec<bytes::Bytes> {
        let Some((leaf_input, extra_data)) = self.bytes() else { return Vec::new() };
        let Ok(entry) = entry::decode(&leaf_input, &extra_data, Issuer::unshared) else {
            return Vec::new();
        };
        std::iter::once(entry.certificate)
            .chain(entry.chain.iter().map(|issuer| issuer.der().clone()))
            .collect()
    }
}
