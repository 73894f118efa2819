//! The format of a segment: a header, then records one after another. All numbers are little-endian.
//!
//! Payloads contain what hostile logs sent. The beginning of a torn record could contain bytes that look like a
//! record, with any numbers. Therefore every segment has a random salt, without which no valid record can be made.

use crc32fast::Hasher;

/// Maximum size of a block's payload, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 32 << 20;
/// Size of a segment's header.
pub(super) const FILE_HEADER: usize = 32;
/// Size of a record without its payload.
pub(super) const RECORD_HEADER: usize = 36;
/// The version of this format.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ctjournl";

/// The random number of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt(pub(super) u64);

impl Salt {
    /// The first four bytes of every block.
    pub(super) fn block_mark(self) -> u32 {
        self.0 as u32
    }

    /// The first four bytes of an end marker.
    fn end_mark(self) -> u32 {
        !self.block_mark()
    }

    fn hasher(self) -> Hasher {
        Hasher::new_with_initial((self.0 >> 32) as u32)
    }

    /// The checksum of a payload that consists of `parts`.
    pub(super) fn checksum(self, parts: &[&[u8]]) -> u32 {
        let mut hasher = self.hasher();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }
}

/// The header of a segment.
///
/// ```text
/// magic [8] | version u32 | first_seq u64 | salt u64 | crc32 of all before u32
/// ```
///
/// Every version has this header, so that an unknown version and a damaged header can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    /// No number in the segment is smaller.
    pub(super) first_seq: u64,
    pub(super) salt: Salt,
}

/// Why the header of a segment cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderError {
    Damaged,
    UnknownVersion(u32),
}

impl FileHeader {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FILE_HEADER);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(self.first_seq.to_le_bytes());
        out.extend(self.salt.0.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8; FILE_HEADER]) -> Result<Self, HeaderError> {
        let mut fields = Fields(bytes);
        let decoded = (|| {
            let magic = fields.take::<8>()?;
            let version = fields.u32()?;
            Some((magic, version, fields.u64()?, fields.u64()?, fields.u32()?))
        })();
        let (magic, version, first_seq, salt, crc) = decoded.ok_or(HeaderError::Damaged)?;
        let covered = bytes.split_last_chunk::<4>().map_or(&[][..], |(covered, _)| covered);
        if magic != MAGIC || crc != crc32fast::hash(covered) {
            return Err(HeaderError::Damaged);
        }
        match version {
            VERSION => Ok(FileHeader { first_seq, salt: Salt(salt) }),
            _ => Err(HeaderError::UnknownVersion(version)),
        }
    }
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    /// The end of a run that stopped in an orderly way. It has no payload, and its `first_seq` is the next number.
    End,
}

/// A record without its payload.
///
/// ```text
/// mark u32 | len u32 | first_seq u64 | count u32 | time_us u64 | crc32 of the payload u32 | crc32 of all before u32
/// ```
///
/// The header has a checksum of its own, so that the length and the numbers of a block can be trusted without
/// reading its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: Kind,
    /// Size of the payload.
    pub(super) len: u32,
    pub(super) first_seq: u64,
    pub(super) count: u32,
    pub(super) time_us: u64,
    pub(super) payload_crc: u32,
}

impl RecordHeader {
    pub(super) fn encode(&self, salt: Salt) -> Vec<u8> {
        let mark = match self.kind {
            Kind::Block => salt.block_mark(),
            Kind::End => salt.end_mark(),
        };
        let mut out = Vec::with_capacity(RECORD_HEADER);
        out.extend(mark.to_le_bytes());
        out.extend(self.len.to_le_bytes());
        out.extend(self.first_seq.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(self.time_us.to_le_bytes());
        out.extend(self.payload_crc.to_le_bytes());
        out.extend(salt.checksum(&[&out]).to_le_bytes());
        out
    }

    /// The record at the beginning of `bytes`, or `None` if there is no valid one.
    pub(super) fn decode(bytes: &[u8], salt: Salt) -> Option<Self> {
        let bytes = bytes.first_chunk::<RECORD_HEADER>()?;
        let mut fields = Fields(bytes);
        let kind = match fields.u32()? {
            mark if mark == salt.block_mark() => Kind::Block,
            mark if mark == salt.end_mark() => Kind::End,
            _ => return None,
        };
        let header = RecordHeader {
            kind,
            len: fields.u32()?,
            first_seq: fields.u64()?,
            count: fields.u32()?,
            time_us: fields.u64()?,
            payload_crc: fields.u32()?,
        };
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let is_sound = u32::from_le_bytes(*crc) == salt.checksum(&[covered])
            && header.len as usize <= MAX_PAYLOAD
            && header.first_seq.checked_add(header.count.into()).is_some();
        is_sound.then_some(header)
    }

    /// The number behind the last one of the block.
    pub(super) fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count.into())
    }

    /// Size of the record with its payload.
    pub(super) fn total(&self) -> u64 {
        RECORD_HEADER as u64 + u64::from(self.len)
    }

    /// Whether the block is the one that contains `seq`, or is behind it.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        self.first_seq >= seq || self.end_seq() > seq
    }
}

/// Splits fields off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
