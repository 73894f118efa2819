//! The German admission extension (Common PKI 2.0, part 1, table 29). It states which authority admitted the
//! subject to which profession.

use std::borrow::Cow;

use super::super::der::{Element, Reader, Result, tag};
use super::super::general_name::{self, Style};
use super::super::json::JsonText;
use super::super::{objects, text};
use super::printed::Printed;

/// AdmissionSyntax ::= SEQUENCE { admissionAuthority GeneralName OPTIONAL, SEQUENCE OF Admissions }
pub(super) fn admission_syntax(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut syntax = value.sequence()?;
    if !syntax.next_is(tag::SEQUENCE) {
        let authority = syntax.element()?;
        write_authority("", &authority, out)?;
    }
    let mut entries = syntax.sequence()?;
    syntax.finish()?;
    let mut number = 0;
    while !entries.is_empty() {
        number += 1;
        out.raw("Entry ");
        out.decimal(number);
        out.raw(":\\n");
        write_entry(entries.sequence()?, out)?;
    }
    Ok(Printed::Text)
}

fn write_authority(indent: &str, authority: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.raw(indent);
    out.raw("admissionAuthority:\\n  ");
    out.raw(indent);
    general_name::write(authority, Style::Line, out)?;
    out.line_end();
    Ok(())
}

/// ```text
/// Admissions ::= SEQUENCE {
///     admissionAuthority [0] EXPLICIT GeneralName OPTIONAL,
///     namingAuthority [1] EXPLICIT NamingAuthority OPTIONAL,
///     professionInfos SEQUENCE OF ProfessionInfo }
/// ```
fn write_entry(mut entry: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    if let Some(authority) = entry.optional(tag::constructed(0))? {
        write_authority("  ", &authority.explicit()?.element()?, out)?;
    }
    if let Some(naming) = entry.optional(tag::constructed(1))? {
        write_naming_authority("", naming.explicit()?.sequence()?, out)?;
    }
    let mut infos = entry.sequence()?;
    entry.finish()?;
    let mut number = 0;
    while !infos.is_empty() {
        number += 1;
        out.raw("  Profession Info Entry ");
        out.decimal(number);
        out.raw(":\\n");
        write_profession(infos.sequence()?, out)?;
    }
    Ok(())
}

/// ```text
/// NamingAuthority ::= SEQUENCE {
///     namingAuthorityId OBJECT IDENTIFIER OPTIONAL, namingAuthorityUrl IA5String OPTIONAL,
///     namingAuthorityText DirectoryString OPTIONAL }
/// ```
fn write_naming_authority(indent: &str, mut naming: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    if naming.is_empty() {
        return Ok(());
    }
    out.raw(indent);
    out.raw("namingAuthority: ");
    if let Some(id) = naming.optional(tag::OID)? {
        out.raw(indent);
        out.raw("  admissionAuthorityId: ");
        write_object(id.oid()?, out);
    }
    let url = naming.optional(tag::IA5_STRING)?;
    if !naming.is_empty() {
        out.raw(indent);
        out.raw("  namingAuthorityText: ");
        text::write_with_points(&directory_string(&mut naming)?, out);
        out.line_end();
    }
    if let Some(url) = url {
        out.raw(indent);
        out.raw("  namingAuthorityUrl: ");
        text::write_with_points(url.content, out);
        out.line_end();
    }
    naming.finish()
}

/// ```text
/// ProfessionInfo ::= SEQUENCE {
///     namingAuthority [0] EXPLICIT NamingAuthority OPTIONAL,
///     professionItems SEQUENCE OF DirectoryString,
///     professionOIDs SEQUENCE OF OBJECT IDENTIFIER OPTIONAL,
///     registrationNumber PrintableString OPTIONAL, addProfessionInfo OCTET STRING OPTIONAL }
/// ```
fn write_profession(mut profession: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    let naming = profession.optional(tag::constructed(0))?;
    let mut items = profession.sequence()?;
    let oids = profession.optional(tag::SEQUENCE)?;
    if let Some(number) = profession.optional(tag::PRINTABLE_STRING)? {
        out.raw("    registrationNumber: ");
        text::write_with_points(number.content, out);
        out.line_end();
    }
    profession.optional(tag::OCTET_STRING)?;
    profession.finish()?;
    if let Some(naming) = naming {
        write_naming_authority("  ", naming.explicit()?.sequence()?, out)?;
    }
    out.raw("    Info Entries:\\n");
    while !items.is_empty() {
        out.raw("      ");
        text::write_with_points(&directory_string(&mut items)?, out);
        out.line_end();
    }
    if let Some(oids) = oids {
        out.raw("    Profession OIDs:\\n");
        let mut oids = oids.reader();
        while !oids.is_empty() {
            out.raw("      ");
            write_object(oids.oid()?, out);
        }
    }
    Ok(())
}

/// DirectoryString ::= CHOICE { teletexString, printableString, universalString, utf8String, bmpString }
fn directory_string<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>> {
    let element = reader.element()?;
    match element.tag & !tag::CONSTRUCTED {
        tag::TELETEX_STRING
        | tag::PRINTABLE_STRING
        | tag::UNIVERSAL_STRING
        | tag::UTF8_STRING
        | tag::BMP_STRING => element.octets(),
        _ => Err(element.malformed("no text where one belongs")),
    }
}

/// Writes the long name, or `undefined` if there is none, and the dotted identifier.
fn write_object(oid: &[u8], out: &mut Vec<u8>) {
    out.raw(objects::find(oid).map_or("undefined", |object| object.long_name));
    out.raw(" (");
    objects::write_dotted(oid, out);
    out.raw(")\\n");
}
