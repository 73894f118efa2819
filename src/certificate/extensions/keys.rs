//! subjectKeyIdentifier, authorityKeyIdentifier (RFC 5280 sections 4.2.1.2 and 4.2.1.1) and
//! privateKeyUsagePeriod (RFC 3280 section 4.2.1.4).

use super::super::der::{Reader, Result, tag};
use super::super::general_name::{self, Style};
use super::super::integer::Magnitude;
use super::super::json::JsonText;
use super::super::{hex, time};
use super::printed::{Printed, text_unless_empty};

/// KeyIdentifier ::= OCTET STRING
pub(super) fn subject_key_identifier(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    hex::colons(&value.string(tag::OCTET_STRING)?, out);
    Ok(Printed::Text)
}

/// ```text
/// AuthorityKeyIdentifier ::= SEQUENCE {
///     keyIdentifier [0] KeyIdentifier OPTIONAL,
///     authorityCertIssuer [1] GeneralNames OPTIONAL,
///     authorityCertSerialNumber [2] CertificateSerialNumber OPTIONAL }
/// ```
pub(super) fn authority_key_identifier(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let start = out.len();
    let mut identifier = value.sequence()?;
    if identifier.next_is(tag::context(0)) || identifier.next_is(tag::constructed(0)) {
        let key_id = identifier.string(tag::context(0))?;
        out.raw("keyid:");
        hex::colons(&key_id, out);
        out.line_end();
    }
    let issuer = identifier.optional(tag::constructed(1))?;
    if let Some(issuer) = issuer {
        general_name::for_each(issuer.reader(), |_, name| {
            general_name::write(&name, Style::Value, out)?;
            out.line_end();
            Ok(())
        })?;
    }
    if let Some(serial) = identifier.optional(tag::context(2))? {
        if serial.content.is_empty() {
            return Err(serial.malformed("INTEGER without content"));
        }
        // OpenSSL shows only the magnitude, without the sign.
        let magnitude = Magnitude::of(serial.content).bytes;
        out.raw("serial:");
        hex::colons(if magnitude.is_empty() { &[0] } else { &magnitude }, out);
        out.line_end();
    }
    identifier.finish()?;
    if issuer.is_some() && out.len() == start {
        out.raw("<EMPTY>\\n");
    }
    Ok(text_unless_empty(start, out))
}

/// PrivateKeyUsagePeriod ::= SEQUENCE { notBefore [0] GeneralizedTime OPTIONAL, notAfter [1] ... }
pub(super) fn private_key_usage_period(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut period = value.sequence()?;
    let not_before = period.optional(tag::context(0))?;
    let not_after = period.optional(tag::context(1))?;
    period.finish()?;
    if let Some(not_before) = not_before {
        out.raw("Not Before: ");
        time::write_generalized(not_before.content, out);
    }
    if not_before.is_some() && not_after.is_some() {
        out.raw(", ");
    }
    if let Some(not_after) = not_after {
        out.raw("Not After: ");
        time::write_generalized(not_after.content, out);
    }
    Ok(Printed::Text)
}
