//! Builds TBSCertificates (RFC 5280 section 4.1) and certificates.

use super::der::{Der, tag};
use super::extensions;
use super::keys::KeyPair;
use super::subject::DistinguishedName;
use chrono::{DateTime, Utc};
use openssl::error::ErrorStack;

/// Beginning and end of the validity, both inclusive (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
}

/// The fields of a certificate without its extensions.
pub(super) struct Fields<'a> {
    pub serial: [u8; 16],
    pub issuer: &'a DistinguishedName,
    pub validity: Validity,
    pub subject: &'a DistinguishedName,
    pub subject_key: &'a KeyPair,
}

/// The content of a certificate without the one extension that differs between the precert, the
/// TBSCertificate that logs sign, and the final certificate (RFC 6962 sections 3.1 to 3.3). All three are
/// built from the same draft and are otherwise equal.
pub(super) struct Draft {
    /// The encoded fields from version to subjectPublicKeyInfo.
    fields: Vec<u8>,
    /// The extensions that all three have.
    extensions: Vec<u8>,
    /// The draft of the precert, if another key signs it. It contains that key's issuer name and key
    /// identifier (RFC 6962 section 3.2).
    precert: Option<Box<Draft>>,
}

impl Draft {
    /// `signer` is the key that will sign the certificate. Its algorithm is part of the content.
    pub(super) fn new(fields: &Fields, signer: &KeyPair, write_extensions: impl FnOnce(&mut Der)) -> Self {
        let mut der = Der::new();
        der.nested(tag::context_constructed(0), |der| der.unsigned(&[2])); // version: v3
        der.unsigned(&fields.serial);
        signer.write_signature_algorithm(&mut der);
        fields.issuer.write(&mut der);
        der.sequence(|der| {
            der.time(fields.validity.not_before);
            der.time(fields.validity.not_after);
        });
        fields.subject.write(&mut der);
        der.raw(&fields.subject_key.spki);

        let mut extensions = Der::new();
        write_extensions(&mut extensions);
        Self { fields: der.into_bytes(), extensions: extensions.into_bytes(), precert: None }
    }

    /// The TBSCertificate that a log signs and that a precert entry's leaf contains, without poison and SCTs.
    pub(super) fn tbs_certificate(&self) -> Vec<u8> {
        self.with(|_| {})
    }

    /// The same draft, with `precert` as the draft of its precert.
    pub(super) fn with_precert(self, precert: Draft) -> Self {
        Self { precert: Some(Box::new(precert)), ..self }
    }

    pub(super) fn tbs_precertificate(&self) -> Vec<u8> {
        self.precert.as_deref().unwrap_or(self).with(extensions::precert_poison)
    }

    /// `sct_list`: an encoded SignedCertificateTimestampList.
    pub(super) fn tbs_final_certificate(&self, sct_list: &[u8]) -> Vec<u8> {
        self.with(|der| extensions::sct_list(der, sct_list))
    }

    fn with(&self, last_extension: impl FnOnce(&mut Der)) -> Vec<u8> {
        Der::sequence_of(|der| {
            der.raw(&self.fields);
            der.nested(tag::context_constructed(3), |der| {
                der.sequence(|der| {
                    der.raw(&self.extensions);
                    last_extension(der);
                });
            });
        })
    }
}

/// Signs a TBSCertificate and returns the certificate.
pub(super) fn sign(tbs: &[u8], signer: &KeyPair) -> Result<Vec<u8>, ErrorStack> {
    let signature = signer.sign(tbs)?;
    Ok(Der::sequence_of(|der| {
        der.raw(tbs);
        signer.write_signature_algorithm(der);
        der.bit_string(&signature);
    }))
}
