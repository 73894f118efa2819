//! Bytes in dedicated memory pages.

use crate::message::Frames;
use bytes::Bytes;
use memmap2::MmapOptions;
use std::sync::Arc;

/// Copies the bytes of `parts` to a mapping of their own, which is never written afterwards and is unmapped with its last
/// reference. Pages that the kernel still references then belong to the kernel alone. `None` if the mapping fails.
pub(super) fn copied(parts: &[Arc<Frames>]) -> Option<Bytes> {
    let length = parts.iter().map(|part| part.bytes().len()).sum();
    // Every page is written, and populating them at once costs less than one page fault each.
    let mut mapping = MmapOptions::new().len(length).populate().map_anon().ok()?;
    let mut rest: &mut [u8] = &mut mapping;
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.bytes().len());
        place.copy_from_slice(part.bytes());
        rest = behind;
    }
    Some(Bytes::from_owner(mapping.make_read_only().ok()?))
}
