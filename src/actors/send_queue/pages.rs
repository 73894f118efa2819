//! Bytes in pages of memory that are theirs alone.

use bytes::Bytes;
use memmap2::MmapOptions;

/// A copy of `bytes` in a mapping of its own, which nobody writes and which ends with the last reference to it: what the
/// kernel still has of its pages then is the kernel's alone. `None` where no memory is to be had so.
pub(super) fn copied(bytes: &[u8]) -> Option<Bytes> {
    // All pages are to be written, and to be given them at once costs less than to ask for each.
    let mut mapping = MmapOptions::new().len(bytes.len()).populate().map_anon().ok()?;
    mapping.copy_from_slice(bytes);
    Some(Bytes::from_owner(mapping.make_read_only().ok()?))
}
