//! Names and bodies of tiles (static-ct-api, "Merkle Tree" and "Log entries").

use super::entry::change_timestamp;
use super::faults::Fault;
use super::store::StoredEntry;
use crate::certificate::Certificate;
use crate::ct::tile_path::TILE_WIDTH;
use serde_json::{Value, json};
use std::sync::Arc;

/// The part of a tile's path after `/tile/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileName {
    pub content: TileContent,
    pub index: u64,
    /// From 1 to 256. Below 256 the tile is partial.
    pub width: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TileContent {
    Data,
    /// The names of the entries in the data tile with the same index.
    Names,
    Hashes {
        /// From 0 to 5.
        level: u8,
    },
}

impl TileName {
    /// Parses `<content>/<index>`, with an optional `.p/<width>`. Accepts only the canonical spelling of
    /// each.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (content, rest) = name.split_once('/')?;
        let content = match content.as_bytes() {
            b"data" => TileContent::Data,
            b"names" => TileContent::Names,
            [digit @ b'0'..=b'5'] => TileContent::Hashes { level: digit - b'0' },
            _ => return None,
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, parse_width(width)?),
            None => (rest, TILE_WIDTH as u16),
        };
        Some(Self { content, index: parse_index(index)?, width })
    }

    /// Index of the first entry of a data or names tile.
    pub(super) fn first_entry(&self) -> Option<u64> {
        self.index.checked_mul(TILE_WIDTH)
    }

    pub(super) fn is_partial(&self) -> bool {
        u64::from(self.width) < TILE_WIDTH
    }
}

/// `x001/x234/067` for 1,234,067.
fn parse_index(text: &str) -> Option<u64> {
    let (leading, last) = text.rsplit_once('/').map_or((None, text), |(leading, last)| (Some(leading), last));
    let mut index = 0u64;
    for group in leading.into_iter().flat_map(|leading| leading.split('/')) {
        index = index.checked_mul(1_000)?.checked_add(three_digits(group.strip_prefix('x')?)?)?;
        if index == 0 {
            return None; // one group too many
        }
    }
    index.checked_mul(1_000)?.checked_add(three_digits(last)?)
}

fn three_digits(text: &str) -> Option<u64> {
    let proper = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if proper { text.parse().ok() } else { None }
}

fn parse_width(text: &str) -> Option<u16> {
    let proper = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let width = if proper { text.parse().ok() } else { None };
    width.filter(|width| (1..TILE_WIDTH as u16).contains(width))
}

/// The body of a names tile: one line of JSON for each entry.
pub(super) fn names(entries: &[Arc<StoredEntry>]) -> Vec<u8> {
    let mut body = String::new();
    for entry in entries {
        let entry = entry.published();
        let mut names = Vec::new();
        Certificate::parse(&entry.certificate).write_all_domains(&mut names);
        let names: Value = serde_json::from_slice(&names).unwrap_or_default();
        let common_name = names.get(0).cloned().unwrap_or_default();
        let subject = if common_name.is_null() { json!({}) } else { json!({ "CommonName": common_name }) };
        let line = json!({ "Timestamp": entry.timestamp_ms, "Subject": subject, "DNS": names });
        body.push_str(&format!("{line}\n"));
    }
    body.into_bytes()
}

/// The body of a data tile. A fault of a single entry applies to the middle one, so that there are entries on
/// both sides of it.
pub(super) fn data(entries: &[Arc<StoredEntry>], fault: Option<&Fault>) -> Vec<u8> {
    let mut body = Vec::with_capacity(entries.len() * 5_000);
    for (position, entry) in entries.iter().enumerate() {
        let start = body.len();
        entry.write_tile_leaf(&mut body);
        if position == entries.len() / 2
            && let Some(fault) = fault
        {
            spoil(&mut body[start..], entry.timestamped_entry().len(), fault);
        }
    }
    body
}

/// Applies the part of a fault that concerns one entry to a TileLeaf, which begins with `length` bytes of
/// TimestampedEntry.
fn spoil(leaf: &mut [u8], length: usize, fault: &Fault) {
    match fault {
        Fault::UnknownEntryType => {
            // Raw entries may be shorter than a timestamp.
            if let Some(entry_type) = leaf.get_mut(8..10) {
                entry_type.copy_from_slice(&[0, 9]);
            }
        }
        Fault::WrongLeafIndex => {
            // The extension is the end of the TimestampedEntry, and the index is the end of the extension.
            if let Some(last) = length.checked_sub(1).and_then(|last| leaf.get_mut(last)) {
                *last ^= 1;
            }
        }
        Fault::WrongEntry => change_timestamp(leaf.get_mut(..length).unwrap_or_default()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::tile_path::data_tile;

    fn hashes(level: u8) -> TileContent {
        TileContent::Hashes { level }
    }

    #[test]
    fn a_name_has_one_spelling() {
        for (name, content, index, width) in [
            ("data/000", TileContent::Data, 0, 256),
            ("data/x001/x234/067.p/17", TileContent::Data, 1_234_067, 17),
            ("0/x001/000.p/255", hashes(0), 1_000, 255),
            ("5/273.p/1", hashes(5), 273, 1),
        ] {
            assert_eq!(TileName::parse(name), Some(TileName { content, index, width }), "{name}");
        }
        for name in [
            "",
            "data",
            "data/",
            "data/0",
            "data/0000",
            "data/+01",
            "data/x001",
            "data/001/000",
            "data/x000/001",
            "data/x001/x000",
            "data/x001//000",
            "data/000.p/0",
            "data/000.p/256",
            "data/000.p/01",
            "data/000.p/+1",
            "data/000.p/",
            "data/000.p",
            "data/000/",
            "6/000",
            "00/000",
            "data/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TileName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn names_are_read_as_readers_write_them() {
        for index in [0, 1, 999, 1_000, 1_001, 999_999, 1_000_000, 123_456_789, u64::MAX] {
            for width in [1u16, 99, 256] {
                let path = data_tile(index, width.into());
                let name = TileName::parse(path.strip_prefix("tile/").unwrap());
                assert_eq!(name, Some(TileName { content: TileContent::Data, index, width }));
            }
        }
    }
}
