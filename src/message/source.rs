//! Which log an entry came from.

use super::Seconds;
use crate::ct::tile_path::{TILE_WIDTH, data_tile};
use std::io::Write;

/// The protocol that a log is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum Protocol {
    /// RFC 6962: get-sth and get-entries.
    #[serde(rename = "rfc6962")]
    Rfc6962,
    /// static-ct-api: checkpoints and tiles.
    #[serde(rename = "static-ct")]
    StaticCt,
}

impl Protocol {
    /// The name in configuration files and in `source.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Rfc6962 => "rfc6962",
            Protocol::StaticCt => "static-ct",
        }
    }
}

/// A log as messages name it. Its JSON is made once, not per message.
#[derive(Debug)]
pub struct Source {
    url: String,
    name: String,
    operator: String,
    log_id: Option<[u8; 32]>,
    protocol: Protocol,
    /// `"source":{...` up to the value of `timestamp`.
    json: String,
}

impl Source {
    /// `url` is where entries are fetched, with its scheme; `log_id` the SHA-256 of the log's public key.
    pub fn new(url: &str, name: &str, operator: &str, log_id: Option<[u8; 32]>, protocol: Protocol) -> Self {
        let url = url.trim_end_matches('/');
        let bare = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
        let log_id_text = log_id.map(|id| base64_simd::STANDARD.encode_to_string(id));
        let members = serde_json::json!({ "url": bare, "name": name, "operator": operator,
            "log_id": log_id_text, "type": protocol.as_str() })
        .to_string();
        let open = members.trim_end_matches('}');
        Source {
            url: url.into(),
            name: name.into(),
            operator: operator.into(),
            log_id,
            protocol,
            json: format!("\"source\":{open},\"timestamp\":"),
        }
    }

    /// The log's URL with its scheme and without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The log's description.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who runs the log; may be empty.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// SHA-256 of the log's public key, if that is known.
    pub fn log_id(&self) -> Option<[u8; 32]> {
        self.log_id
    }

    /// How the log is read.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Appends the member `"source":{...}`.
    pub(super) fn write_member(&self, timestamp_ms: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.json.as_bytes());
        let _ = write!(out, "{}}}", Seconds::from_ms(timestamp_ms));
    }

    /// Appends the URL that fetches entry `index` alone (RFC 6962 section 4.6), or the data tile that holds it.
    pub(super) fn write_link(&self, index: u64, out: &mut Vec<u8>) {
        let _ = match self.protocol {
            Protocol::Rfc6962 => write!(out, "{}/ct/v1/get-entries?start={index}&end={index}", self.url),
            Protocol::StaticCt => write!(out, "{}/{}", self.url, data_tile(index / TILE_WIDTH, TILE_WIDTH)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_its_log_without_scheme_and_trailing_slash() {
        let source =
            Source::new("https://ct.example/2026/", "A \"log\"", "Op", Some([0; 32]), Protocol::Rfc6962);
        let mut out = b"{".to_vec();
        source.write_member(1_700_000_000_007, &mut out);
        out.push(b'}');
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({"url": "ct.example/2026", "name": "A \"log\"", "operator": "Op",
            "log_id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "type": "rfc6962", "timestamp": 1_700_000_000.007});
        assert_eq!(json["source"], expected);
    }

    #[test]
    fn a_link_leads_to_the_entry_or_to_the_tile_that_holds_it() {
        for (protocol, link) in [
            (Protocol::Rfc6962, "https://ct.example/ct/v1/get-entries?start=300123&end=300123"),
            (Protocol::StaticCt, "https://ct.example/tile/data/x001/172"),
        ] {
            let mut out = Vec::new();
            Source::new("https://ct.example", "", "", None, protocol).write_link(300_123, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), link);
        }
    }

    #[test]
    fn a_log_without_a_key_has_no_log_id() {
        let source = Source::new("http://[::1]:1", "", "", None, Protocol::StaticCt);
        let mut out = Vec::new();
        source.write_member(0, &mut out);
        assert!(String::from_utf8(out).unwrap().contains(r#""log_id":null"#));
    }
}
