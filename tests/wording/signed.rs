//! Tests that real precertificates match the data that their logs signed.

use crate::sources;
use certstream_server::certificate::Issuer;
use certstream_server::ct::entry::{LogEntryType, decode};

#[test]
fn recorded_precerts_are_what_their_logs_signed() {
    let Some(entries) = sources::conformance("live") else { return };
    let mut precerts = 0;
    for entry in &entries {
        let (leaf_input, extra_data) = entry.bytes().expect("base64");
        let decoded = decode(&leaf_input, &extra_data, Issuer::unshared).expect("an entry");
        assert_eq!(decoded.fault, None, "{}", entry.id);
        precerts += usize::from(decoded.entry_type == LogEntryType::Precert);
    }
    println!("{precerts} precerts of {} entries", entries.len());
    assert!(precerts > 0);
}
