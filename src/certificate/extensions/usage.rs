//! keyUsage, extendedKeyUsage, basicConstraints (RFC 5280 section 4.2.1.3, 4.2.1.12, 4.2.1.9) and
//! nsCertType.

use super::super::der::{Bits, Reader, Result, tag};
use super::super::json::JsonText;
use super::super::{integer, objects};
use super::printed::{Printed, separate, text_unless_empty};

const KEY_USAGES: [&str; 9] = [
    "Digital Signature",
    "Non Repudiation",
    "Key Encipherment",
    "Data Encipherment",
    "Key Agreement",
    "Certificate Sign",
    "CRL Sign",
    "Encipher Only",
    "Decipher Only",
];

const NETSCAPE_TYPES: [&str; 8] = [
    "SSL Client",
    "SSL Server",
    "S/MIME",
    "Object Signing",
    "Unused",
    "SSL CA",
    "S/MIME CA",
    "Object Signing CA",
];

pub(super) fn key_usage(value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    named_bits(value, &KEY_USAGES, out)
}

pub(super) fn netscape_certificate_type(value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    named_bits(value, &NETSCAPE_TYPES, out)
}

fn named_bits(mut value: Reader<'_>, names: &[&str], out: &mut Vec<u8>) -> Result<Printed> {
    let bits = value.expect(tag::BIT_STRING)?.bits()?;
    let start = out.len();
    write_bits(bits, names, out);
    Ok(text_unless_empty(start, out))
}

/// Writes the names of the bits that are set, joined by `, `.
pub(super) fn write_bits(bits: Bits<'_>, names: &[&str], out: &mut Vec<u8>) {
    let set = names.iter().enumerate().filter(|(bit, _)| bits.is_set(*bit));
    for (place, (_, name)) in set.enumerate() {
        separate(place, out);
        out.raw(name);
    }
}

/// ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF OBJECT IDENTIFIER; AcceptableResponses (RFC
/// 6960, 4.4.3) has the same structure.
pub(super) fn extended_key_usage(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let start = out.len();
    let mut purposes = value.sequence()?;
    let mut place = 0;
    while !purposes.is_empty() {
        separate(place, out);
        match purposes.oid()? {
            // id-kp. Nearly every certificate has these two.
            [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 1] => out.raw("TLS Web Server Authentication"),
            [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 2] => out.raw("TLS Web Client Authentication"),
            purpose => objects::write_long(purpose, out),
        }
        place += 1;
    }
    Ok(text_unless_empty(start, out))
}

/// BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }
pub(super) fn basic_constraints(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut constraints = value.sequence()?;
    let is_ca = match constraints.optional(tag::BOOLEAN)? {
        Some(is_ca) => is_ca.boolean()?,
        None => false,
    };
    out.raw(if is_ca { "CA:TRUE" } else { "CA:FALSE" });
    if let Some(path_length) = constraints.optional(tag::INTEGER)? {
        out.raw(", pathlen:");
        integer::write(&path_length, out)?;
    }
    constraints.finish()?;
    Ok(Printed::Text)
}

pub(super) fn is_ca(mut value: Reader<'_>) -> bool {
    let is_ca = value.sequence().and_then(|mut constraints| constraints.expect(tag::BOOLEAN)?.boolean());
    is_ca.unwrap_or(false)
}
