//! Locates the parts of a certificate (RFC 5280 section 4.1), even if some of them are malformed.

use std::ops::ControlFlow;

use super::der::{Element, Reader, Result, tag};
use super::faults::Faults;
use super::integer;

/// ```text
/// Certificate    ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
/// TBSCertificate ::= SEQUENCE {
///     version [0] EXPLICIT, serialNumber INTEGER, signature AlgorithmIdentifier, issuer Name,
///     validity Validity, subject Name, subjectPublicKeyInfo, issuerUniqueID [1],
///     subjectUniqueID [2], extensions [3] EXPLICIT Extensions }
/// ```
/// A part that could not be found is `None`.
#[derive(Default)]
pub(super) struct CertificateParts<'a> {
    pub serial_number: Option<Element<'a>>,
    pub signature_algorithm: Option<Element<'a>>,
    pub issuer: Option<Element<'a>>,
    pub validity: Option<Element<'a>>,
    pub subject: Option<Element<'a>>,
    /// SubjectPublicKeyInfo with its tag and length.
    pub public_key: Option<&'a [u8]>,
    pub extensions: Option<Element<'a>>,
}

impl<'a> CertificateParts<'a> {
    pub(super) fn parse(der: &'a [u8], faults: &mut Faults) -> CertificateParts<'a> {
        let mut found = CertificateParts::default();
        let mut reader = Reader::new(der, 0);
        let Some(certificate) = enter(&mut reader, tag::SEQUENCE, "certificate", faults) else {
            return found;
        };
        if let Err(fault) = reader.finish() {
            faults.note("certificate", "bytes after its end", fault.at);
        }
        let mut parts = certificate.reader();
        if parts.next_is(tag::constructed(0)) || parts.next_is(tag::INTEGER) {
            faults.note("certificate", "a TBSCertificate or a list without its signature", parts.at());
            found.read_tbs(parts, faults);
            return found;
        }
        if let Some(tbs) = enter(&mut parts, tag::SEQUENCE, "tbsCertificate", faults) {
            found.read_tbs(tbs.reader(), faults);
            found.read_signature(parts, faults);
        }
        found
    }

    fn read_tbs(&mut self, tbs: Reader<'a>, faults: &mut Faults) {
        // On an error, the fields before it are kept.
        let _ = self.read_fields(tbs, faults);
    }

    fn read_fields(&mut self, mut tbs: Reader<'a>, faults: &mut Faults) -> ControlFlow<()> {
        if tbs.next_is(tag::constructed(0)) {
            let version = field(&mut tbs, tag::constructed(0), "version", faults)?;
            faults.keep("version", version.map_or(Ok(()), |version| check_version(version.reader())));
        }
        self.serial_number = field(&mut tbs, tag::INTEGER, "serialNumber", faults)?;
        if let Some((serial, what)) =
            self.serial_number.and_then(|it| Some((it, integer::fault(it.content)?)))
        {
            faults.note("serialNumber", what, serial.at);
        }
        self.signature_algorithm = field(&mut tbs, tag::SEQUENCE, "signature", faults)?;
        self.issuer = field(&mut tbs, tag::SEQUENCE, "issuer", faults)?;
        self.validity = field(&mut tbs, tag::SEQUENCE, "validity", faults)?;
        self.subject = field(&mut tbs, tag::SEQUENCE, "subject", faults)?;
        let before = tbs.rest();
        if let Some(public_key) = field(&mut tbs, tag::SEQUENCE, "subjectPublicKeyInfo", faults)? {
            self.public_key = before.get(..before.len() - tbs.rest().len());
            faults.keep("subjectPublicKeyInfo", check_public_key(public_key.reader()));
        }
        self.read_optional_fields(tbs, faults);
        ControlFlow::Continue(())
    }

    fn read_optional_fields(&mut self, mut tbs: Reader<'a>, faults: &mut Faults) {
        while !tbs.is_empty() {
            match tbs.element_or_cut() {
                Ok((explicit, cut)) if explicit.tag == tag::constructed(3) => {
                    if cut {
                        faults.note("extensions", "cut short", explicit.at);
                    }
                    self.extensions = enter(&mut explicit.reader(), tag::SEQUENCE, "extensions", faults);
                }
                // issuerUniqueID and subjectUniqueID, IMPLICIT BIT STRINGs
                Ok((unique_id, _)) if matches!(unique_id.tag, 0x81 | 0x82 | 0xA1 | 0xA2) => {}
                Ok((other, _)) => faults.note("tbsCertificate", "more than belongs here", other.at),
                Err(fault) => return faults.add("tbsCertificate", fault),
            }
        }
    }

    fn read_signature(&mut self, mut parts: Reader<'a>, faults: &mut Faults) {
        let algorithm = faults.keep("signatureAlgorithm", parts.expect(tag::SEQUENCE));
        if algorithm.is_some() {
            self.signature_algorithm = algorithm;
            if let Some(signature) = faults.keep("signature", parts.expect(tag::BIT_STRING)) {
                faults.keep("signature", signature.bits());
                faults.keep("certificate", parts.finish());
            }
        }
    }
}

/// Version ::= INTEGER { v1(0), v2(1), v3(2) }
fn check_version(mut version: Reader<'_>) -> Result<()> {
    version.expect(tag::INTEGER)?;
    version.finish()
}

/// SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }
fn check_public_key(mut public_key: Reader<'_>) -> Result<()> {
    public_key.sequence()?.oid()?;
    public_key.expect(tag::BIT_STRING)?;
    public_key.finish()
}

/// Opens a constructed element, even one that was truncated.
fn enter<'a>(
    reader: &mut Reader<'a>,
    tag: u8,
    part: &'static str,
    faults: &mut Faults,
) -> Option<Element<'a>> {
    if !reader.next_is(tag) {
        return faults.keep(part, reader.expect(tag));
    }
    let (container, cut) = faults.keep(part, reader.element_or_cut())?;
    if cut {
        faults.note(part, "cut short", container.at);
    }
    Some(container)
}

/// The next field, or the available part of a truncated one. An element of another type counts as this field,
/// malformed. The exception is a SEQUENCE in place of an INTEGER, which is clearly the next field.
fn field<'a>(
    tbs: &mut Reader<'a>,
    tag: u8,
    part: &'static str,
    faults: &mut Faults,
) -> ControlFlow<(), Option<Element<'a>>> {
    if tbs.is_empty() {
        faults.note(part, "missing", tbs.at());
        return ControlFlow::Break(());
    }
    if tbs.next_is(tag) {
        return match enter(tbs, tag, part, faults) {
            Some(field) => ControlFlow::Continue(Some(field)),
            None => ControlFlow::Break(()),
        };
    }
    faults.keep(part, tbs.expect(tag));
    let is_next_field = tbs.next_is(tag::SEQUENCE) || tbs.next_is(tag::constructed(3));
    if !is_next_field && tbs.element().is_err() {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(None)
}
