//! GeneralName (RFC 5280 section 4.2.1.6) in OpenSSL's layouts.

use std::borrow::Cow;

use super::der::{Element, Reader, Result, tag};
use super::json::JsonText;
use super::name::{self, Attributes};
use super::{objects, text};

/// ```text
/// GeneralName ::= CHOICE {
///     otherName [0], rfc822Name [1] IA5String, dNSName [2] IA5String, x400Address [3],
///     directoryName [4] EXPLICIT Name, ediPartyName [5], uniformResourceIdentifier [6] IA5String,
///     iPAddress [7] OCTET STRING, registeredID [8] OBJECT IDENTIFIER }
/// ```
/// The layout of a name, which depends on its context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// In subjectAltName: strings are shown in full, whatever they contain; `DirName:C = US`.
    AltName,
    /// Where OpenSSL prints each name on a line of its own: `DirName:C = US`; a line feed after an IPv6
    /// address.
    Line,
    /// Where OpenSSL prints a list of values: strings end at the first NUL, as in C; `DirName:/C=US`.
    Value,
}

const OTHER_NAME: u8 = tag::constructed(0);
const EMAIL: u8 = tag::context(1);
const DNS: u8 = tag::context(2);
const X400_ADDRESS: u8 = tag::constructed(3);
const DIRECTORY_NAME: u8 = tag::constructed(4);
const EDI_PARTY_NAME: u8 = tag::constructed(5);
const URI: u8 = tag::context(6);
const IP_ADDRESS: u8 = tag::context(7);
const REGISTERED_ID: u8 = tag::context(8);

pub(super) fn write(name: &Element<'_>, style: Style, out: &mut Vec<u8>) -> Result<()> {
    match name.tag {
        OTHER_NAME => {
            check_other_name(name.reader())?;
            out.raw("othername:<unsupported>");
        }
        X400_ADDRESS => out.raw("X400Name:<unsupported>"),
        EDI_PARTY_NAME => {
            check_edi_party_name(name.reader())?;
            out.raw("EdiPartyName:<unsupported>");
        }
        DIRECTORY_NAME => write_directory_name(name, style, out)?,
        REGISTERED_ID => {
            out.raw("Registered ID:");
            objects::write_long(name.oid()?, out);
        }
        _ => match name.tag & !tag::CONSTRUCTED {
            EMAIL => write_string("email:", name, style, out)?,
            DNS => write_string("DNS:", name, style, out)?,
            URI => write_string("URI:", name, style, out)?,
            IP_ADDRESS => write_ip_address(&name.octets()?, style, out),
            _ => return Err(name.malformed("unknown kind of GeneralName")),
        },
    }
    Ok(())
}

/// OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }
fn check_other_name(mut other: Reader<'_>) -> Result<()> {
    other.oid()?;
    let mut value = other.expect(tag::constructed(0))?.reader();
    other.finish()?;
    value.element()?;
    value.finish()
}

/// EDIPartyName ::= SEQUENCE { nameAssigner [0] EXPLICIT ... OPTIONAL, partyName [1] EXPLICIT
/// DirectoryString }
fn check_edi_party_name(mut party: Reader<'_>) -> Result<()> {
    party.optional(tag::constructed(0))?;
    party.expect(tag::constructed(1))?;
    party.finish()
}

fn write_string(label: &str, name: &Element<'_>, style: Style, out: &mut Vec<u8>) -> Result<()> {
    out.raw(label);
    let bytes = name.octets()?;
    match style {
        Style::AltName => text::write_utf8(&bytes, name.content_at, out)?,
        Style::Line => text::write_line(&bytes, out),
        Style::Value => text::write_c_string(&bytes, name.content_at, out)?,
    }
    Ok(())
}

fn write_directory_name(choice: &Element<'_>, style: Style, out: &mut Vec<u8>) -> Result<()> {
    let mut reader = choice.reader();
    let name = reader.expect(tag::SEQUENCE)?;
    reader.finish()?;
    out.raw("DirName:");
    match style {
        Style::Value => name::write_oneline(&name, out),
        Style::AltName | Style::Line => name::write_rfc2253(Attributes::of(&name), out),
    }
}

fn write_ip_address(address: &[u8], style: Style, out: &mut Vec<u8>) {
    out.raw("IP Address:");
    match address.len() {
        4 => write_ipv4(address, out),
        16 => {
            write_ipv6(address, out);
            if style == Style::Line {
                out.line_end();
            }
        }
        _ => out.raw("<invalid>"),
    }
}

/// `192.0.2.1`
pub(super) fn write_ipv4(address: &[u8], out: &mut Vec<u8>) {
    for (place, byte) in address.iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        out.decimal(i64::from(*byte));
    }
}

/// `2001:DB8:0:0:0:0:0:1`: upper case, without leading zeros, and without `::`.
pub(super) fn write_ipv6(address: &[u8], out: &mut Vec<u8>) {
    for (place, group) in address.chunks(2).enumerate() {
        if place > 0 {
            out.push(b':');
        }
        let group = group.iter().fold(0u16, |group, byte| group << 8 | u16::from(*byte));
        let digits = (4 - group.leading_zeros() / 4).max(1);
        for place in (0..digits).rev() {
            let [_, digit] = super::hex::pair((group >> (place * 4) & 0x0F) as u8);
            out.push(digit);
        }
    }
}

/// Calls `write_one` for each name of GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName. The caller has
/// already opened the SEQUENCE.
pub(super) fn for_each<'a>(
    mut names: Reader<'a>,
    mut write_one: impl FnMut(usize, Element<'a>) -> Result<()>,
) -> Result<()> {
    let mut place = 0;
    while !names.is_empty() {
        write_one(place, names.element()?)?;
        place += 1;
    }
    Ok(())
}

/// The text of a dNSName. `None` for every other kind of name.
pub(super) fn dns_name<'a>(name: &Element<'a>) -> Option<Cow<'a, str>> {
    if name.tag & !tag::CONSTRUCTED != DNS {
        return None;
    }
    match name.octets().ok()? {
        Cow::Borrowed(bytes) => Some(text::utf8_or_hex(bytes)),
        Cow::Owned(bytes) => Some(Cow::Owned(text::utf8_or_hex(&bytes).into_owned())),
    }
}
