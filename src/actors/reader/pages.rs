//! Bytes in dedicated memory pages.

use crate::message::Frames;
use bytes::Bytes;
use memmap2::{Advice, MmapMut, MmapOptions};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Size of a huge page.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

/// Copies the bytes of `parts` to a mapping of their own, which is never written afterwards and is unmapped with its last
/// reference. Pages that the kernel still references then belong to the kernel alone. `None` if the mapping fails.
pub(super) fn copied(parts: &[Arc<Frames>]) -> Option<Bytes> {
    let length = parts.iter().map(|part| part.bytes().len()).sum();
    let (mut mapping, place) = mapped(length).ok()?;
    let mut rest: &mut [u8] = mapping.get_mut(place.clone())?;
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.bytes().len());
        place.copy_from_slice(part.bytes());
        rest = behind;
    }
    Some(Bytes::from_owner(mapping.make_read_only().ok()?).slice(place))
}

/// Memory for `length` bytes, and where in it they are to be: from the beginning of a page. As many pages as possible are huge,
/// which costs less when they are sent.
fn mapped(length: usize) -> io::Result<(MmapMut, Range<usize>)> {
    let huge = length - length % HUGE_PAGE;
    if huge == 0 {
        // Every page is written, and populating them at once costs less than one page fault each.
        return Ok((MmapOptions::new().len(length).populate().map_anon()?, 0..length));
    }
    // What is before and behind the place is never written, so it takes no memory.
    let mapping = MmapOptions::new().len(length + HUGE_PAGE).map_anon()?;
    let start = mapping.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
    // A kernel that refuses this takes small pages, and one before 5.14 takes them when they are written.
    drop(mapping.advise_range(Advice::HugePage, start, huge));
    drop(mapping.advise_range(Advice::PopulateWrite, start, length));
    Ok((mapping, start..start + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FramesBuilder;

    fn part(length: usize) -> Arc<Frames> {
        let mut builder = FramesBuilder::with_capacity(1, length);
        builder.push_raw(|bytes| bytes.extend((0..length).map(|at| (at % 251) as u8)));
        builder.build()
    }

    #[test]
    fn the_bytes_are_those_of_the_parts_and_large_ones_begin_at_a_huge_page() {
        let texts = [1, 4096, 100_000, HUGE_PAGE - 200_000, HUGE_PAGE, 2 * HUGE_PAGE + 4097];
        let parts: Vec<Arc<Frames>> = texts.iter().map(|length| part(*length)).collect();
        for parts in (0..parts.len()).flat_map(|first| [&parts[first..=first], &parts[first..]]) {
            let expected: Vec<u8> = parts.iter().flat_map(|part| part.bytes().iter().copied()).collect();
            let copy = copied(parts).expect("memory");
            assert!(copy == expected, "{} bytes", expected.len());
            let boundary = if expected.len() >= HUGE_PAGE { HUGE_PAGE } else { 4096 };
            assert_eq!(copy.as_ptr().align_offset(boundary), 0, "{} bytes", expected.len());
        }
    }
}
