//! Code that the fuzz targets share: the modules under test, a limit on their memory, and checks of every
//! message.
//!
//! The pure modules are compiled into this crate from their sources instead of linking the server's library.
//! They need no web server, and without it the build is fast enough to run for every change.

#[allow(dead_code)]
#[path = "../../src/journal/block.rs"]
pub mod block;
#[allow(dead_code)]
#[path = "../../src/certificate/mod.rs"]
pub mod certificate;
#[allow(dead_code)]
#[path = "../../src/ct/mod.rs"]
pub mod ct;
#[allow(dead_code)]
#[path = "../../src/filter/mod.rs"]
pub mod filter;
#[allow(dead_code)]
#[path = "../../src/message/mod.rs"]
pub mod message;
#[allow(dead_code)]
#[path = "../../src/printable.rs"]
pub mod printable;
#[allow(dead_code)]
#[path = "../../src/spare.rs"]
pub mod spare;

pub mod meter;

use ct::entry::{Content, LogEntry};
use ct::source::{Protocol, Source};
use message::{CertEntry, EntryBatch, Stream};
use std::sync::{Arc, LazyLock};

/// Maximum number of bytes of text for one byte of a certificate. The largest ratios in X.509 are timestamps
/// of an unknown version and reason flags: three to seven bytes become a text 25 times as long. The base64 of
/// `as_der` adds to that.
const GROWTH: usize = 32;
/// Bytes of text for any certificate, however short: member names, digests, `parse_error`.
const PER_CERTIFICATE: usize = 2048;
/// Bytes of text for any message.
const PER_MESSAGE: usize = 2048;

/// Maximum number of bytes of text for `certificates` in `input_len` bytes.
pub fn max_text(input_len: usize, certificates: usize) -> usize {
    GROWTH * input_len + PER_CERTIFICATE * certificates + PER_MESSAGE
}

/// Maximum memory for the same, in bytes: buffers that double when they are full, and lists of parsed parts.
pub fn max_memory(input_len: usize, certificates: usize) -> usize {
    3 * max_text(input_len, certificates) + 64 * 1024
}

/// Builds the table of object identifiers in advance. It is kept, so it must not count for any input.
pub fn make_tables() {
    // A certificate that ends after an issuer with the attribute 1.2.
    let der = b"\x30\x12\x30\x10\x02\x01\x01\x30\x00\x30\x09\x31\x07\x30\x05\x06\x01\x2A\x0C\x00";
    let mut out = Vec::new();
    certificate::Certificate::parse(der).write_issuer(&mut out);
    assert!(out.windows(15).any(|text| text == b"\"/member-body=\""), "{}", String::from_utf8_lossy(&out));
}

/// Panics unless `text` is UTF-8 and JSON, and no longer than `max_len`.
pub fn check_json(text: &[u8], max_len: usize) {
    assert!(text.len() <= max_len, "{} bytes of text, at most {max_len} may be", text.len());
    assert!(std::str::from_utf8(text).is_ok(), "text that is not UTF-8");
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        panic!("{error}: {}", String::from_utf8_lossy(text));
    }
}

/// A number as entries have it in the journal.
const FIRST_SEQ: u64 = 1_795_460_507_875_404;

/// Memory for the encoded issuers, which outlives a call and grows by doubling.
const ISSUERS: usize = 8 * 1024 * 1024;

/// Builds the message of every stream in both ways that the server uses. The results must be equal and valid
/// JSON.
pub fn check_messages(entry: LogEntry) {
    static SOURCE: LazyLock<Arc<Source>> = LazyLock::new(|| {
        Arc::new(Source::new("https://ct.example/", "A log", "An operator", None, Protocol::Rfc6962))
    });
    let bytes = entry.certificate.len() + entry.chain.iter().map(|issuer| issuer.der().len()).sum::<usize>();
    let certificates = 1 + entry.chain.len();
    let content = Content::Entry(entry);
    let entry = CertEntry::new(SOURCE.clone(), 7, 1_700_000_000_000_001, content);
    meter::limited(2 * max_memory(bytes, certificates) + ISSUERS, || {
        let mut batch = EntryBatch::new(vec![entry.clone()]);
        // The messages of the full stream get their numbers later, the others at once.
        batch.frames(Stream::Full);
        batch.number(FIRST_SEQ);
        let entry = CertEntry { seq: Some(FIRST_SEQ), ..entry };
        for stream in Stream::ALL {
            let Some(alone) = entry.json(stream) else {
                assert_eq!(stream, Stream::Domains, "only the domains stream has no message without names");
                assert!(batch.frames(stream).is_empty());
                continue;
            };
            check_json(&alone, max_text(bytes, certificates));
            assert_eq!(batch.frames(stream).text(0), alone, "the {stream} message, alone and cut");
        }
    });
}
