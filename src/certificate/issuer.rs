//! A certificate of a chain. A few thousand of them stand behind everything that is logged, so each is parsed and written
//! once and shared.

use super::model::Certificate;
use bytes::Bytes;
use openssl::sha::sha256;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// An issuer's certificate, with what is made of it when it is first needed.
pub struct Issuer {
    der: Bytes,
    fingerprint: OnceLock<[u8; 32]>,
    spki_sha256: OnceLock<Option<[u8; 32]>>,
    json: OnceLock<Box<[u8]>>,
}

impl Issuer {
    /// The issuer with this certificate, whatever it holds.
    pub fn new(der: Bytes) -> Self {
        Issuer { der, fingerprint: OnceLock::new(), spki_sha256: OnceLock::new(), json: OnceLock::new() }
    }

    /// The issuer with a copy of this certificate, which it shares with nobody yet.
    pub fn unshared(der: &[u8]) -> Arc<Self> {
        Arc::new(Issuer::new(Bytes::copy_from_slice(der)))
    }

    /// The certificate.
    pub fn der(&self) -> &Bytes {
        &self.der
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        self.fingerprint.get_or_init(|| sha256(&self.der))
    }

    /// SHA-256 of its SubjectPublicKeyInfo; `None` where that cannot be read.
    pub fn spki_sha256(&self) -> Option<[u8; 32]> {
        *self.spki_sha256.get_or_init(|| Certificate::parse(&self.der).spki_sha256())
    }

    /// Its object in a message's `chain`.
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
