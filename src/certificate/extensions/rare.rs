//! Extensions with a format of their own: Netscape's strings, plain INTEGERs, tlsfeature (RFC 7633),
//! proxyCertInfo (RFC 3820) and Thawte's strong extranet.

use super::super::der::{Reader, Result, tag};
use super::super::json::JsonText;
use super::super::{integer, objects, text};
use super::printed::{Printed, separate, text_unless_empty};

/// nsComment and the other Netscape strings.
pub(super) fn ia5_string(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let at = value.at();
    let string = value.string(tag::IA5_STRING)?;
    if string.is_empty() {
        return Ok(Printed::Null);
    }
    text::write_c_string(&string, at, out)?;
    Ok(Printed::Text)
}

/// inhibitAnyPolicy, crlNumber, deltaCRL.
pub(super) fn integer(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    integer::write(&value.expect(tag::INTEGER)?, out)?;
    Ok(Printed::Text)
}

/// Features ::= SEQUENCE OF INTEGER, the numbers of TLS extensions
pub(super) fn tls_feature(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let start = out.len();
    let mut features = value.sequence()?;
    let mut place = 0;
    while !features.is_empty() {
        separate(place, out);
        let feature = features.expect(tag::INTEGER)?;
        match feature.content {
            [5] => out.raw("status_request"),
            [17] => out.raw("status_request_v2"),
            _ => integer::write(&feature, out)?,
        }
        place += 1;
    }
    Ok(text_unless_empty(start, out))
}

/// ```text
/// ProxyCertInfo ::= SEQUENCE { pCPathLenConstraint INTEGER OPTIONAL, proxyPolicy ProxyPolicy }
/// ProxyPolicy ::= SEQUENCE { policyLanguage OBJECT IDENTIFIER, policy OCTET STRING OPTIONAL }
/// ```
pub(super) fn proxy_certificate(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut info = value.sequence()?;
    out.raw("Path Length Constraint: ");
    match info.optional(tag::INTEGER)? {
        Some(path_length) => integer::write_hex_lines(&path_length, out)?,
        None => out.raw("infinite"),
    }
    let mut policy = info.sequence()?;
    info.finish()?;
    out.raw("\\nPolicy Language: ");
    objects::write_long(policy.oid()?, out);
    out.line_end();
    if !policy.is_empty() {
        let at = policy.at();
        let policy_text = policy.string(tag::OCTET_STRING)?;
        out.raw("Policy Text: ");
        text::write_c_string(&policy_text, at, out)?;
        out.line_end();
    }
    policy.finish()?;
    Ok(Printed::Text)
}

/// ```text
/// SXNET ::= SEQUENCE { version INTEGER, ids SEQUENCE OF SXNETID }
/// SXNETID ::= SEQUENCE { zone INTEGER, user OCTET STRING }
/// ```
pub(super) fn strong_extranet(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut net = value.sequence()?;
    let version = net.expect(tag::INTEGER)?;
    let [number @ 0..=0x7E] = version.content else {
        return Err(version.malformed("unknown version"));
    };
    out.raw("Version: ");
    out.decimal(i64::from(*number) + 1);
    out.raw(" (0x");
    out.raw(&format!("{number:X}"));
    out.raw(")");
    let mut ids = net.sequence()?;
    net.finish()?;
    while !ids.is_empty() {
        let mut id = ids.sequence()?;
        out.raw("\\nZone: ");
        integer::write(&id.expect(tag::INTEGER)?, out)?;
        out.raw(", User: ");
        text::write_with_points(&id.string(tag::OCTET_STRING)?, out);
        id.finish()?;
    }
    Ok(Printed::Text)
}
