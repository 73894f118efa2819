//! subjectAltName, issuerAltName, certificateIssuer and nameConstraints (RFC 5280 section 4.2.1.6,
//! 4.2.1.7, 5.3.3, 4.2.1.10).

use super::super::der::{Element, Reader, Result, tag};
use super::super::general_name::{self, Style};
use super::super::json::JsonText;
use super::printed::{Printed, separate};

/// The names joined by `, `.
pub(super) fn subject_alt_name(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    general_name::for_each(value.sequence()?, |place, name| {
        separate(place, out);
        general_name::write(&name, Style::AltName, out)
    })?;
    Ok(Printed::Text)
}

/// issuerAltName and certificateIssuer.
pub(super) fn list_of_names(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let names = value.sequence()?;
    if names.is_empty() {
        out.raw("<EMPTY>\\n");
    }
    general_name::for_each(names, |place, name| {
        separate(place, out);
        general_name::write(&name, Style::Value, out)
    })?;
    Ok(Printed::Text)
}

/// ```text
/// NameConstraints ::= SEQUENCE {
///     permittedSubtrees [0] GeneralSubtrees OPTIONAL,
///     excludedSubtrees [1] GeneralSubtrees OPTIONAL }
/// ```
pub(super) fn name_constraints(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut constraints = value.sequence()?;
    for (number, title) in [(0, "Permitted:\\n"), (1, "Excluded:\\n")] {
        if let Some(subtrees) = constraints.optional(tag::constructed(number))? {
            write_subtrees(subtrees.reader(), title, out)?;
        }
    }
    constraints.finish()?;
    Ok(Printed::Text)
}

/// GeneralSubtree ::= SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }
fn write_subtrees(mut subtrees: Reader<'_>, title: &str, out: &mut Vec<u8>) -> Result<()> {
    if !subtrees.is_empty() {
        out.raw(title);
    }
    while !subtrees.is_empty() {
        let mut subtree = subtrees.sequence()?;
        let base = subtree.element()?;
        subtree.optional(tag::context(0))?;
        subtree.optional(tag::context(1))?;
        subtree.finish()?;
        out.raw("  ");
        match base.tag & !tag::CONSTRUCTED {
            0x87 => write_ip_range(&base, out)?,
            _ => general_name::write(&base, Style::Line, out)?,
        }
        out.line_end();
    }
    Ok(())
}

/// An address and a mask (RFC 5280 section 4.2.1.10).
fn write_ip_range(base: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
    let range = base.octets()?;
    let (address, mask) = range.split_at_checked(range.len() / 2).unwrap_or_default();
    out.raw("IP:");
    match range.len() {
        8 => {
            general_name::write_ipv4(address, out);
            out.raw("/");
            general_name::write_ipv4(mask, out);
        }
        32 => {
            general_name::write_ipv6(address, out);
            out.raw("/");
            general_name::write_ipv6(mask, out);
        }
        _ => out.raw("IP Address:<invalid>"),
    }
    Ok(())
}
