//! The parsed certificate.

use super::digests::sha256;
use super::domains::Domains;
use super::extensions::Extensions;
use super::faults::Faults;
use super::issuance;
use super::name;
use super::parts::CertificateParts;
use std::borrow::Cow;

/// The kind of log entry that a leaf certificate belongs to (RFC 6962 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafKind {
    /// The final certificate.
    X509,
    /// The submitted precertificate, with its poison.
    Precert,
}

/// A certificate (RFC 5280 section 4.1), or the readable parts of a malformed one. It borrows the DER.
pub struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) parts: CertificateParts<'a>,
    pub(super) extensions: Extensions<'a>,
    /// Faults of the parts and of the list of extensions. The contents of extensions are checked when they
    /// are needed.
    pub(super) faults: Faults,
}

impl<'a> Certificate<'a> {
    /// Parses a certificate. This cannot fail: parts that cannot be parsed are missing.
    pub fn parse(der: &'a [u8]) -> Self {
        let mut faults = Faults::default();
        let parts = CertificateParts::parse(der, &mut faults);
        let extensions = Extensions::parse(parts.extensions, &mut faults);
        Certificate { der, parts, extensions, faults }
    }

    /// The kind that the certificate itself shows: a certificate with the poison is a precertificate.
    pub fn kind(&self) -> LeafKind {
        if self.extensions.has_poison() { LeafKind::Precert } else { LeafKind::X509 }
    }

    /// The subject's first common name.
    pub fn common_name(&self) -> Option<Cow<'a, str>> {
        self.parts.subject.and_then(|subject| name::common_name(&subject))
    }

    /// The issuer's first organization name, the member `O` of the message's `issuer`.
    pub fn issuer_organization(&self) -> Option<Cow<'a, str>> {
        self.parts.issuer.and_then(|issuer| name::organization(&issuer))
    }

    /// The issuer's first common name, the member `CN` of the message's `issuer`.
    pub fn issuer_common_name(&self) -> Option<Cow<'a, str>> {
        self.parts.issuer.and_then(|issuer| name::common_name(&issuer))
    }

    /// The names that the certificate is valid for: the common name unless it is empty, then the dNSNames in
    /// order. They may contain duplicates. For a malformed subjectAltName, these are the names before the
    /// error.
    pub fn domains(&self) -> impl Iterator<Item = Cow<'_, str>> {
        Domains::new(self.common_name(), self.extensions.alt_names())
    }

    /// SHA-256 of the SubjectPublicKeyInfo with its tag and length. `None` if it is missing.
    pub fn spki_sha256(&self) -> Option<[u8; 32]> {
        self.parts.public_key.map(sha256)
    }

    /// SHA-256 of the TBSCertificate without the SCT list of a certificate, or without the poison of a precertificate, as
    /// `kind` says. The certificate and the precert of one issuance have the same (RFC 6962 section 3.2), unless a
    /// Precertificate Signing Certificate signed the precertificate. `None` if the TBSCertificate cannot be parsed, or has
    /// more than one such extension.
    pub fn tbs_sha256(&self, kind: LeafKind) -> Option<[u8; 32]> {
        let left_out = match kind {
            LeafKind::X509 => issuance::SCT_LIST,
            LeafKind::Precert => issuance::POISON_IDENTIFIER,
        };
        issuance::tbs_sha256(self.der, left_out)
    }
}
