//! The common part of the precert and the certificate of one issuance (RFC 6962 section 3.2): the
//! TBSCertificate without poison and SCT list.

use super::der::{Element, Reader, Result, tag};
use openssl::sha::Sha256;

/// The first bytes of the poison extension, 1.3.6.1.4.1.11129.2.4.3 (RFC 6962 section 3.1).
pub(super) const POISON_IDENTIFIER: &[u8] = b"\x06\x0A\x2B\x06\x01\x04\x01\xD6\x79\x02\x04\x03";
/// The first bytes of the SCT list extension, 1.3.6.1.4.1.11129.2.4.2 (RFC 6962 section 3.3).
pub(super) const SCT_LIST: &[u8] = b"\x06\x0A\x2B\x06\x01\x04\x01\xD6\x79\x02\x04\x02";

/// A TBSCertificate, split around the extension that is left out.
struct Signed<'a> {
    /// The fields before the extensions.
    fields: &'a [u8],
    /// The extensions before and after it.
    extensions: [&'a [u8]; 2],
}

/// SHA-256 of the TBSCertificate in `der` without the extension whose content begins with `left_out`. `None` if the
/// TBSCertificate cannot be parsed, or has more than one of it.
pub(super) fn tbs_sha256(der: &[u8], left_out: &[u8]) -> Option<[u8; 32]> {
    let (tbs, encoded) = tbs(der).ok()?;
    let mut hash = Sha256::new();
    match without(left_out, &tbs).ok()? {
        Parts::Whole => hash.update(encoded),
        Parts::Many => return None,
        Parts::Around(signed) => signed.hash(&mut hash),
    }
    Some(hash.finish())
}

enum Parts<'a> {
    /// It does not have the extension.
    Whole,
    Around(Signed<'a>),
    /// It has the extension more than once.
    Many,
}

impl Signed<'_> {
    /// Hashes the TBSCertificate. Lengths that change are encoded again, in DER.
    fn hash(&self, hash: &mut Sha256) {
        let length: usize = self.extensions.iter().map(|part| part.len()).sum();
        // An empty list of extensions is left out (RFC 5280 section 4.1).
        let headers = if length == 0 {
            Vec::new()
        } else {
            let list = header(tag::SEQUENCE, length);
            [header(tag::constructed(3), list.len() + length), list].concat()
        };
        hash.update(&header(tag::SEQUENCE, self.fields.len() + headers.len() + length));
        hash.update(self.fields);
        hash.update(&headers);
        self.extensions.iter().for_each(|part| hash.update(part));
    }
}

/// The TBSCertificate, once as an element and once as bytes with its tag and length.
fn tbs(der: &[u8]) -> Result<(Element<'_>, &[u8])> {
    let mut whole = Reader::new(der, 0);
    let mut certificate = whole.sequence()?;
    whole.finish()?;
    let before = certificate.rest();
    let tbs = certificate.expect(tag::SEQUENCE)?;
    Ok((tbs, since(before, &certificate)))
}

fn without<'a>(extension: &[u8], tbs: &Element<'a>) -> Result<Parts<'a>> {
    let mut fields = tbs.reader();
    while !fields.is_empty() {
        let before = fields.rest();
        let field = fields.element()?;
        if field.tag == tag::constructed(3) {
            // The extensions are the last field.
            fields.finish()?;
            let fields = tbs.content.get(..tbs.content.len() - before.len()).unwrap_or_default();
            return around(extension, fields, field.explicit()?.sequence()?);
        }
    }
    Ok(Parts::Whole)
}

/// Splits `list` around the extension whose content begins with `identifier`.
fn around<'a>(identifier: &[u8], fields: &'a [u8], mut list: Reader<'a>) -> Result<Parts<'a>> {
    let all = list.rest();
    let mut found = None;
    while !list.is_empty() {
        let before = all.len() - list.rest().len();
        let extension = list.element()?;
        if extension.content.starts_with(identifier) {
            let extensions = [all.get(..before).unwrap_or_default(), list.rest()];
            if found.replace(Signed { fields, extensions }).is_some() {
                return Ok(Parts::Many);
            }
        }
    }
    Ok(found.map_or(Parts::Whole, Parts::Around))
}

/// Encodes a tag and a length (X.690 section 10.1). All contents of a certificate are shorter than 2^32.
fn header(tag: u8, length: usize) -> Vec<u8> {
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        return vec![tag, short];
    }
    let bytes = length.to_be_bytes();
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let mut header = vec![tag, 0];
    header.extend(significant);
    if let [_, count, digits @ ..] = header.as_mut_slice() {
        *count = 0x80 | digits.len() as u8;
    }
    header
}

fn since<'a>(before: &'a [u8], reader: &Reader<'a>) -> &'a [u8] {
    before.get(..before.len() - reader.rest().len()).unwrap_or_default()
}
