//! Distinguished names (RFC 5280 section 4.1.2.4): the subject and issuer objects, and OpenSSL's two text
//! forms of a directory name inside an extension.

use std::borrow::Cow;

use super::der::{Element, Reader, Result, tag};
use super::faults::Faults;
use super::json::JsonText;
use super::{objects, text};

/// AttributeTypeAndValue ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY }
#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub oid: &'a [u8],
    pub value: Element<'a>,
    /// The value with its header.
    encoded: &'a [u8],
    /// False for the second and further values of a multi-valued RDN.
    pub begins_rdn: bool,
}

impl<'a> Attribute<'a> {
    fn read(mut reader: Reader<'a>, begins_rdn: bool) -> Result<Self> {
        let oid = reader.oid()?;
        let encoded = reader.rest();
        let value = reader.element()?;
        reader.finish()?;
        Ok(Attribute { oid, value, encoded, begins_rdn })
    }

    /// The bytes that OpenSSL stores as the value.
    fn bytes(&self) -> Cow<'a, [u8]> {
        match self.value.tag {
            tag::SEQUENCE => Cow::Borrowed(self.encoded),
            tag::BIT_STRING => match self.value.bits() {
                Ok(bits) => bits.named(),
                Err(_) => Cow::Borrowed(self.value.content.get(1..).unwrap_or_default()),
            },
            _ => self.value.octets().unwrap_or(Cow::Borrowed(self.value.content)),
        }
    }

    /// The text of the value. Fails if the value has no text according to RFC 5280 section 4.1.2.4 and
    /// OpenSSL's interpretation of it.
    fn checked(&self) -> Result<text::Decoded<'a>> {
        if self.value.tag == tag::BIT_STRING {
            self.value.bits()?;
        }
        let decoded = self.decoded();
        match decoded.fault {
            Some(what) if !self.is_shown_as_hex() => Err(self.value.malformed(what)),
            _ => Ok(decoded),
        }
    }

    /// Whether the type is not a string but OpenSSL still accepts it as a value: BIT STRING, SEQUENCE, and
    /// types unknown to OpenSSL.
    fn is_shown_as_hex(&self) -> bool {
        matches!(self.value.tag, tag::BIT_STRING | tag::SEQUENCE | 0x07..=0x09 | 0x0B | 0x0D..=0x0F | 0x1D)
    }

    fn decoded(&self) -> text::Decoded<'a> {
        let mut decoded = match self.bytes() {
            Cow::Borrowed(bytes) => text::decode(self.value.tag, bytes),
            Cow::Owned(bytes) => {
                let text::Decoded { text, fault } = text::decode(self.value.tag, &bytes);
                text::Decoded { text: Cow::Owned(text.into_owned()), fault }
            }
        };
        if self.value.tag != tag::SEQUENCE
            && let Err(broken) = self.value.octets()
        {
            decoded.fault = Some(broken.what);
        }
        decoded
    }
}

/// Iterates over the attributes of an RDNSequence in order, including the sets that contain them. It skips an
/// attribute that cannot be parsed. It stops at broken framing.
pub(super) struct Attributes<'a> {
    rdns: Reader<'a>,
    rdn: Reader<'a>,
    begins_rdn: bool,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(name: &Element<'a>) -> Self {
        Attributes { rdns: name.reader(), rdn: Reader::new(&[], 0), begins_rdn: true }
    }

    /// Iterates over a single RelativeDistinguishedName, which a distribution point may contain.
    pub(super) fn of_rdn(rdn: &Element<'a>) -> Self {
        Attributes { rdns: Reader::new(&[], 0), rdn: rdn.reader(), begins_rdn: true }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rdn.is_empty() {
            if self.rdns.is_empty() {
                return None;
            }
            match self.rdns.expect(tag::SET) {
                Ok(set) => (self.rdn, self.begins_rdn) = (set.reader(), true),
                Err(fault) => {
                    self.rdns = Reader::new(&[], 0);
                    return Some(Err(fault));
                }
            }
        }
        let begins_rdn = std::mem::replace(&mut self.begins_rdn, false);
        Some(match self.rdn.expect(tag::SEQUENCE) {
            Ok(sequence) => Attribute::read(sequence.reader(), begins_rdn),
            Err(fault) => {
                self.rdn = Reader::new(&[], 0);
                Err(fault)
            }
        })
    }
}

/// The members that follow `aggregated`.
const MEMBERS: [&str; 7] =
    ["\",\"C\":", ",\"ST\":", ",\"L\":", ",\"O\":", ",\"OU\":", ",\"CN\":", ",\"email_address\":"];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0A];

/// The index in [`MEMBERS`] of the member that shows an attribute.
fn member_of(oid: &[u8]) -> Option<usize> {
    match oid {
        [0x55, 0x04, 0x06] => Some(0),
        [0x55, 0x04, 0x08] => Some(1),
        [0x55, 0x04, 0x07] => Some(2),
        [0x55, 0x04, 0x0A] => Some(3),
        [0x55, 0x04, 0x0B] => Some(4),
        [0x55, 0x04, 0x03] => Some(5),
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01] => Some(6),
        _ => None,
    }
}

/// Writes the object of a subject or an issuer. Returns the first common name.
pub(super) fn write_object<'a>(
    name: Option<Element<'a>>,
    part: &'static str,
    faults: &mut Faults,
    out: &mut Vec<u8>,
) -> Option<Cow<'a, str>> {
    let mut firsts = [const { None }; MEMBERS.len()];
    out.raw("{\"aggregated\":\"");
    for attribute in name.iter().flat_map(Attributes::of) {
        let Some(attribute) = faults.keep(part, attribute) else { continue };
        write_slash(&attribute, out);
        let member = member_of(attribute.oid);
        match member.and_then(|member| firsts.get_mut(member)).filter(|first| first.is_none()) {
            Some(first) => {
                let text::Decoded { text, fault } = attribute.decoded();
                if let Some(what) = fault {
                    faults.note(part, what, attribute.value.at);
                }
                *first = Some(text);
            }
            None => {
                faults.keep(part, attribute.checked());
            }
        }
    }
    for (first, member) in firsts.iter().zip(MEMBERS) {
        out.raw(member);
        match first {
            Some(text) => {
                out.raw("\"");
                out.text(text);
                out.raw("\"");
            }
            None => out.raw("null"),
        }
    }
    out.raw("}");
    let [.., common_name, _email_address] = firsts;
    common_name
}

/// Returns the first common name without parsing the rest of the name.
pub(super) fn common_name<'a>(name: &Element<'a>) -> Option<Cow<'a, str>> {
    first(name, COMMON_NAME)
}

/// Returns the first organization name without parsing the rest of the name.
pub(super) fn organization<'a>(name: &Element<'a>) -> Option<Cow<'a, str>> {
    first(name, ORGANIZATION)
}

fn first<'a>(name: &Element<'a>, oid: &[u8]) -> Option<Cow<'a, str>> {
    let mut attributes = Attributes::of(name).flatten();
    attributes.find(|attribute| attribute.oid == oid).map(|attribute| attribute.decoded().text)
}

/// Writes `/C=US/CN=x`, as `X509_NAME_oneline` does, but never truncates it.
pub(super) fn write_oneline(name: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
    for attribute in Attributes::of(name) {
        let attribute = attribute?;
        attribute.checked()?;
        write_slash(&attribute, out);
    }
    Ok(())
}

fn write_slash(attribute: &Attribute<'_>, out: &mut Vec<u8>) {
    out.raw("/");
    match attribute.oid {
        [0x55, 0x04, 0x03] => out.raw("CN"),
        [0x55, 0x04, 0x06] => out.raw("C"),
        [0x55, 0x04, 0x07] => out.raw("L"),
        [0x55, 0x04, 0x08] => out.raw("ST"),
        [0x55, 0x04, 0x0A] => out.raw("O"),
        [0x55, 0x04, 0x0B] => out.raw("OU"),
        oid => objects::write_short(oid, out),
    }
    out.raw("=");
    text::write_oneline(&attribute.bytes(), out);
}

/// Writes `C = US, OU = a + CN = b`: RFC 2253 escapes in OpenSSL's "oneline" layout.
pub(super) fn write_rfc2253<'a>(
    attributes: impl Iterator<Item = Result<Attribute<'a>>>,
    out: &mut Vec<u8>,
) -> Result<()> {
    for (place, attribute) in attributes.enumerate() {
        let attribute = attribute?;
        if place > 0 {
            out.raw(if attribute.begins_rdn { ", " } else { " + " });
        }
        objects::write_short(attribute.oid, out);
        out.raw(" = ");
        let decoded = attribute.checked()?;
        if decoded.fault.is_none() {
            write_rfc2253_value(&decoded.text, out);
        } else {
            // RFC 2253 section 2.4: a value that is not a string is shown as the hex of its encoding.
            out.raw("#");
            super::hex::plain(attribute.encoded, out);
        }
    }
    Ok(())
}

fn write_rfc2253_value(value: &str, out: &mut Vec<u8>) {
    let quoted = needs_quotes(value);
    if quoted {
        out.raw("\\\"");
    }
    for byte in value.bytes() {
        match byte {
            b'"' => out.raw("\\\\\\\""),
            b'\\' => out.raw("\\\\\\\\"),
            0x20..=0x7E => out.push(byte),
            _ => text::write_escaped_byte(byte, out),
        }
    }
    if quoted {
        out.raw("\\\"");
    }
}

/// RFC 2253 section 2.4: the special characters, a leading `#` or space, and a trailing space need quotes.
/// OpenSSL checks a single character only as the last one, so a lone `#` gets no quotes.
fn needs_quotes(value: &str) -> bool {
    let bytes = value.as_bytes();
    value.bytes().any(|byte| matches!(byte, b',' | b'+' | b'<' | b'>' | b';'))
        || (bytes.len() > 1 && matches!(bytes.first(), Some(b'#' | b' ')))
        || bytes.last() == Some(&b' ')
}
