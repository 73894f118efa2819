//! crlDistributionPoints, freshestCRL, issuingDistributionPoint and CRLReason (RFC 5280 section 4.2.1.13,
//! 4.2.1.15, 5.2.5, 5.3.1).

use super::super::der::{Element, Reader, Result, tag};
use super::super::general_name::{self, Style};
use super::super::integer;
use super::super::json::JsonText;
use super::super::name::{self, Attributes};
use super::printed::Printed;
use super::usage;

/// ReasonFlags, by bit.
const REASON_FLAGS: [&str; 9] = [
    "Unused",
    "Key Compromise",
    "CA Compromise",
    "Affiliation Changed",
    "Superseded",
    "Cessation Of Operation",
    "Certificate Hold",
    "Privilege Withdrawn",
    "AA Compromise",
];

/// ```text
/// DistributionPoint ::= SEQUENCE {
///     distributionPoint [0] EXPLICIT DistributionPointName OPTIONAL,
///     reasons [1] ReasonFlags OPTIONAL, cRLIssuer [2] GeneralNames OPTIONAL }
/// ```
pub(super) fn distribution_points(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut points = value.sequence()?;
    while !points.is_empty() {
        let mut point = points.sequence()?;
        out.line_end();
        if let Some(name) = point.optional(tag::constructed(0))? {
            write_point_name(name.reader(), out)?;
        }
        if let Some(reasons) = point.optional(tag::context(1))? {
            write_reasons("Reasons:\\n  ", &reasons, out)?;
        }
        if let Some(issuer) = point.optional(tag::constructed(2))? {
            out.raw("CRL Issuer:\\n");
            write_names(issuer.reader(), out)?;
        }
        point.finish()?;
    }
    Ok(Printed::Text)
}

/// DistributionPointName ::= CHOICE { fullName [0] GeneralNames, nameRelativeToCRLIssuer [1] RDN }
fn write_point_name(mut choice: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    let name = choice.element()?;
    choice.finish()?;
    if name.tag == tag::constructed(0) {
        out.raw("Full Name:\\n");
        return write_names(name.reader(), out);
    }
    if name.tag != tag::constructed(1) {
        return Err(name.malformed("unknown kind of DistributionPointName"));
    }
    out.raw("Relative Name:\\n  ");
    name::write_rfc2253(Attributes::of_rdn(&name), out)?;
    out.line_end();
    Ok(())
}

fn write_names(names: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    general_name::for_each(names, |_, name| {
        out.raw("  ");
        general_name::write(&name, Style::Line, out)?;
        out.line_end();
        Ok(())
    })
}

fn write_reasons(title: &str, reasons: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.raw(title);
    let start = out.len();
    usage::write_bits(reasons.bits()?, &REASON_FLAGS, out);
    if out.len() == start {
        out.raw("<EMPTY>");
    }
    out.line_end();
    Ok(())
}

/// ```text
/// IssuingDistributionPoint ::= SEQUENCE {
///     distributionPoint [0] EXPLICIT, onlyContainsUserCerts [1], onlyContainsCACerts [2],
///     onlySomeReasons [3] ReasonFlags, indirectCRL [4], onlyContainsAttributeCerts [5] }
/// ```
pub(super) fn issuing_distribution_point(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let start = out.len();
    let mut point = value.sequence()?;
    if let Some(name) = point.optional(tag::constructed(0))? {
        write_point_name(name.reader(), out)?;
    }
    let only_user = flag(1, &mut point)?;
    let only_ca = flag(2, &mut point)?;
    let reasons = point.optional(tag::context(3))?;
    let indirect = flag(4, &mut point)?;
    let only_attributes = flag(5, &mut point)?;
    point.finish()?;
    out.raw(if only_user { "Only User Certificates\\n" } else { "" });
    out.raw(if only_ca { "Only CA Certificates\\n" } else { "" });
    out.raw(if indirect { "Indirect CRL\\n" } else { "" });
    if let Some(reasons) = reasons {
        write_reasons("Only Some Reasons:\\n  ", &reasons, out)?;
    }
    out.raw(if only_attributes { "Only Attribute Certificates\\n" } else { "" });
    if out.len() == start {
        out.raw("<EMPTY>\\n");
    }
    Ok(Printed::Text)
}

fn flag(number: u8, point: &mut Reader<'_>) -> Result<bool> {
    match point.optional(tag::context(number))? {
        Some(flag) => flag.boolean(),
        None => Ok(false),
    }
}

/// CRLReason ::= ENUMERATED. It belongs in the entries of a CRL, but OpenSSL prints it in certificates too.
pub(super) fn reason(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let reason = value.expect(tag::ENUMERATED)?;
    match reason.content {
        [0] => out.raw("Unspecified"),
        [1] => out.raw("Key Compromise"),
        [2] => out.raw("CA Compromise"),
        [3] => out.raw("Affiliation Changed"),
        [4] => out.raw("Superseded"),
        [5] => out.raw("Cessation Of Operation"),
        [6] => out.raw("Certificate Hold"),
        [8] => out.raw("Remove From CRL"),
        [9] => out.raw("Privilege Withdrawn"),
        [10] => out.raw("AA Compromise"),
        _ => integer::write(&reason, out)?,
    }
    Ok(Printed::Text)
}
