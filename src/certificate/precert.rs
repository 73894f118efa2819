//! Checks that a log signed the precertificate that it shows (RFC 6962 sections 3.1 and 3.2).
//!
//! The tree proves a PreCert: the hash of the issuer's key and a TBSCertificate. Clients are shown the
//! precertificate, which the tree does not cover, so a log could serve a different one. The precertificate
//! determines the PreCert: the signed TBSCertificate is the precertificate's own without the poison. So this
//! module compares the two and does not need to build the PreCert.
//!
//! Three things remain unproven, because a log does not sign them: the precertificate's signature, the
//! algorithm next to it, and the chain beyond the issuer's key.

use super::der::{self, Element, Malformed, Reader, tag};
use super::issuance::POISON_IDENTIFIER;
use super::issuer::Issuer;
use std::fmt;
use std::sync::Arc;

/// Encoded identifiers with their tags and lengths, as at the beginning of an extension.
const AUTHORITY_KEY_IDENTIFIER: &[u8] = b"\x06\x03\x55\x1D\x23";
const EXTENDED_KEY_USAGE: &[u8] = b"\x06\x03\x55\x1D\x25";
/// The only valid poison: critical, with the value NULL (RFC 6962 section 3.1). Any other content would be
/// shown to clients without being proven.
const POISON: &[u8] = b"\x30\x13\x06\x0A\x2B\x06\x01\x04\x01\xD6\x79\x02\x04\x03\x01\x01\xFF\x04\x02\x05\x00";
/// 1.3.6.1.4.1.11129.2.4.4, which identifies a Precertificate Signing Certificate (RFC 6962 section 3.1).
const PRECERT_SIGNING: &[u8] = b"\x2B\x06\x01\x04\x01\xD6\x79\x02\x04\x04";

/// Why a log's PreCert does not match its precertificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// One of the structures cannot be parsed.
    #[error("{of} is not DER at byte {at}: {what}")]
    NotDer {
        /// The structure.
        of: Structure,
        /// The error.
        what: &'static str,
        /// Offset of the error in the structure, in bytes.
        at: usize,
    },
    /// The certificate has no poison extension, so it is not a precertificate.
    #[error("no poison extension")]
    NoPoison,
    /// There is more than one poison extension. The certificate without one of them would still be invalid.
    #[error("more than one poison extension")]
    ManyPoisons,
    /// The poison extension is not critical, or its value is not NULL.
    #[error("the poison extension does not match RFC 6962")]
    OddPoison,
    /// A field differs from the signed one. This is the first such field.
    #[error("another {field}")]
    Differs {
        /// The field.
        field: Field,
    },
    /// `issuer_key_hash` is not the hash of the issuer's key in the chain.
    #[error("another issuer key")]
    IssuerKey,
}

/// The structures that the comparison reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// The PreCert's `tbs_certificate`.
    TbsCertificate,
    /// The precertificate.
    Precertificate,
    /// A certificate of the chain.
    Issuer,
}

/// A field of TBSCertificate (RFC 5280 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Version,
    SerialNumber,
    SignatureAlgorithm,
    Issuer,
    Validity,
    Subject,
    PublicKey,
    IssuerUniqueId,
    SubjectUniqueId,
    Extensions,
}

/// Who signed a precertificate (RFC 6962 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The CA itself. The TBSCertificate that the log signed is the precertificate's own without the poison.
    Ca,
    /// A Precertificate Signing Certificate. The TBSCertificate that the log signed has another issuer, and may have another
    /// authority key identifier.
    PrecertSigningCertificate,
}

/// Checks everything that the tree proves about a precert entry. `tbs` and `issuer_key_hash` are from its
/// PreCert, `precertificate` and `chain` from its PrecertChainEntry (RFC 6962 section 4.6). Returns who signed the
/// precertificate.
///
/// # Errors
/// See [`Mismatch`].
pub fn check(
    tbs: &[u8],
    issuer_key_hash: &[u8; 32],
    precertificate: &[u8],
    chain: &[Arc<Issuer>],
) -> Result<Signer, Mismatch> {
    let issuers = SigningChain::of(chain)?;
    issuers.check_tbs(tbs, precertificate)?;
    issuers.check_key(issuer_key_hash)?;
    Ok(issuers.signer())
}

/// The part of [`check`] that computes no hashes: checks `tbs` against `precertificate`.
///
/// # Errors
/// See [`Mismatch`].
pub fn check_tbs(tbs: &[u8], precertificate: &[u8], chain: &[Arc<Issuer>]) -> Result<(), Mismatch> {
    SigningChain::of(chain)?.check_tbs(tbs, precertificate)
}

/// The other part of [`check`]: checks that `issuer_key_hash` is the hash of the key of the issuer in
/// `chain`. Succeeds if the chain is too short to contain that issuer.
///
/// # Errors
/// See [`Mismatch`].
pub fn check_issuer_key(issuer_key_hash: &[u8; 32], chain: &[Arc<Issuer>]) -> Result<(), Mismatch> {
    SigningChain::of(chain)?.check_key(issuer_key_hash)
}

/// The certificates of a precertificate's chain that affect its PreCert.
struct SigningChain<'a> {
    /// The Precertificate Signing Certificate, if one signed the precertificate.
    precert_signer: Option<Tbs<'a>>,
    /// The CA that issues the final certificate.
    ca: Option<&'a Issuer>,
}

impl<'a> SigningChain<'a> {
    fn of(chain: &'a [Arc<Issuer>]) -> Result<Self, Mismatch> {
        Self::read(chain).map_err(Structure::Issuer.not_der())
    }

    fn read(chain: &'a [Arc<Issuer>]) -> der::Result<Self> {
        let mut certificates = chain.iter().map(Arc::as_ref);
        let mut next =
            || certificates.next().map(|issuer| Ok((issuer, Tbs::of_certificate(issuer.der())?))).transpose();
        Ok(match next()? {
            Some((_, signer)) if signer.may_sign_precerts()? => {
                SigningChain { precert_signer: Some(signer), ca: next()?.map(|(ca, _)| ca) }
            }
            ca => SigningChain { precert_signer: None, ca: ca.map(|(ca, _)| ca) },
        })
    }

    fn signer(&self) -> Signer {
        match self.precert_signer {
            Some(_) => Signer::PrecertSigningCertificate,
            None => Signer::Ca,
        }
    }

    fn check_key(&self, issuer_key_hash: &[u8; 32]) -> Result<(), Mismatch> {
        match self.ca {
            Some(ca) if ca.spki_sha256() != Some(*issuer_key_hash) => Err(Mismatch::IssuerKey),
            _ => Ok(()),
        }
    }

    fn check_tbs(&self, tbs: &[u8], precertificate: &[u8]) -> Result<(), Mismatch> {
        let shown = Tbs::of_certificate(precertificate).map_err(Structure::Precertificate.not_der())?;
        let no_sequence =
            || Structure::TbsCertificate.not_der()(Malformed { what: "no SEQUENCE alone", at: 0 });
        let mut signed = sole_content(tbs, tag::SEQUENCE).ok_or_else(no_sequence)?;
        for (field, expected) in [
            (Field::Version, shown.version),
            (Field::SerialNumber, shown.serial_number),
            (Field::SignatureAlgorithm, shown.signature_algorithm),
            (Field::Issuer, self.precert_signer.as_ref().unwrap_or(&shown).issuer),
            (Field::Validity, shown.validity),
            (Field::Subject, shown.subject),
            (Field::PublicKey, shown.public_key),
            (Field::IssuerUniqueId, shown.issuer_unique_id),
            (Field::SubjectUniqueId, shown.subject_unique_id),
        ] {
            signed = signed.strip_prefix(expected).ok_or(Mismatch::Differs { field })?;
        }
        // An empty list of extensions is left out (RFC 5280 section 4.1).
        let signed = match signed {
            [] => Some(signed),
            _ => sole_content(signed, tag::constructed(3))
                .and_then(|list| sole_content(list, tag::SEQUENCE))
                .filter(|list| !list.is_empty()),
        };
        self.check_extensions(signed, shown.extensions)
    }

    /// Compares the extensions. `signed` is `None` if it is no list of extensions.
    fn check_extensions(&self, mut signed: Option<&[u8]>, mut shown: Reader<'_>) -> Result<(), Mismatch> {
        let key = self.key_identifier()?;
        let (mut poisons, mut has_key) = (0, false);
        while !shown.is_empty() {
            let (extension, whole) = next(&mut shown).map_err(Structure::Precertificate.not_der())?;
            if extension.content.starts_with(POISON_IDENTIFIER) {
                if whole != POISON {
                    return Err(Mismatch::OddPoison);
                }
                poisons += 1;
            } else if self.precert_signer.is_some() && extension.content.starts_with(AUTHORITY_KEY_IDENTIFIER)
            {
                has_key = true;
                let (before, _) = value(&extension).map_err(Structure::Precertificate.not_der())?;
                // If the signer has no authority key identifier, the log removes the precertificate's.
                if let Some(key) = key {
                    signed = signed.and_then(|signed| strip_extension(signed, before, key));
                }
            } else {
                signed = signed.and_then(|signed| signed.strip_prefix(whole));
            }
        }
        match poisons {
            0 => return Err(Mismatch::NoPoison),
            1 => {}
            _ => return Err(Mismatch::ManyPoisons),
        }
        // The RFC does not cover a precertificate without the extension whose signer has it. In that case
        // certificate-transparency-go, which most logs run, appends it at the end.
        let added = |rest| key.and_then(|key| strip_extension(rest, AUTHORITY_KEY_IDENTIFIER, key));
        match signed {
            Some([]) => Ok(()),
            Some(rest) if !has_key && added(rest) == Some(&[]) => Ok(()),
            _ => Err(Mismatch::Differs { field: Field::Extensions }),
        }
    }

    /// The precert signer's authority key identifier, which replaces the precertificate's.
    fn key_identifier(&self) -> Result<Option<&'a [u8]>, Mismatch> {
        let Some(signer) = &self.precert_signer else { return Ok(None) };
        let found = signer.value_of(AUTHORITY_KEY_IDENTIFIER).map_err(Structure::Issuer.not_der())?;
        Ok(found)
    }
}

/// The fields of a TBSCertificate, each with its tag and length. An absent field is empty.
struct Tbs<'a> {
    version: &'a [u8],
    serial_number: &'a [u8],
    signature_algorithm: &'a [u8],
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    public_key: &'a [u8],
    issuer_unique_id: &'a [u8],
    subject_unique_id: &'a [u8],
    extensions: Reader<'a>,
}

impl<'a> Tbs<'a> {
    fn of_certificate(der: &'a [u8]) -> der::Result<Tbs<'a>> {
        let mut whole = Reader::new(der, 0);
        let mut certificate = whole.sequence()?;
        whole.finish()?;
        let mut tbs = certificate.sequence()?;
        Ok(Tbs {
            version: optional(&mut tbs, tag::constructed(0))?,
            serial_number: required(&mut tbs, tag::INTEGER)?,
            signature_algorithm: required(&mut tbs, tag::SEQUENCE)?,
            issuer: required(&mut tbs, tag::SEQUENCE)?,
            validity: required(&mut tbs, tag::SEQUENCE)?,
            subject: required(&mut tbs, tag::SEQUENCE)?,
            public_key: required(&mut tbs, tag::SEQUENCE)?,
            issuer_unique_id: optional(&mut tbs, tag::context(1))?,
            subject_unique_id: optional(&mut tbs, tag::context(2))?,
            extensions: extensions(tbs)?,
        })
    }

    /// Whether this is a Precertificate Signing Certificate.
    fn may_sign_precerts(&self) -> der::Result<bool> {
        let Some(usage) = self.value_of(EXTENDED_KEY_USAGE)? else { return Ok(false) };
        let mut purposes = Reader::new(usage, 0).expect(tag::OCTET_STRING)?.reader().sequence()?;
        while !purposes.is_empty() {
            if der::is_same_oid(purposes.element()?.content, PRECERT_SIGNING) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The extnValue of the extension whose encoding begins with `identifier`.
    fn value_of(&self, identifier: &[u8]) -> der::Result<Option<&'a [u8]>> {
        let mut extensions = self.extensions;
        while !extensions.is_empty() {
            let extension = extensions.element()?;
            if extension.content.starts_with(identifier) {
                return value(&extension).map(|(_, value)| Some(value));
            }
        }
        Ok(None)
    }
}

/// The extensions, which are the last field, or nothing.
fn extensions(mut tbs: Reader<'_>) -> der::Result<Reader<'_>> {
    let Some(explicit) = tbs.optional(tag::constructed(3))? else {
        tbs.finish()?;
        return Ok(tbs);
    };
    tbs.finish()?;
    explicit.explicit()?.sequence()
}

/// An extension's extnValue with its tag and length, and the bytes before it: extnID and critical.
fn value<'a>(extension: &Element<'a>) -> der::Result<(&'a [u8], &'a [u8])> {
    let mut parts = extension.reader();
    parts.expect(tag::OID)?;
    parts.optional(tag::BOOLEAN)?;
    let value = required(&mut parts, tag::OCTET_STRING)?;
    parts.finish()?;
    let before = extension.content.strip_suffix(value).unwrap_or_default();
    Ok((before, value))
}

fn optional<'a>(reader: &mut Reader<'a>, tag: u8) -> der::Result<&'a [u8]> {
    if reader.next_is(tag) { required(reader, tag) } else { Ok(&[]) }
}

/// The next element with its tag and length.
fn required<'a>(reader: &mut Reader<'a>, tag: u8) -> der::Result<&'a [u8]> {
    let before = reader.rest();
    reader.expect(tag)?;
    Ok(read_since(before, reader))
}

/// The next element of any type, once as an element and once as bytes with its tag and length.
fn next<'a>(reader: &mut Reader<'a>) -> der::Result<(Element<'a>, &'a [u8])> {
    let before = reader.rest();
    let element = reader.element()?;
    Ok((element, read_since(before, reader)))
}

fn read_since<'a>(before: &'a [u8], reader: &Reader<'a>) -> &'a [u8] {
    before.get(..before.len() - reader.rest().len()).unwrap_or_default()
}

/// The rest of `signed` after an extension that consists of `before` and `value`. `None` if `signed` does not
/// begin with that extension.
fn strip_extension<'a>(signed: &'a [u8], before: &[u8], value: &[u8]) -> Option<&'a [u8]> {
    let (length, body) = strict_header(signed, tag::SEQUENCE)?;
    let (content, rest) = body.split_at_checked(length)?;
    (content.strip_prefix(before)? == value).then_some(rest)
}

/// The content of `bytes`, if they are exactly one element with this tag.
fn sole_content(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (length, body) = strict_header(bytes, tag)?;
    (length == body.len()).then_some(body)
}

/// Reads a tag and a length in the only form that DER allows (X.690 section 10.1). Returns the length and the
/// bytes that follow it. The reader of `der` accepts other forms too, but a log encodes the lengths around
/// its changes in DER. A `tbs_certificate` is shorter than 2^24.
fn strict_header(bytes: &[u8], tag: u8) -> Option<(usize, &[u8])> {
    let (length, body) = match bytes.strip_prefix(&[tag])? {
        [length @ 0..=0x7F, body @ ..] => (u32::from(*length), body),
        [0x81, length @ 0x80..=0xFF, body @ ..] => (u32::from(*length), body),
        [0x82, a @ 1..=0xFF, b, body @ ..] => (u32::from_be_bytes([0, 0, *a, *b]), body),
        [0x83, a @ 1..=0xFF, b, c, body @ ..] => (u32::from_be_bytes([0, *a, *b, *c]), body),
        _ => return None,
    };
    Some((usize::try_from(length).ok()?, body))
}

impl Structure {
    fn not_der(self) -> impl Fn(Malformed) -> Mismatch {
        move |Malformed { what, at }| Mismatch::NotDer { of: self, what, at }
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Structure::TbsCertificate => "the TBSCertificate",
            Structure::Precertificate => "the precertificate",
            Structure::Issuer => "an issuer's certificate",
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Version => "version",
            Field::SerialNumber => "serial number",
            Field::SignatureAlgorithm => "signature algorithm",
            Field::Issuer => "issuer",
            Field::Validity => "validity",
            Field::Subject => "subject",
            Field::PublicKey => "public key",
            Field::IssuerUniqueId => "issuer unique ID",
            Field::SubjectUniqueId => "subject unique ID",
            Field::Extensions => "list of extensions",
        })
    }
}
