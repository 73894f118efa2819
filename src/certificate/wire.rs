//! Writes a certificate as JSON for messages.

use super::der::Element;
use super::digests;
use super::domains;
use super::faults::Faults;
use super::hex;
use super::integer;
use super::json::JsonText;
use super::model::{Certificate, LeafKind};
use super::name;
use super::signature_algorithm;
use super::time;
use std::borrow::Cow;
use std::ops::Range;

/// Offsets in the buffer after `write_leaf`. The lite form is made by cutting the full one at these offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafMarks {
    /// The whole member `"as_der":"...",` with its comma. Empty if it was not written.
    pub as_der: Range<usize>,
    /// The array of `all_domains`.
    pub all_domains: Range<usize>,
}

/// The data of a leaf in a message that is not part of the certificate itself.
#[derive(Debug, Clone, Copy)]
pub struct Leaf {
    /// The kind of the log entry.
    pub kind: LeafKind,
    /// SHA-256 of the TBSCertificate that the log signed, if it is known.
    pub tbs_sha256: Option<[u8; 32]>,
    /// Whether to write the member `as_der`.
    pub with_der: bool,
}

impl<'a> Certificate<'a> {
    /// Appends the object for `chain`.
    pub fn write_issuer(&self, out: &mut Vec<u8>) {
        let mut faults = self.faults.clone();
        self.write_common_members(false, &mut faults, out);
        out.raw("\"as_der\":\"");
        base64_simd::STANDARD.encode_append(self.der, out);
        out.raw("\"");
        faults.write_member(out);
        out.raw("}");
    }

    /// Appends the `leaf_cert` object.
    pub fn write_leaf(&self, leaf: Leaf, out: &mut Vec<u8>) -> LeafMarks {
        let mut faults = self.faults.clone();
        let common_name = self.write_common_members(leaf.kind == LeafKind::Precert, &mut faults, out);
        write_hash("tbs_sha256", leaf.tbs_sha256, out);
        write_hash("spki_sha256", self.spki_sha256(), out);

        let as_der_start = out.len();
        if leaf.with_der {
            out.raw("\"as_der\":\"");
            base64_simd::STANDARD.encode_append(self.der, out);
            out.raw("\",");
        }
        let as_der = as_der_start..out.len();
        out.raw("\"all_domains\":");
        let all_domains_start = out.len();
        domains::write(common_name, self.extensions.alt_names(), out);
        let all_domains = all_domains_start..out.len();
        faults.write_member(out);
        out.raw("}");
        LeafMarks { as_der, all_domains }
    }

    /// Appends only the array of `all_domains`.
    pub fn write_all_domains(&self, out: &mut Vec<u8>) {
        domains::write(self.common_name(), self.extensions.alt_names(), out);
    }

    /// Writes the members from `subject` to `is_ca`, each followed by a comma. Returns the subject's common
    /// name.
    fn write_common_members(
        &self,
        is_precert: bool,
        faults: &mut Faults,
        out: &mut Vec<u8>,
    ) -> Option<Cow<'a, str>> {
        let parts = &self.parts;
        out.raw("{\"subject\":");
        let common_name = name::write_object(parts.subject, "subject", faults, out);
        out.raw(",\"issuer\":");
        name::write_object(parts.issuer, "issuer", faults, out);
        out.raw(",\"extensions\":");
        self.extensions.write(is_precert, faults, out);
        write_validity(parts.validity, faults, out);
        out.raw("\"serial_number\":\"");
        if let Some(serial_number) = parts.serial_number {
            integer::write_serial(serial_number.content, out);
        }
        out.raw("\",");
        digests::write_digests(self.der, out);
        out.raw("\"signature_algorithm\":\"");
        signature_algorithm::write(parts.signature_algorithm, faults, out);
        let is_ca = self.extensions.is_ca();
        out.raw(if is_ca { "\",\"is_ca\":true," } else { "\",\"is_ca\":false," });
        common_name
    }
}

/// Writes a member with a hash, or with `null` if there is no hash.
fn write_hash(member: &str, hash: Option<[u8; 32]>, out: &mut Vec<u8>) {
    out.raw("\"");
    out.raw(member);
    match hash {
        Some(hash) => {
            out.raw("\":\"");
            hex::colons(&hash, out);
            out.raw("\",");
        }
        None => out.raw("\":null,"),
    }
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
