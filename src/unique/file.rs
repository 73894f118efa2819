//! The file of a slice: which keys were first seen in it, and their numbers. All numbers are little-endian.
//!
//! ```text
//! header: magic [8] | version u32 | salt [16] | begun_us u64 | kinds u64 | crc32 of all before u32
//! chunk:  count u32 | crc32 of the records u32 | count × { key u64 | seq u64 }
//! ```
//!
//! A chunk is written before its entries are sent, but not synced: a power failure may lose the newest ones, and then some
//! entries are sent a second time.

use super::kind::Kind;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"ctunique";
const VERSION: u32 = 1;
const HEADER: usize = 48;
const RECORD: usize = 16;
/// Of the names of the files, behind the number of the first entry.
const EXTENSION: &str = "keys";

/// A key, and the number of the first entry that has it.
pub(super) type Record = (u64, u64);

/// What the header of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) salt: [u8; 16],
    /// When the slice was begun, unix microseconds.
    pub(super) begun_us: u64,
    /// The kinds whose keys are in it.
    pub(super) kinds: Vec<Kind>,
}

/// The file of the newest slice.
#[derive(Debug)]
pub(super) struct SliceFile(File);

impl SliceFile {
    /// Creates the file of the slice that begins with the entry `first_seq`, in the folder `dir`.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn create(dir: &Path, first_seq: u64, header: &Header) -> io::Result<(Self, PathBuf)> {
        fs::create_dir_all(dir)?;
        // Numbers of the same length, so that the names have their order.
        let path = dir.join(format!("{first_seq:020}.{EXTENSION}"));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        file.write_all(&header.encode())?;
        Ok((SliceFile(file), path))
    }

    /// Appends records.
    ///
    /// # Errors
    /// The operating system's. The file must not be written any more then.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let numbers = records.iter().flat_map(|(key, seq)| [key, seq]);
        let records: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        let count = (records.len() / RECORD) as u32;
        let head = [count.to_le_bytes(), crc32fast::hash(&records).to_le_bytes()];
        self.0.write_all(&[head.concat(), records].concat())
    }
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let kinds = self.kinds.iter().fold(0_u64, |kinds, kind| kinds | 1 << kind.code());
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(self.salt);
        header.extend(self.begun_us.to_le_bytes());
        header.extend(kinds.to_le_bytes());
        header.extend(crc32fast::hash(&header).to_le_bytes());
        header
    }

    /// The header at the beginning of `bytes`, and what follows it.
    fn split(mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (header, crc) = bytes.first_chunk::<HEADER>()?.split_last_chunk::<4>()?;
        let is_sound = *crc == crc32fast::hash(header).to_le_bytes();
        let (magic, version) = (take::<8>(&mut bytes)?, u32::from_le_bytes(take(&mut bytes)?));
        let (salt, begun_us) = (take(&mut bytes)?, u64::from_le_bytes(take(&mut bytes)?));
        let kinds = u64::from_le_bytes(take(&mut bytes)?);
        take::<4>(&mut bytes)?;
        if !is_sound || magic != MAGIC || version != VERSION {
            return None;
        }
        let is_in = |kind: &Kind| kinds & 1 << kind.code() != 0;
        let kinds = (0..u64::BITS as u8).filter_map(Kind::from_code).filter(is_in).collect();
        Some((Header { salt, begun_us, kinds }, bytes))
    }
}

/// The header and the records of the file at `path`, up to the first damage. `None` if it has no valid header.
///
/// # Errors
/// The operating system's.
pub(super) fn read(path: &Path) -> io::Result<Option<(Header, Vec<Record>)>> {
    let bytes = fs::read(path)?;
    let Some((header, mut rest)) = Header::split(&bytes) else { return Ok(None) };
    let mut records = Vec::new();
    while let Some(chunk) = next_chunk(&mut rest) {
        records.extend(chunk.chunks_exact(RECORD).filter_map(|mut record| {
            Some((u64::from_le_bytes(take(&mut record)?), u64::from_le_bytes(take(&mut record)?)))
        }));
    }
    Ok(Some((header, records)))
}

fn next_chunk<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let count = u32::from_le_bytes(take(rest)?) as usize;
    let crc = u32::from_le_bytes(take(rest)?);
    let (chunk, behind) = rest.split_at_checked(count.checked_mul(RECORD)?)?;
    *rest = behind;
    (crc32fast::hash(chunk) == crc).then_some(chunk)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// The files in `dir` with the numbers of their first entries, the oldest first. None if there is no such folder.
///
/// # Errors
/// The operating system's.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_one = path.extension().is_some_and(|extension| extension == EXTENSION);
        let first_seq = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        files.extend(first_seq.filter(|_| is_one).map(|first_seq| (first_seq, path)));
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let kinds = [0, 1, 12].map(|code| Kind::from_code(code).unwrap()).into();
        Header { salt: *b"0123456789abcdef", begun_us: 1_800_000_000_000_000, kinds }
    }

    #[test]
    fn what_was_written_is_read_up_to_the_first_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, path) = SliceFile::create(dir.path(), 77, &header()).unwrap();
        file.append(&[(1, 2), (3, 4)]).unwrap();
        file.append(&[(5, u64::MAX)]).unwrap();
        assert_eq!(read(&path).unwrap(), Some((header(), vec![(1, 2), (3, 4), (5, u64::MAX)])));
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let expected: &[Record] = if length < HEADER + 40 { &[] } else { &[(1, 2), (3, 4)] };
            let expected = (length >= HEADER).then(|| (header(), expected.to_vec()));
            assert_eq!(read(&path).unwrap(), expected, "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            let records = read(&path).unwrap().map(|(_, records)| records.len());
            assert_eq!(
                records,
                match at {
                    0..HEADER => None,
                    48..88 => Some(0),
                    _ => Some(2),
                },
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_huge_count_is_no_reason_to_fail() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, path) = SliceFile::create(dir.path(), 1, &header()).unwrap();
        file.0.write_all(&[0xff; 40]).unwrap();
        assert_eq!(read(&path).unwrap(), Some((header(), Vec::new())));
    }

    #[test]
    fn files_come_in_the_order_of_their_entries_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(list(&dir.path().join("none")).unwrap(), []);
        for first_seq in [9, 1_800_000_000_000_000, 10] {
            SliceFile::create(dir.path(), first_seq, &header()).unwrap();
        }
        for other in ["x.keys", "5.txt", "keys"] {
            fs::write(dir.path().join(other), "").unwrap();
        }
        let seqs: Vec<_> = list(dir.path()).unwrap().into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(seqs, [9, 10, 1_800_000_000_000_000]);
    }
}
