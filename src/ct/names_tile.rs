//! Names tiles, an extension of static-ct-api that some logs offer (sunlight, "Names tiles"): for each data tile
//! one of the same path below `tile/names/`, with the names of its entries as lines of JSON.
//!
//! A names tile is not part of the log's tree: nothing proves what it says.

use serde::Deserialize;

/// What a names tile says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesEntry {
    /// When the log took the entry in, unix milliseconds.
    pub timestamp_ms: u64,
    /// The subject's common name if it is not empty, then the dNSNames in order, each once.
    pub names: Vec<String>,
}

/// A line that is none of a names tile.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the names tile: {error}")]
pub struct NamesTileError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: serde_json::Error,
}

/// `{"Timestamp": 1753375092043, "Subject": {"CommonName": "example.com"}, "DNS": ["example.com"], "IP": [...]}`
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Timestamp")]
    timestamp_ms: u64,
    #[serde(rename = "Subject", default)]
    subject: Subject,
    #[serde(rename = "DNS", default)]
    dns: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Subject {
    #[serde(rename = "CommonName", default)]
    common_name: String,
}

/// The entries of `tile`, in order.
///
/// # Errors
/// With the first line that is no entry: what is behind it could stand for another index.
pub fn entries(tile: &[u8]) -> Result<Vec<NamesEntry>, NamesTileError> {
    let tile = tile.strip_suffix(b"\n").unwrap_or(tile);
    if tile.is_empty() {
        return Ok(Vec::new());
    }
    let entry = |(line, text): (usize, &[u8])| match serde_json::from_slice(text) {
        Ok(line) => Ok(entry(line)),
        Err(error) => Err(NamesTileError { line: line + 1, error }),
    };
    tile.split(|byte| *byte == b'\n').enumerate().map(entry).collect()
}

fn entry(Line { timestamp_ms, subject, dns }: Line) -> NamesEntry {
    let common_name = Some(subject.common_name).filter(|name| !name.is_empty());
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in common_name.into_iter().chain(dns.unwrap_or_default()) {
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    NamesEntry { timestamp_ms, names }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_entry_and_its_names_are_those_of_the_wire_format() {
        let tile = br#"{"Timestamp":1753375092043,"Subject":{"CommonName":"b.example"},"DNS":["a.example","b.example","a.example"],"IP":["192.0.2.1"]}
{"Timestamp":7,"Subject":{},"DNS":["c.example"],"New":{"x":1}}
{"Timestamp":8,"DNS":null}
"#;
        let entry = |timestamp_ms, names: &[&str]| NamesEntry {
            timestamp_ms,
            names: names.iter().map(|name| name.to_string()).collect(),
        };
        let expected =
            [entry(1_753_375_092_043, &["b.example", "a.example"]), entry(7, &["c.example"]), entry(8, &[])];
        assert_eq!(entries(tile).unwrap(), expected);
        assert_eq!(entries(b"").unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        for (tile, line) in [
            (&b"{\"Timestamp\":1}\n\n{\"Timestamp\":2}\n"[..], 2),
            (b"{\"Timestamp\":-1}", 1),
            (b"{\"Timestamp\":1}\n{\"Timestamp\":2,\"DNS\":[1]}", 2),
            (b"\xff", 1),
        ] {
            assert_eq!(entries(tile).unwrap_err().line, line);
        }
    }
}
