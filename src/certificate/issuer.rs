//! A certificate of a chain. All logs together use only a few thousand issuers, so each one is parsed and
//! encoded once and then shared.

use super::model::Certificate;
use bytes::Bytes;
use openssl::sha::sha256;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// An issuer's certificate. Derived values are computed when they are first needed.
pub struct Issuer {
    der: Bytes,
    fingerprint: OnceLock<[u8; 32]>,
    spki_sha256: OnceLock<Option<[u8; 32]>>,
    json: OnceLock<Box<[u8]>>,
}

impl Issuer {
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

    /// Its JSON object in the `chain` of a message.
    pub fn json(&self) -> &[u8] {
        self.json.get_or_init(|| {
            let mut json = Vec::new();
            Certificate::parse(&self.der).write_issuer(&mut json);
            json.into()
        })
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
