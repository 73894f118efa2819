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
        let Ok(page) = get_entries::parse(body, MOST) else { return };
        assert!(page.len() <= MOST);
        let mut decoded = 0;
        for raw in page {
            let raw = match raw {
                Ok(raw) => Some(raw),
                Err(not_base64) => not_base64.salvage(),
            };
            let Some(raw) = raw else { continue };
            decoded += raw.leaf_input.len() + raw.extra_data.len();
            let _ = entry::decode(&raw.leaf_input, &raw.extra_data, Issuer::unshared);
        }
        assert!(decoded <= body.len(), "base64 of more than the body");
    });
});
