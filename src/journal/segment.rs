//! One segment: its bytes, and an index of them. One thread appends, any thread reads.

use super::record::{FILE_HEADER, FileHeader, Kind, RECORD_HEADER, RecordHeader, Salt};
use parking_lot::RwLock;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The index has at most one block in this many bytes.
const INDEX_INTERVAL: u64 = 64 << 10;

/// Where the bytes of a segment are.
#[derive(Debug)]
enum Backing {
    File { file: File, path: PathBuf },
    Memory(RwLock<Vec<u8>>),
}

/// A block that the index knows.
#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    first_seq: u64,
    offset: u64,
    /// The latest time of all blocks before it. Unlike the blocks' own times, this never falls.
    max_time_before_us: u64,
}

/// A summary of a segment's blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// The first number, if any block has one.
    pub(super) floor: Option<u64>,
    pub(super) first_time_us: u64,
    pub(super) last: RecordHeader,
    pub(super) max_time_us: u64,
}

/// The part of a segment that readers may read.
#[derive(Debug, Default)]
struct Extent {
    /// End of the last whole record.
    end: u64,
    /// Size on disk. Larger than `end` if there is damage behind the last whole record.
    size: u64,
    blocks: Option<Blocks>,
    index: Vec<IndexEntry>,
}

impl Extent {
    fn add(&mut self, header: &RecordHeader, offset: u64) {
        let max_time_before_us = self.blocks.map_or(0, |blocks| blocks.max_time_us);
        if self.index.last().is_none_or(|entry| offset >= entry.offset + INDEX_INTERVAL) {
            self.index.push(IndexEntry { first_seq: header.first_seq, offset, max_time_before_us });
        }
        let number = (header.count > 0).then_some(header.first_seq);
        self.blocks = Some(Blocks {
            floor: self.blocks.and_then(|blocks| blocks.floor).or(number),
            first_time_us: self.blocks.map_or(header.time_us, |blocks| blocks.first_time_us),
            last: *header,
            max_time_us: max_time_before_us.max(header.time_us),
        });
        self.grow(offset + header.total());
    }

    fn grow(&mut self, end: u64) {
        self.end = end;
        self.size = self.size.max(end);
    }
}

/// A record was not written.
#[derive(Debug)]
pub(super) struct WriteError {
    pub(super) source: io::Error,
    /// Whether the segment is as it was before, so that more can be appended to it.
    pub(super) is_undone: bool,
}

/// A part of the journal, which is deleted as a whole.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: FileHeader,
    backing: Backing,
    extent: RwLock<Extent>,
}

impl Segment {
    /// Creates a segment with the file `path`, which must not exist yet.
    pub(super) fn create(path: PathBuf, first_seq: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let header = FileHeader { first_seq, salt: Salt(rand::random()) };
        if let Err(error) = write_all(&file, &mut [IoSlice::new(&header.encode())]) {
            // The error that is returned explains this one too.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self::new(header, Backing::File { file, path }, FILE_HEADER as u64))
    }

    /// Creates a segment in memory, which is expected to grow to `bytes` bytes.
    pub(super) fn in_memory(first_seq: u64, bytes: usize) -> Self {
        let header = FileHeader { first_seq, salt: Salt(rand::random()) };
        let mut content = Vec::with_capacity(bytes);
        content.extend(header.encode());
        Self::new(header, Backing::Memory(RwLock::new(content)), FILE_HEADER as u64)
    }

    /// An existing file of `size` bytes. Its blocks are not known yet.
    pub(super) fn existing(header: FileHeader, file: File, path: PathBuf, size: u64) -> Self {
        Self::new(header, Backing::File { file, path }, size)
    }

    fn new(header: FileHeader, backing: Backing, size: u64) -> Self {
        let extent = Extent { end: FILE_HEADER as u64, size, ..Extent::default() };
        Segment { header, backing, extent: RwLock::new(extent) }
    }

    /// The file, unless the segment is in memory.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.backing {
            Backing::File { path, .. } => Some(path),
            Backing::Memory(_) => None,
        }
    }

    /// The path, for errors.
    pub(super) fn name(&self) -> &Path {
        self.path().unwrap_or(Path::new("memory"))
    }

    /// End of the last whole record.
    pub(super) fn end(&self) -> u64 {
        self.extent.read().end
    }

    /// Size on disk.
    pub(super) fn size(&self) -> u64 {
        self.extent.read().size
    }

    /// A summary of the blocks, if there are any.
    pub(super) fn blocks(&self) -> Option<Blocks> {
        self.extent.read().blocks
    }

    /// An offset from which a walk over the records finds the first block that reaches `seq`.
    pub(super) fn offset_of_seq(&self, seq: u64) -> u64 {
        self.offset_before(|entry| entry.first_seq < seq)
    }

    /// An offset from which a walk over the records finds the first block with a time of at least `time_us`.
    pub(super) fn offset_of_time(&self, time_us: u64) -> u64 {
        self.offset_before(|entry| entry.max_time_before_us < time_us)
    }

    fn offset_before(&self, is_before: impl Fn(&IndexEntry) -> bool) -> u64 {
        let extent = self.extent.read();
        let behind = extent.index.partition_point(is_before);
        behind
            .checked_sub(1)
            .and_then(|i| extent.index.get(i))
            .map_or(FILE_HEADER as u64, |entry| entry.offset)
    }

    /// Reads `buffer.len()` bytes.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.backing {
            Backing::File { file, .. } => file.read_exact_at(buffer, offset),
            Backing::Memory(content) => {
                let content = content.read();
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let part = content.get(start..start.saturating_add(buffer.len()));
                buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// Adds a block that the file already contains. Blocks are added in order.
    pub(super) fn add_existing(&self, header: &RecordHeader, offset: u64) {
        self.extent.write().add(header, offset);
    }

    /// Appends a record with the payload `parts`.
    pub(super) fn append(&self, header: &RecordHeader, parts: &[&[u8]]) -> Result<(), WriteError> {
        let encoded = header.encode(self.header.salt);
        let offset = self.end();
        match &self.backing {
            Backing::File { file, .. } => {
                let mut slices = Vec::with_capacity(parts.len() + 1);
                slices.push(IoSlice::new(&encoded));
                slices.extend(parts.iter().map(|part| IoSlice::new(part)));
                if let Err(source) = write_all(file, &mut slices) {
                    let is_undone = self.cut(offset).is_ok();
                    return Err(WriteError { source, is_undone });
                }
            }
            Backing::Memory(content) => {
                let mut content = content.write();
                content.extend(encoded);
                parts.iter().for_each(|part| content.extend_from_slice(part));
            }
        }
        match header.kind {
            Kind::Block => self.add_existing(header, offset),
            Kind::End => self.extent.write().grow(offset + header.total()),
        }
        Ok(())
    }

    /// Removes everything from `end` on, which is the end of the last whole record. The next record goes there.
    pub(super) fn cut(&self, end: u64) -> io::Result<()> {
        #[cfg(test)]
        super::tests::disk::check_cut()?;
        if let Backing::File { file, .. } = &self.backing {
            file.set_len(end)?;
            let mut file = file;
            file.seek(SeekFrom::Start(end))?;
        }
        self.extent.write().size = end;
        Ok(())
    }

    /// Makes everything appended so far durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        super::tests::disk::check_sync()?;
        match &self.backing {
            Backing::File { file, .. } => file.sync_data(),
            Backing::Memory(_) => Ok(()),
        }
    }

    /// Whether the file is still at its path. What is written to it after it was removed is lost.
    pub(super) fn is_in_place(&self) -> bool {
        match &self.backing {
            Backing::File { file, path } => match (file.metadata(), path.symlink_metadata()) {
                (Ok(own), Ok(found)) => (own.dev(), own.ino()) == (found.dev(), found.ino()),
                _ => false,
            },
            Backing::Memory(_) => true,
        }
    }

    /// The valid record header in `bytes`, which begin at `offset`, if the record ends before `limit`.
    pub(super) fn decode(&self, bytes: &[u8], offset: u64, limit: u64) -> Option<RecordHeader> {
        let header = RecordHeader::decode(bytes, self.header.salt)?;
        (offset.saturating_add(header.total()) <= limit).then_some(header)
    }

    /// Reads up to `len` bytes, but none from `limit` on. They are fewer if another program has cut the file.
    pub(super) fn read_up_to(&self, offset: u64, len: usize, limit: u64) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; len.min(rest)];
        match (self.read_at(&mut buffer, offset), &self.backing) {
            (Err(error), Backing::File { file, .. }) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let size = file.metadata()?.len().saturating_sub(offset);
                buffer.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                self.read_at(&mut buffer, offset)?;
            }
            (result, _) => result?,
        }
        Ok(buffer)
    }

    /// Completes `buffer`, the beginning of the record at `offset`, and checks its payload.
    pub(super) fn complete(
        &self,
        buffer: &mut Vec<u8>,
        header: &RecordHeader,
        offset: u64,
    ) -> io::Result<bool> {
        let present = buffer.len();
        buffer.resize(header.total() as usize, 0);
        if let Some(rest @ [_, ..]) = buffer.get_mut(present..) {
            self.read_at(rest, offset + present as u64)?;
        }
        let payload = buffer.get(RECORD_HEADER..).unwrap_or_default();
        Ok(self.header.salt.checksum(&[payload]) == header.payload_crc)
    }
}

/// Writes all of `slices` at the file's position, with one call if the disk has room.
fn write_all(file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    #[cfg(not(test))]
    let mut file = file;
    #[cfg(test)]
    let mut file = super::tests::disk::Limited(file);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
