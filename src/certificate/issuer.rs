//! A certificate of a chain. All logs together use only a few thousand issuers, so each one is parsed and
//! encoded once and then shared.

use super::digests::sha256;
use super::model::Certificate;
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A text is kept if it has at most this many bytes for each byte of the certificate, and so many more. Usual texts have
/// three times as many bytes; control characters take six each.
const MAX_KEPT_TEXT: usize = 4;
const MAX_KEPT_TEXT_BESIDE: usize = 2048;

/// An issuer's certificate. Derived values are computed when they are first needed.
pub struct Issuer {
    der: Bytes,
    fingerprint: OnceLock<[u8; 32]>,
    spki_sha256: OnceLock<Option<[u8; 32]>>,
    json: OnceLock<Box<[u8]>>,
}

impl Issuer {
    /// Bytes of memory that an issuer takes beside its certificate, about.
    pub(crate) const OVERHEAD: usize = size_of::<Issuer>() + 128;

    /// Creates the issuer with this certificate. The certificate may have any content.
    pub fn new(der: Bytes) -> Self {
        Issuer { der, fingerprint: OnceLock::new(), spki_sha256: OnceLock::new(), json: OnceLock::new() }
    }

    /// Creates an issuer with a copy of this certificate. It is not shared with other entries.
    pub fn unshared(der: &[u8]) -> Arc<Self> {
        Arc::new(Issuer::new(Bytes::copy_from_slice(der)))
    }

    /// The certificate, in DER.
    pub fn der(&self) -> &Bytes {
        &self.der
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        self.fingerprint.get_or_init(|| sha256(&self.der))
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo. `None` if that cannot be parsed.
    pub fn spki_sha256(&self) -> Option<[u8; 32]> {
        *self.spki_sha256.get_or_init(|| Certificate::parse(&self.der).spki_sha256())
    }

    /// Appends its object in a message's `chain`. The text is kept for the next message, unless it is much larger than
    /// the texts of other certificates.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        if let Some(json) = self.json.get() {
            return out.extend_from_slice(json);
        }
        let start = out.len();
        Certificate::parse(&self.der).write_issuer(out);
        let json = out.get(start..).unwrap_or_default();
        if json.len() <= MAX_KEPT_TEXT * self.der.len() + MAX_KEPT_TEXT_BESIDE {
            self.json.get_or_init(|| json.into());
        }
    }
}

impl PartialEq for Issuer {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Issuer {}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("bytes", &self.der.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_same_each_time_and_kept_unless_it_is_large() {
        let small = Issuer::unshared(b"no certificate");
        // A subject of control characters.
        let name = [
            &b"\x30\x82\x10\x0B\x31\x82\x10\x07\x30\x82\x10\x03\x06\x03\x55\x04\x03\x0C\x82\x0F\xFA"[..],
            &[1; 4090],
        ]
        .concat();
        let tbs = [&b"\x02\x01\x01\x30\x00\x30\x00\x30\x00"[..], &name].concat();
        let length = (tbs.len() as u16).to_be_bytes();
        let large = Issuer::unshared(&[&[0x30, 0x82, length[0], length[1]], tbs.as_slice()].concat());
        for (issuer, is_kept) in [(small, true), (large, false)] {
            let mut expected = Vec::new();
            Certificate::parse(issuer.der()).write_issuer(&mut expected);
            for _ in 0..3 {
                let mut out = b"before".to_vec();
                issuer.write_json(&mut out);
                assert_eq!(out, [b"before", expected.as_slice()].concat());
            }
            assert_eq!(issuer.json.get().is_some(), is_kept, "{} of {}", expected.len(), issuer.der().len());
        }
    }
}
