//! Decodes any bytes as a block of the journal, and encodes what was read once more.

#![no_main]

use bytes::Bytes;
use certstream_server_fuzz::certificate::Issuer;
use certstream_server_fuzz::message::{CertEntry, Stream};
use certstream_server_fuzz::{block, make_tables, meter};
use libfuzzer_sys::fuzz_target;

const FIRST_SEQ: u64 = 1_795_460_507_875_404;

fuzz_target!(init: make_tables(), |data: &[u8]| {
    // Half of the inputs get a valid beginning, so that more of them reach the entries.
    let payload = match data.split_first() {
        Some((first, rest)) if first % 2 == 0 => [valid_head(), rest.to_vec()].concat(),
        _ => data.to_vec(),
    };
    let payload = Bytes::from(payload);
    // An entry takes at least thirty bytes of input and a few hundred in a list; an issuer at least five.
    let max_memory = 128 * payload.len() + 64 * 1024;
    let issuer = Issuer::unshared(b"issuer");
    let find = |fingerprint: &[u8; 32]| (fingerprint[0] % 2 == 0).then(|| issuer.clone());
    let Ok(entries) = meter::limited(max_memory, || block::decode(&payload, FIRST_SEQ, find)) else { return };
    let (source, position) = block::position(&payload).expect("what can be decoded has a position");
    let again = Bytes::from(block::encode(&source, &position, &entries, |_| false));
    let read = block::decode(&again, FIRST_SEQ, |_| None).expect("what was encoded can be decoded");
    assert_eq!(messages(&read), messages(&entries));
});

/// The fields before the issuers.
fn valid_head() -> Vec<u8> {
    let empty = certstream_server_fuzz::ct::source::Source::new(
        "https://ct.example",
        "A log",
        "",
        None,
        certstream_server_fuzz::ct::source::Protocol::Rfc6962,
    );
    let mut head = block::encode(&empty, b"{}", &[], |_| true);
    // The number of issuers, and that of entries.
    head.truncate(head.len() - 6);
    head
}

fn messages(entries: &[CertEntry]) -> Vec<Option<Vec<u8>>> {
    let small = |entry: &&CertEntry| entry.content_bytes() < 100_000;
    entries.iter().filter(small).take(8).flat_map(|entry| Stream::ALL.map(|stream| entry.json(stream))).collect()
}
