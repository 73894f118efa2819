//! Decodes any bytes as `leaf_input` and `extra_data`: two bytes with the length of the first, then both.

#![no_main]

use certstream_server_fuzz::ct::entry;
use certstream_server_fuzz::{check_messages, make_tables, meter};
use certstream_server_fuzz::certificate::Issuer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: make_tables(), |data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (leaf_input, extra_data) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    // A certificate of the chain takes at least three bytes of input. Each one becomes a Bytes in a list that
    // doubles when it is full.
    let max_memory = 64 * rest.len() + 4096;
    if let Ok(entry) = meter::limited(max_memory, || entry::decode(leaf_input, extra_data, Issuer::unshared)) {
        let found = entry.certificate.len() + entry.chain.iter().map(|issuer| issuer.der().len()).sum::<usize>();
        assert!(found <= rest.len(), "more certificate than there was input");
        check_messages(entry);
    }
});
