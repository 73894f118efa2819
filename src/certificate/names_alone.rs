//! The names of a certificate without its other parts. A filter looks at these alone in nearly every certificate.

use super::der::{Element, Reader, tag};
use super::domains::Domains;
use super::model::Certificate;
use super::name;

/// A subjectAltName's `extnID` with its tag and length: 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[tag::OID, 3, 0x55, 0x1D, 17];

/// Visits the names that [`Certificate::domains`] has for the certificate `der`, in the same order, until `visit` returns false.
/// A certificate with something unusual is parsed.
pub fn visit_domains(der: &[u8], mut visit: impl FnMut(&str) -> bool) {
    match places(der) {
        Some(Places { subject, alt_names }) => {
            let mut names = Domains::new(name::common_name(&subject), alt_names.into_iter());
            names.all(|name| visit(&name));
        }
        None => {
            let certificate = Certificate::parse(der);
            certificate.domains().all(|name| visit(&name));
        }
    }
}

/// Where the names are.
struct Places<'a> {
    subject: Element<'a>,
    /// The value of the subjectAltName extension.
    alt_names: Option<&'a [u8]>,
}

/// Finds the names in a certificate whose parts are those of RFC 5280 section 4.1, each in its place. `None` if anything is
/// unusual.
fn places(der: &[u8]) -> Option<Places<'_>> {
    let mut tbs = nested(&mut nested(&mut Reader::new(der, 0))?)?;
    if tbs.next_is(tag::constructed(0)) {
        tbs.element().ok()?;
    }
    // serialNumber, signature, issuer and validity
    for tag in [tag::INTEGER, tag::SEQUENCE, tag::SEQUENCE, tag::SEQUENCE] {
        element(&mut tbs, tag)?;
    }
    let subject = element(&mut tbs, tag::SEQUENCE)?;
    // subjectPublicKeyInfo
    element(&mut tbs, tag::SEQUENCE)?;
    let mut alt_names = None;
    if !tbs.is_empty() {
        let explicit = element(&mut tbs, tag::constructed(3))?;
        alt_names = alt_names_in(nested(&mut explicit.reader())?)?;
    }
    tbs.is_empty().then_some(Places { subject, alt_names })
}

/// Whether the names are found without parsing the certificate.
#[cfg(test)]
pub(super) fn is_usual(der: &[u8]) -> bool {
    places(der).is_some()
}

/// The next element, if it has this tag.
fn element<'a>(reader: &mut Reader<'a>, tag: u8) -> Option<Element<'a>> {
    reader.element().ok().filter(|element| element.tag == tag)
}

/// The content of the SEQUENCE that comes next.
fn nested<'a>(reader: &mut Reader<'a>) -> Option<Reader<'a>> {
    Some(element(reader, tag::SEQUENCE)?.reader())
}

/// The value of the subjectAltName among `extensions`. The outer `None` if there are two, or if something is unusual.
fn alt_names_in(mut extensions: Reader<'_>) -> Option<Option<&[u8]>> {
    let mut found = None;
    while !extensions.is_empty() {
        let mut extension = nested(&mut extensions)?;
        if !extension.rest().starts_with(SUBJECT_ALT_NAME) {
            // Another extension. If its identifier had the length in a longer form, it could be a subjectAltName too.
            matches!(extension.rest(), [tag::OID, 0..=0x7F, ..]).then_some(())?;
            continue;
        }
        extension.element().ok()?;
        extension.optional(tag::BOOLEAN).ok()?;
        let value = element(&mut extension, tag::OCTET_STRING)?;
        (extension.is_empty() && found.is_none()).then_some(())?;
        found = Some(value.content);
    }
    Some(found)
}
