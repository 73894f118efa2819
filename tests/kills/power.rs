//! Simulates a power failure after a kill: a part of what was not synced is lost.

use rand::RngExt;
use rand::rngs::StdRng;
use std::fs;
use std::path::{Path, PathBuf};

/// Size of a segment's header.
const FILE_HEADER: usize = 32;
/// Size of a record without its payload.
const RECORD_HEADER: usize = 36;
/// Largest number of bytes that are lost in one place.
const PAGE: usize = 4096;

/// A block in the journal.
struct Record {
    path: PathBuf,
    start: usize,
    end: usize,
    first_seq: u64,
    count: u64,
}

/// Loses something of what the server in `state` appended to its journal after it saved the positions: everything behind
/// some byte, or one page. Returns the number of entries from there on.
pub fn fail(state: &Path, random: &mut StdRng) -> u64 {
    let synced_seq = fs::read_to_string(state.join("positions.json")).map_or(0, |text| {
        // A checksum follows in another line.
        let json = text.lines().next().expect("a line");
        let saved: serde_json::Value = serde_json::from_str(json).expect("JSON");
        saved["journal_seq"].as_u64().expect("a number")
    });
    let mut unsynced = records(&state.join("journal"));
    unsynced.retain(|record| record.first_seq >= synced_seq);
    if unsynced.is_empty() {
        return 0;
    }
    let from = random.random_range(0..unsynced.len());
    let Record { path, start, end, .. } = &unsynced[from];
    let at = random.random_range(*start..*end);
    let mut bytes = fs::read(path).expect("a segment");
    if random.random_range(0..2) == 0 {
        bytes.truncate(at);
        let later = unsynced[from..].iter().map(|record| &record.path).filter(|later| *later != path);
        later.for_each(|later| drop(fs::remove_file(later)));
    } else {
        let page = at..(at + random.random_range(1..PAGE)).min(*end);
        bytes[page].fill(0);
    }
    fs::write(path, bytes).expect("it is writable");
    unsynced[from..].iter().map(|record| record.count).sum()
}

/// The whole records of all segments.
fn records(journal: &Path) -> Vec<Record> {
    let mut paths: Vec<_> =
        fs::read_dir(journal).expect("a folder").map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).expect("a segment");
        let mut start = FILE_HEADER;
        while let Some(header) = bytes.get(start..start + RECORD_HEADER) {
            let u32_at = |at| u32::from_le_bytes(*header[at..].first_chunk().expect("four bytes"));
            let first_seq = u64::from_le_bytes(*header[8..].first_chunk().expect("eight bytes"));
            let (end, count) = (start + RECORD_HEADER + u32_at(4) as usize, u32_at(16).into());
            if end > bytes.len() {
                break;
            }
            records.push(Record { path: path.clone(), start, end, first_seq, count });
            start = end;
        }
    }
    records
}
