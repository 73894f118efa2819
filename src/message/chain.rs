//! The issuers of a chain, worded once: a few thousand certificates stand behind all that is logged.

use crate::certificate;
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::LazyLock;

/// Most bytes of memory for worded issuers and their DER. Those of the web's certificates need about 10 MiB.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// How many that will be, about.
const EXPECTED: usize = 4096;
/// A certificate larger than this is worded anew each time: a hostile log could otherwise drive all others out.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// JSON by DER. A function's memory and no state: whether something is in it changes nothing but the time.
static WORDED: LazyLock<Cache<Bytes, Bytes, Size>> =
    LazyLock::new(|| Cache::with_weighter(EXPECTED, MAX_BYTES, Size));

#[derive(Debug, Clone)]
struct Size;

impl Weighter<Bytes, Bytes> for Size {
    fn weight(&self, der: &Bytes, json: &Bytes) -> u64 {
        (der.len() + json.len()) as u64
    }
}

/// Appends the object of a chain certificate.
pub(super) fn write(der: &Bytes, out: &mut Vec<u8>) {
    if der.len() > MAX_CERTIFICATE {
        return certificate::write_chain_certificate(der, out);
    }
    if let Some(json) = WORDED.get(der.as_ref()) {
        return out.extend_from_slice(&json);
    }
    let start = out.len();
    certificate::write_chain_certificate(der, out);
    let json = out.get(start..).map(Bytes::copy_from_slice).unwrap_or_default();
    // The key is a copy: a slice would keep its whole entry in memory.
    WORDED.insert(Bytes::copy_from_slice(der), json);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_reads_the_same_the_first_and_every_other_time() {
        for der in [&b""[..], b"no certificate", &[0x30; MAX_CERTIFICATE + 1]] {
            let mut expected = Vec::new();
            certificate::write_chain_certificate(der, &mut expected);
            for _ in 0..3 {
                let mut out = b"before".to_vec();
                write(&Bytes::copy_from_slice(der), &mut out);
                assert_eq!(out, [b"before", expected.as_slice()].concat());
            }
        }
    }
}
