//! Bytes in dedicated memory pages.

use bytes::Bytes;
use memmap2::MmapOptions;

/// Copies `bytes` to a mapping of its own, which is never written afterwards and is unmapped with its last reference.
/// Pages that the kernel still references then belong to the kernel alone. `None` if the mapping fails.
pub(super) fn copied(bytes: &[u8]) -> Option<Bytes> {
    // Every page is written, and populating them at once costs less than one page fault each.
    let mut mapping = MmapOptions::new().len(bytes.len()).populate().map_anon().ok()?;
    mapping.copy_from_slice(bytes);
    Some(Bytes::from_owner(mapping.make_read_only().ok()?))
}
