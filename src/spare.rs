//! The memory of large buffers, which is used again.
//!
//! A page of a log and its messages have megabytes. If each buffer is allocated anew, the system maps and clears every
//! page of its memory: up to half of the CPU time between a log and a client.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::mem;
use std::ops::{Deref, DerefMut, RangeInclusive};

/// Buffers of at most this many bytes are left to the allocator.
const LARGE: usize = 128 * 1024;
/// Maximum number of bytes that are kept for the next buffers.
pub(crate) const MAX_SPARE_BYTES: usize = 16 * 1024 * 1024;
/// A buffer of known size takes at most this many times the memory that was asked for.
const MAX_EXCESS: usize = 2;
/// A buffer that has grown to [`LARGE`], and whose final size is not known, takes at most this many times its length.
const MAX_GROWTH: usize = 16;

static SPARE: Mutex<Spare> = Mutex::new(Spare { buffers: VecDeque::new(), bytes: 0, least_bytes: 0 });

struct Spare {
    /// The one that has been unused for longest is the first.
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The least number of bytes since the last [`give_back`].
    least_bytes: usize,
}

impl Spare {
    /// The newest buffer with a capacity in `range`.
    fn take(&mut self, range: RangeInclusive<usize>) -> Option<Vec<u8>> {
        let at = self.buffers.iter().rposition(|buffer| range.contains(&buffer.capacity()))?;
        let buffer = self.buffers.remove(at)?;
        self.bytes -= buffer.capacity();
        self.least_bytes = self.least_bytes.min(self.bytes);
        Some(buffer)
    }

    /// Adds a buffer. Returns those for which there is no room.
    fn put(&mut self, mut buffer: Vec<u8>) -> Vec<Vec<u8>> {
        buffer.clear();
        self.bytes += buffer.capacity();
        self.buffers.push_back(buffer);
        let mut excess = Vec::new();
        while self.bytes > MAX_SPARE_BYTES {
            excess.extend(self.remove_oldest());
        }
        excess
    }

    /// Removes the buffers that were not needed since the last call.
    fn remove_unused(&mut self) -> Vec<Vec<u8>> {
        let needed = self.bytes - self.least_bytes;
        let mut unused = Vec::new();
        while self.buffers.front().is_some_and(|oldest| self.bytes - oldest.capacity() >= needed) {
            unused.extend(self.remove_oldest());
        }
        self.least_bytes = self.bytes;
        unused
    }

    fn remove_oldest(&mut self) -> Option<Vec<u8>> {
        let oldest = self.buffers.pop_front()?;
        self.bytes -= oldest.capacity();
        self.least_bytes = self.least_bytes.min(self.bytes);
        Some(oldest)
    }
}

/// A growing list of bytes. When it is dropped, its memory is kept for the next ones.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// Creates an empty buffer for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let fitting = capacity..=capacity.saturating_mul(MAX_EXCESS);
        let spare = if capacity > LARGE { SPARE.lock().take(fitting) } else { None };
        Buffer(spare.unwrap_or_else(|| Vec::with_capacity(capacity)))
    }

    /// Appends `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let length = self.0.len() + bytes.len();
        if length > self.0.capacity() && length > LARGE {
            // As a Vec grows, so that the bytes are moved only a few times.
            let least = length.max(2 * self.0.capacity());
            let spare = SPARE.lock().take(least..=length.saturating_mul(MAX_GROWTH));
            if let Some(mut larger) = spare {
                larger.extend_from_slice(&self.0);
                *self = Buffer(larger);
            }
        }
        self.0.extend_from_slice(bytes);
    }

    /// The bytes. Their memory is kept when the last clone or slice is dropped.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        if self.is_large() { Bytes::from_owner(self) } else { mem::take(&mut self.0).into() }
    }

    /// Whether its memory is kept.
    fn is_large(&self) -> bool {
        self.0.capacity() > LARGE
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.is_large() {
            // Freed after the lock is released.
            let _excess = SPARE.lock().put(mem::take(&mut self.0));
        }
    }
}

/// Frees the memory that was not needed since the last call.
pub(crate) fn give_back() {
    // Freed after the lock is released.
    let _unused = SPARE.lock().remove_unused();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_spare(capacities: &[usize]) -> Spare {
        let buffers = capacities.iter().map(|capacity| Vec::with_capacity(*capacity)).collect();
        let bytes = capacities.iter().sum();
        Spare { buffers, bytes, least_bytes: bytes }
    }

    #[test]
    fn the_newest_buffer_that_fits_is_used_again() {
        let mut spare = of_spare(&[700_000, 900_000, 800_000]);
        assert!(spare.put(vec![1; 750_000]).is_empty());
        assert_eq!(spare.take(900_001..=usize::MAX), None);
        assert_eq!(spare.take(0..=699_999), None);
        let taken = [700_000..=800_000, 700_000..=800_000, 0..=900_000, 0..=700_000]
            .map(|range| spare.take(range).map(|buffer| (buffer.capacity(), buffer.len())));
        assert_eq!(taken, [750_000, 800_000, 900_000, 700_000].map(|capacity| Some((capacity, 0))));
        assert_eq!((spare.bytes, spare.least_bytes), (0, 0));
    }

    #[test]
    fn little_memory_is_kept() {
        let mut spare = of_spare(&[1_000_000, MAX_SPARE_BYTES - 2_000_000]);
        assert!(spare.put(Vec::with_capacity(1_000_000)).is_empty());
        assert_eq!((spare.buffers.len(), spare.bytes), (3, MAX_SPARE_BYTES));
        let excess = spare.put(Vec::with_capacity(1));
        assert_eq!(excess.iter().map(Vec::capacity).collect::<Vec<_>>(), [1_000_000]);
        assert_eq!((spare.buffers.len(), spare.bytes), (3, MAX_SPARE_BYTES - 999_999));
        assert_eq!(spare.put(Vec::with_capacity(2 * MAX_SPARE_BYTES)).len(), 4, "nothing fits beside it");
        assert_eq!((spare.buffers.len(), spare.bytes), (0, 0));
    }

    #[test]
    fn buffers_that_had_to_go_for_others_were_not_unused() {
        let mut spare = of_spare(&[MAX_SPARE_BYTES]);
        assert_eq!(spare.put(Vec::with_capacity(1_000_000)).len(), 1);
        assert_eq!((spare.bytes, spare.least_bytes), (1_000_000, 1_000_000));
        assert_eq!(spare.put(Vec::with_capacity(MAX_SPARE_BYTES)).len(), 1);
        assert_eq!(spare.put(Vec::with_capacity(2 * MAX_SPARE_BYTES)).len(), 2);
        assert_eq!((spare.bytes, spare.remove_unused().len()), (0, 0));
    }

    #[test]
    fn what_was_not_needed_for_a_while_is_given_back() {
        let mut spare = of_spare(&[100, 200, 300]);
        let taken = [200..=200, 300..=300].map(|range| spare.take(range).unwrap());
        assert!(taken.map(|buffer| spare.put(buffer)).iter().all(Vec::is_empty));
        let capacities = |buffers: Vec<Vec<u8>>| buffers.iter().map(Vec::capacity).collect::<Vec<_>>();
        assert_eq!(capacities(spare.remove_unused()), [100]);
        assert_eq!(spare.bytes, 500);
        assert_eq!(capacities(spare.remove_unused()), [200, 300]);
        assert_eq!((spare.bytes, spare.remove_unused().len()), (0, 0));
    }

    #[test]
    fn a_growing_buffer_holds_what_was_pushed() {
        for length in [0, 1, LARGE, LARGE + 1, 1_000_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 1000) as u8).collect();
            let mut buffer = Buffer::default();
            bytes.chunks(10_000).for_each(|chunk| buffer.push(chunk));
            assert!(buffer.into_bytes() == bytes, "{length}");
        }
    }

    /// Other tests use the memory too, so not every attempt finds the same buffer again.
    #[test]
    fn memory_is_used_again_when_nobody_reads_it_any_more() {
        let is_used_again = || {
            let mut buffer = Buffer::with_capacity(1_234_567);
            buffer.push(b"1");
            let address = buffer.as_ptr();
            let slice = buffer.into_bytes().slice(..1);
            let mut others: Vec<_> = (0..3).map(|_| Buffer::with_capacity(1_234_567)).collect();
            others.iter_mut().for_each(|other| other.push(b"2"));
            assert_eq!(slice, b"1".as_slice());
            drop((slice, others));
            let again: Vec<_> = (0..4).map(|_| Buffer::with_capacity(1_234_567)).collect();
            again.iter().any(|again| again.as_ptr() == address)
        };
        assert!((0..100).any(|_| is_used_again()));
        drop(Buffer::with_capacity(LARGE));
        assert!(SPARE.lock().buffers.iter().all(|buffer| buffer.capacity() > LARGE));
    }
}
