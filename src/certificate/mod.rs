//! X.509 certificates (RFC 5280) to the JSON texts of the wire format, straight from the DER.
//!
//! This room owns what `leaf_cert` and the objects of `chain` say: the names, the texts of the
//! extensions in the words of OpenSSL 1.1, the times, the hashes, and `all_domains`. It does not
//! know where a certificate came from, keeps nothing, and never asks OpenSSL for a text, so that
//! the wording is the same whichever OpenSSL is linked.
//!
//! ```text
//! DER -> skeleton (where the parts lie) -> name, extensions, time, ... -> JSON in the out buffer
//!                                            \-> faults (what could not be read) -> parse_error
//! ```
//!
//! - `der` reads tags and lengths, `skeleton` finds the parts, also those of a broken certificate;
//! - `text`, `name`, `general_name`, `integer`, `time`, `objects` word the building blocks;
//! - `extensions` has one file for each family of extensions;
//! - `json` and `hex` write, `domains` makes `all_domains`, `faults` makes `parse_error`;
//! - `precert` words nothing: it compares a precertificate with what its log signed.
//!
//! Nothing here fails but that comparison. What cannot be read is left empty: names without attributes, null times, an
//! empty `serial_number` or `signature_algorithm`, an extension that is `"NULL"`.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

mod der;
mod digests;
mod domains;
mod extensions;
mod faults;
mod general_name;
mod hex;
mod integer;
mod json;
mod name;
mod objects;
pub mod precert;
mod signature_algorithm;
mod skeleton;
mod text;
mod time;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use self::der::Element;
use self::extensions::Extensions;
use self::faults::Faults;
use self::json::JsonText;
use self::skeleton::Skeleton;

/// What kind of entry the leaf belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafKind {
    X509,
    /// The submitted precertificate, with its poison (RFC 6962, 3.1).
    Precert,
}

/// Where things lie in the buffer after `write_leaf`, so that the lite form can be made by cutting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafMarks {
    /// The whole member `"as_der":"...",` with its comma; empty when it was not written.
    pub as_der: Range<usize>,
    /// The array of `all_domains`.
    pub all_domains: Range<usize>,
}

/// Appends the object of a chain certificate.
pub fn write_chain_certificate(der: &[u8], out: &mut Vec<u8>) {
    let mut faults = Faults::default();
    let skeleton = Skeleton::of(der, &mut faults);
    let extensions = Extensions::of(skeleton.extensions, &mut faults);
    write_common_members(der, &skeleton, &extensions, false, &mut faults, out);
    out.raw("\"as_der\":\"");
    base64_simd::STANDARD.encode_append(der, out);
    out.raw("\"");
    faults.write_member(out);
    out.raw("}");
}

/// Appends the `leaf_cert` object. `with_der` says whether it gets the member `as_der`.
pub fn write_leaf(der: &[u8], kind: LeafKind, out: &mut Vec<u8>, with_der: bool) -> LeafMarks {
    let mut faults = Faults::default();
    let skeleton = Skeleton::of(der, &mut faults);
    let extensions = Extensions::of(skeleton.extensions, &mut faults);
    let is_precert = kind == LeafKind::Precert;
    let common_name = write_common_members(der, &skeleton, &extensions, is_precert, &mut faults, out);

    let as_der_start = out.len();
    if with_der {
        out.raw("\"as_der\":\"");
        base64_simd::STANDARD.encode_append(der, out);
        out.raw("\",");
    }
    let as_der = as_der_start..out.len();
    out.raw("\"all_domains\":");
    let all_domains_start = out.len();
    domains::write(common_name, extensions.alt_names(), out);
    let all_domains = all_domains_start..out.len();
    faults.write_member(out);
    out.raw("}");
    LeafMarks { as_der, all_domains }
}

/// Appends only the array of `all_domains`, and reads no more of the certificate than that needs.
pub fn write_all_domains(der: &[u8], out: &mut Vec<u8>) {
    let mut faults = Faults::default();
    let skeleton = Skeleton::of(der, &mut faults);
    let common_name = skeleton.subject.and_then(|subject| name::common_name(&subject));
    let extensions = Extensions::of(skeleton.extensions, &mut faults);
    domains::write(common_name, extensions.alt_names(), out);
}

/// The members from `subject` to `is_ca`, each with a comma after it. Returns the subject's common
/// name.
fn write_common_members<'a>(
    der: &[u8],
    skeleton: &Skeleton<'a>,
    extensions: &Extensions<'a>,
    is_precert: bool,
    faults: &mut Faults,
    out: &mut Vec<u8>,
) -> Option<Cow<'a, str>> {
    out.raw("{\"subject\":");
    let common_name = name::write_object(skeleton.subject, "subject", faults, out);
    out.raw(",\"issuer\":");
    name::write_object(skeleton.issuer, "issuer", faults, out);
    out.raw(",\"extensions\":");
    extensions.write(is_precert, faults, out);
    write_validity(skeleton.validity, faults, out);
    out.raw("\"serial_number\":\"");
    if let Some(serial_number) = skeleton.serial_number {
        integer::write_serial(serial_number.content, out);
    }
    out.raw("\",");
    digests::write_digests(der, out);
    out.raw("\"signature_algorithm\":\"");
    signature_algorithm::write(skeleton.signature_algorithm, faults, out);
    out.raw(if extensions.is_ca() { "\",\"is_ca\":true," } else { "\",\"is_ca\":false," });
    common_name
}

/// Validity ::= SEQUENCE { notBefore Time, notAfter Time }
fn write_validity(validity: Option<Element<'_>>, faults: &mut Faults, out: &mut Vec<u8>) {
    let mut times = validity.map(|validity| validity.reader());
    for (member, part) in [(",\"not_before\":", "notBefore"), ("\"not_after\":", "notAfter")] {
        out.raw(member);
        let time = times.as_mut().and_then(|times| faults.keep(part, times.element()));
        let instant = time.map(|time| (time::read(&time), time.at));
        if let Some((time::Instant { fault: Some(what), .. }, at)) = instant {
            faults.note(part, what, at);
        }
        match instant.and_then(|(instant, _)| instant.unix_seconds) {
            Some(unix_seconds) => out.decimal(unix_seconds),
            None => out.raw("null"),
        }
        out.raw(",");
    }
    if let Some(times) = times {
        faults.keep("validity", times.finish());
    }
}
