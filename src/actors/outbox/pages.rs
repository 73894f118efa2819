//! Bytes in pages of memory that are theirs alone.

use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// Bytes of a huge page, on the machines that have the most common ones.
const HUGE: usize = 2 * 1024 * 1024;

/// Bytes in a mapping of their own, which nobody writes and which ends with the last reference to them: what the kernel
/// still has of its pages then is the kernel's alone.
#[derive(Debug)]
pub(super) struct Pages {
    /// What lies there.
    pub(super) bytes: Bytes,
    /// Bytes of memory that this takes.
    pub(super) taken: usize,
}

impl Pages {
    /// A copy of `bytes`. `None` where no memory is to be had so.
    ///
    /// What fills more than half of a huge page lies in one, if the system has it: the kernel finds what lies there at
    /// once, and not page by page.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let huge = (bytes.len() + HUGE / 2) / HUGE * HUGE;
        // Only what is a multiple of huge pages is put where one begins.
        let length = if huge == 0 { bytes.len() } else { bytes.len().next_multiple_of(HUGE) };
        let mut mapping = MmapMut::map_anon(length).ok()?;
        // A system that has none gives small pages.
        #[cfg(target_os = "linux")]
        let _ = mapping.advise_range(Advice::HugePage, 0, huge);
        mapping.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let mapping = mapping.make_read_only().ok()?;
        let taken = huge.max(bytes.len());
        Some(Pages { bytes: Bytes::from_owner(mapping).slice(..bytes.len()), taken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_the_same_and_takes_little_more() {
        for length in [1, 4095, 4097, HUGE / 2 - 1, HUGE / 2, HUGE, HUGE + 1, 2 * HUGE - 1, 3 * HUGE + 7] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let pages = Pages::of(&bytes).expect("memory");
            assert!(pages.bytes == bytes, "{length}");
            assert!((length..length + HUGE / 2 + 1).contains(&pages.taken), "{length}: {}", pages.taken);
        }
    }
}
