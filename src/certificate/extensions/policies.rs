//! certificatePolicies, policyMappings and policyConstraints (RFC 5280 section 4.2.1.4, 4.2.1.5,
//! 4.2.1.11).

use super::super::der::{Reader, Result, tag};
use super::super::json::JsonText;
use super::super::{integer, objects, text};
use super::printed::{Printed, separate, text_unless_empty};

/// PolicyInformation ::= SEQUENCE { policyIdentifier, policyQualifiers SEQUENCE OF ... OPTIONAL }
pub(super) fn certificate_policies(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut policies = value.sequence()?;
    while !policies.is_empty() {
        let mut policy = policies.sequence()?;
        out.raw("Policy: ");
        objects::write_long(policy.oid()?, out);
        out.line_end();
        if let Some(qualifiers) = policy.optional(tag::SEQUENCE)? {
            write_qualifiers(qualifiers.reader(), out)?;
        }
        policy.finish()?;
    }
    Ok(Printed::Text)
}

/// PolicyQualifierInfo ::= SEQUENCE { policyQualifierId OBJECT IDENTIFIER, qualifier ANY }
fn write_qualifiers(mut qualifiers: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    while !qualifiers.is_empty() {
        let mut qualifier = qualifiers.sequence()?;
        match qualifier.oid()? {
            // id-qt-cps, CPSuri ::= IA5String
            [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 1] => {
                out.raw("  CPS: ");
                let at = qualifier.at();
                text::write_c_string(&qualifier.string(tag::IA5_STRING)?, at, out)?;
                out.line_end();
            }
            // id-qt-unotice
            [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 2] => {
                out.raw("  User Notice:\\n");
                write_user_notice(qualifier.sequence()?, out)?;
            }
            other => {
                out.raw("    Unknown Qualifier: ");
                objects::write_long(other, out);
                out.line_end();
                if !qualifier.is_empty() {
                    qualifier.element()?;
                }
            }
        }
        qualifier.finish()?;
    }
    Ok(())
}

/// UserNotice ::= SEQUENCE { noticeRef NoticeReference OPTIONAL, explicitText DisplayText OPTIONAL
/// }
fn write_user_notice(mut notice: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    if let Some(reference) = notice.optional(tag::SEQUENCE)? {
        write_notice_reference(reference.reader(), out)?;
    }
    if !notice.is_empty() {
        let at = notice.at();
        let bytes = display_text(&mut notice)?;
        out.raw("    Explicit Text: ");
        text::write_c_string(&bytes, at, out)?;
        out.line_end();
    }
    notice.finish()
}

/// NoticeReference ::= SEQUENCE { organization DisplayText, noticeNumbers SEQUENCE OF INTEGER }
fn write_notice_reference(mut reference: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    let at = reference.at();
    let organization = display_text(&mut reference)?;
    out.raw("    Organization: ");
    text::write_c_string(&organization, at, out)?;
    let mut numbers = reference.sequence()?;
    reference.finish()?;
    let mut others = numbers;
    let has_many = !others.is_empty() && others.element().is_ok() && !others.is_empty();
    out.raw(if has_many { "\\n    Numbers: " } else { "\\n    Number: " });
    let mut place = 0;
    while !numbers.is_empty() {
        separate(place, out);
        integer::write(&numbers.expect(tag::INTEGER)?, out)?;
        place += 1;
    }
    out.line_end();
    Ok(())
}

/// DisplayText ::= CHOICE { ia5String, visibleString, bmpString, utf8String }
fn display_text<'a>(reader: &mut Reader<'a>) -> Result<std::borrow::Cow<'a, [u8]>> {
    let element = reader.element()?;
    match element.tag & !tag::CONSTRUCTED {
        tag::IA5_STRING | tag::VISIBLE_STRING | tag::BMP_STRING | tag::UTF8_STRING => element.octets(),
        _ => Err(element.malformed("no text where one belongs")),
    }
}

/// SEQUENCE OF SEQUENCE { issuerDomainPolicy OBJECT IDENTIFIER, subjectDomainPolicy OBJECT
/// IDENTIFIER }
pub(super) fn policy_mappings(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let start = out.len();
    let mut mappings = value.sequence()?;
    let mut place = 0;
    while !mappings.is_empty() {
        let mut mapping = mappings.sequence()?;
        separate(place, out);
        objects::write_long(mapping.oid()?, out);
        out.raw(":");
        objects::write_long(mapping.oid()?, out);
        mapping.finish()?;
        place += 1;
    }
    Ok(text_unless_empty(start, out))
}

/// PolicyConstraints ::= SEQUENCE { requireExplicitPolicy [0] SkipCerts, inhibitPolicyMapping [1]
/// SkipCerts }
pub(super) fn policy_constraints(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let start = out.len();
    let mut constraints = value.sequence()?;
    for (number, title) in [(0, "Require Explicit Policy:"), (1, "Inhibit Policy Mapping:")] {
        if let Some(skip_certs) = constraints.optional(tag::context(number))? {
            separate(out.len() - start, out);
            out.raw(title);
            integer::write(&skip_certs, out)?;
        }
    }
    constraints.finish()?;
    Ok(text_unless_empty(start, out))
}
