//! Names tiles, an extension of static-ct-api that some logs offer (sunlight, "Names tiles"). For each data
//! tile there is a names tile with the same path below `tile/names/`. It contains the names of the entries as
//! lines of JSON.
//!
//! A names tile is not part of the log's tree, so nothing proves its content.

use super::tile_path::TILE_WIDTH;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// Maximum number of names in one entry. Certificates have up to a few thousand.
pub(crate) const MAX_ENTRY_NAMES: usize = 20_000;
/// Maximum number of names in a whole tile. Normal tiles have a few thousand.
pub(crate) const MAX_TILE_NAMES: usize = 100_000;
/// One line more than allowed, to detect that there are too many.
const MAX_LINES: usize = TILE_WIDTH as usize + 1;

/// The content of a names tile for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesEntry {
    /// When the log accepted the entry, unix milliseconds.
    pub timestamp_ms: u64,
    /// The subject's common name unless it is empty, then the dNSNames in order, without duplicates.
    pub names: Vec<String>,
}

/// A line is not valid in a names tile.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the names tile: {error}")]
pub struct NamesTileError {
    /// Line number, counted from 1.
    pub line: usize,
    /// The error.
    pub error: serde_json::Error,
}

/// `{"Timestamp": 1753375092043, "Subject": {"CommonName": "example.com"}, "DNS": ["example.com"], "IP": [...]}`
#[derive(serde::Deserialize)]
struct Line {
    #[serde(rename = "Timestamp")]
    timestamp_ms: u64,
    #[serde(rename = "Subject", default)]
    subject: Subject,
    #[serde(rename = "DNS", default)]
    dns: Option<Names>,
}

#[derive(Default, serde::Deserialize)]
struct Subject {
    #[serde(rename = "CommonName", default)]
    common_name: String,
}

/// Parses the entries of `tile`, in order.
///
/// # Errors
/// At the first invalid line. The lines after it could belong to other indexes.
pub fn entries(tile: &[u8]) -> Result<Vec<NamesEntry>, NamesTileError> {
    let tile = tile.strip_suffix(b"\n").unwrap_or(tile);
    if tile.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = 0;
    let mut entry = |(line, text): (usize, &[u8])| {
        let entry = serde_json::from_slice(text).map(entry);
        let entry = entry.and_then(|entry| {
            names += entry.names.len();
            if names > MAX_TILE_NAMES { Err(Error::custom("there are too many names")) } else { Ok(entry) }
        });
        entry.map_err(|error| NamesTileError { line: line + 1, error })
    };
    let lines = tile.split(|byte| *byte == b'\n').take(MAX_LINES);
    lines.enumerate().map(&mut entry).collect()
}

fn entry(Line { timestamp_ms, subject, dns }: Line) -> NamesEntry {
    let common_name = Some(subject.common_name).filter(|name| !name.is_empty());
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in common_name.into_iter().chain(dns.map(|names| names.0).unwrap_or_default()) {
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    NamesEntry { timestamp_ms, names }
}

/// At most [`MAX_ENTRY_NAMES`] names. Parsing of a list stops at the limit.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {MAX_ENTRY_NAMES} names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = texts.next_element()? {
            if names.len() == MAX_ENTRY_NAMES {
                return Err(Error::custom(format_args!("more than {MAX_ENTRY_NAMES} names")));
            }
            names.push(name);
        }
        Ok(Names(names))
    }
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

    #[test]
    fn memory_is_bounded_by_what_a_tile_may_hold() {
        let line = |names: usize| format!("{{\"Timestamp\":1,\"DNS\":[{}]}}", vec!["\"\""; names].join(","));
        assert!(entries(line(MAX_ENTRY_NAMES).as_bytes()).is_ok());
        let error = entries(line(MAX_ENTRY_NAMES + 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 20000 names"), "{error}");
        let lines = vec![line(0); MAX_LINES + 100].join("\n");
        assert_eq!(
            entries(lines.as_bytes()).unwrap().len(),
            MAX_LINES,
            "one more than a tile has, and no more"
        );
        let names: Vec<_> = (0..MAX_ENTRY_NAMES).map(|i| format!("\"{i}\"")).collect();
        let line = format!("{{\"Timestamp\":1,\"DNS\":[{}]}}", names.join(","));
        let error = entries([line.as_str(); 6].join("\n").as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 6") && error.contains("too many names"), "{error}");
    }
}
