//! The memory of large response bodies, which is used again.
//!
//! A page of a log has megabytes. If each one is allocated anew, the system maps and clears every page of its memory:
//! a quarter of the CPU time of reading a log.

use bytes::Bytes;
use std::cell::RefCell;
use std::mem;

/// Bodies of more bytes than this are put into memory that is used again.
const LARGE: usize = 128 * 1024;
/// Maximum number of bytes that each thread keeps for the next bodies.
pub(crate) const MAX_SPARE_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A response body that is being received. Its memory returns to the thread that drops it.
#[derive(Debug, Default)]
pub(super) struct BodyBuffer(Vec<u8>);

impl BodyBuffer {
    /// Number of bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends `chunk`.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let length = self.0.len() + chunk.len();
        if length > self.0.capacity()
            && length > LARGE
            && let Some(mut spare) = spare_of(length)
        {
            spare.extend_from_slice(&self.0);
            self.0 = spare;
        }
        self.0.extend_from_slice(chunk);
    }

    /// The body. Its memory is used again when the last clone or slice is dropped.
    pub(super) fn into_bytes(mut self) -> Bytes {
        if self.is_large() { Bytes::from_owner(self) } else { mem::take(&mut self.0).into() }
    }

    fn is_large(&self) -> bool {
        self.0.capacity() > LARGE
    }
}

/// Memory for at least `length` bytes, if some is kept.
fn spare_of(length: usize) -> Option<Vec<u8>> {
    SPARE.with_borrow_mut(|all| {
        let at = all.iter().position(|spare| spare.capacity() >= length)?;
        Some(all.swap_remove(at))
    })
}

impl AsRef<[u8]> for BodyBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for BodyBuffer {
    fn drop(&mut self) {
        if !self.is_large() {
            return;
        }
        let mut spare = mem::take(&mut self.0);
        spare.clear();
        // While a thread ends, its memory is not kept.
        let _ = SPARE.try_with(|all| {
            let Ok(mut all) = all.try_borrow_mut() else { return };
            if all.iter().map(Vec::capacity).sum::<usize>() + spare.capacity() <= MAX_SPARE_BYTES {
                all.push(spare);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(length: usize, byte: u8) -> Bytes {
        let mut buffer = BodyBuffer::default();
        vec![byte; length].chunks(10_000).for_each(|chunk| buffer.push(chunk));
        assert_eq!(buffer.len(), length);
        buffer.into_bytes()
    }

    fn spare() -> Vec<usize> {
        SPARE.with_borrow(|all| all.iter().map(Vec::capacity).collect())
    }

    #[test]
    fn memory_is_used_again_when_nobody_reads_it_any_more() {
        let first = body(1_000_000, 1);
        let (address, slice) = (first.as_ptr(), first.slice(999_990..));
        drop(first);
        assert!(spare().is_empty(), "a slice is still in use");
        let second = body(1_000_000, 2);
        assert_eq!(slice, [1; 10].as_slice());
        drop(slice);
        let third = body(700_000, 3);
        assert_eq!(third.as_ptr(), address);
        assert!(third.iter().all(|byte| *byte == 3) && third.len() == 700_000);
        assert!(second.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn little_memory_is_kept() {
        drop(body(LARGE / 4, 1));
        assert!(spare().is_empty(), "small bodies are left to the allocator");
        drop(body(MAX_SPARE_BYTES + 1, 1));
        assert!(spare().is_empty(), "and so are huge ones");
        drop((0..20).map(|_| body(1_000_000, 1)).collect::<Vec<_>>());
        let kept: usize = spare().iter().sum();
        assert!((MAX_SPARE_BYTES / 2..=MAX_SPARE_BYTES).contains(&kept), "{kept} bytes");
    }
}
