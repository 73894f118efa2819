//! The members of a message that describe the entry's log.

use super::seconds::Seconds;
use crate::ct::source::{Protocol, Source};
use crate::ct::tile_path::{TILE_WIDTH, data_tile};
use std::io::Write;

/// Appends the member `"source":{...}`.
pub(super) fn write_member(source: &Source, timestamp_ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(source.written(before_timestamp).as_bytes());
    let _ = write!(out, "{}}}", Seconds::from_ms(timestamp_ms));
}

/// The text of the member up to the value of `timestamp`.
fn before_timestamp(source: &Source) -> String {
    let log_id = source.log_id().map(|id| base64_simd::STANDARD.encode_to_string(id));
    let members =
        serde_json::json!({ "url": source.bare_url(), "name": source.name(), "operator": source.operator(),
        "log_id": log_id, "type": source.protocol().as_str() })
        .to_string();
    format!("\"source\":{},\"timestamp\":", members.trim_end_matches('}'))
}

/// Appends the URL that returns only entry `index` (RFC 6962 section 4.6), or the URL of the data tile that
/// contains it.
pub(super) fn write_link(source: &Source, index: u64, out: &mut Vec<u8>) {
    let url = source.url();
    let _ = match source.protocol() {
        Protocol::Rfc6962 => write!(out, "{url}/ct/v1/get-entries?start={index}&end={index}"),
        Protocol::StaticCt => write!(out, "{url}/{}", data_tile(index / TILE_WIDTH, TILE_WIDTH)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_its_log_without_scheme_and_trailing_slash() {
        let source =
            Source::new("https://ct.example/2026/", "A \"log\"", "Op", Some([0; 32]), Protocol::Rfc6962);
        let mut out = b"{".to_vec();
        write_member(&source, 1_700_000_000_007, &mut out);
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
            write_link(&Source::new("https://ct.example", "", "", None, protocol), 300_123, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), link);
        }
    }

    #[test]
    fn a_log_without_a_key_has_no_log_id() {
        let source = Source::new("http://[::1]:1", "", "", None, Protocol::StaticCt);
        let mut out = Vec::new();
        write_member(&source, 0, &mut out);
        assert!(String::from_utf8(out).unwrap().contains(r#""log_id":null"#));
    }
}
