//! Parses any bytes as a data tile.

#![no_main]

use certstream_server_fuzz::ct::entry::{self, LogEntryType};
use certstream_server_fuzz::ct::tile;
use certstream_server_fuzz::{check_messages, make_tables, meter};
use certstream_server_fuzz::certificate::Issuer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: make_tables(), |data: &[u8]| {
    // A leaf takes at least twelve bytes of input, and a few hundred bytes in a list that doubles when it is
    // full.
    let leaves: Vec<_> = meter::limited(64 * data.len() + 4096, || tile::leaves(data).collect());
    let mut bytes = 0;
    for (place, leaf) in leaves.iter().enumerate() {
        let Ok(leaf) = leaf else {
            assert_eq!(place + 1, leaves.len(), "something came after an error");
            break;
        };
        let fingerprints = leaf.chain.len() * size_of::<tile::Fingerprint>();
        bytes += leaf.timestamped_entry.len() + fingerprints;
        assert!(bytes <= data.len(), "more leaf than there was tile");
        check_against_entry(leaf);
    }
});

/// The same entry in the format of get-entries must yield the same result.
fn check_against_entry(leaf: &tile::TileLeaf<'_>) {
    let leaf_input = [&[0 /* v1 */, 0 /* timestamped_entry */], leaf.timestamped_entry].concat();
    let mut extra_data = Vec::new();
    if leaf.entry_type == LogEntryType::Precert {
        extra_data.extend_from_slice(&(leaf.certificate.len() as u32).to_be_bytes()[1..]);
        extra_data.extend_from_slice(leaf.certificate);
    }
    extra_data.extend_from_slice(&[0, 0, 0]); // an empty chain
    let read = entry::decode(&leaf_input, &extra_data, Issuer::unshared);
    let expected = leaf.clone().into_entry(Vec::new(), None);
    assert_eq!(read, Ok(expected.clone()));
    check_messages(expected);
}
