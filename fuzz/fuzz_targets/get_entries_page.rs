//! Parses any bytes as the body of a get-entries response.

#![no_main]

use certstream_server_fuzz::ct::{entry, get_entries};
use certstream_server_fuzz::meter;
use certstream_server_fuzz::certificate::Issuer;
use libfuzzer_sys::fuzz_target;

/// Maximum number of entries in a request.
const MOST: usize = 1000;

fuzz_target!(|body: &[u8]| {
    // Memory for the texts, which are copied if they contain escapes, for the decoded bytes, and for a list
    // with an element for each entry.
    let max_memory = 8 * body.len() + MOST * 512 + 16 * 1024;
    meter::limited(max_memory, || {
        let mut decoded = 0;
        let mut decode = |leaf_input: &[u8], extra_data: &[u8]| {
            decoded += leaf_input.len() + extra_data.len();
            let _ = entry::decode(leaf_input, extra_data, Issuer::unshared);
        };
        let page = get_entries::parse(body, MOST, |raw| match raw {
            Ok(raw) => decode(raw.leaf_input, raw.extra_data),
            Err(not_base64) => {
                if let Some((leaf_input, extra_data)) = not_base64.salvage() {
                    decode(&leaf_input, &extra_data);
                }
            }
        });
        assert!(page.is_err() || page.is_ok_and(|page| page.len() <= MOST));
        assert!(decoded <= body.len(), "base64 of more than the body");
    });
});
