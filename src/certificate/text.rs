//! ASN.1 strings as Unicode text.

use std::borrow::Cow;
use std::fmt::Write;

use super::der::{Malformed, Result, tag};
use super::hex;
use super::json::{JsonText, split_plain};

/// A string that could be read, and what is wrong with it if something is.
pub(super) struct Decoded<'a> {
    pub text: Cow<'a, str>,
    pub fault: Option<&'static str>,
}

impl<'a> Decoded<'a> {
    fn sound(text: Cow<'a, str>) -> Self {
        Decoded { text, fault: None }
    }

    fn faulty(text: Cow<'a, str>, what: &'static str) -> Self {
        Decoded { text, fault: Some(what) }
    }
}

/// The text of a name's value by its type. RFC 5280 section 4.1.2.4 allows the types of DirectoryString
/// and IA5String; the others are read too, and named as faults.
pub(super) fn decode(identifier: u8, content: &[u8]) -> Decoded<'_> {
    match identifier & !tag::CONSTRUCTED {
        tag::UTF8_STRING => match std::str::from_utf8(content) {
            Ok(text) => Decoded::sound(Cow::Borrowed(text)),
            Err(_) => Decoded::faulty(utf8_or_hex(content), "UTF8String that is not UTF-8"),
        },
        tag::PRINTABLE_STRING | tag::IA5_STRING | tag::TELETEX_STRING | tag::NUMERIC_STRING => {
            Decoded::sound(latin1(content))
        }
        tag::VISIBLE_STRING | tag::GENERAL_STRING | tag::GRAPHIC_STRING | tag::VIDEOTEX_STRING => {
            Decoded::faulty(latin1(content), "string type that names may not have")
        }
        tag::BMP_STRING => wide::<2>(content, "broken BMPString"),
        tag::UNIVERSAL_STRING => wide::<4>(content, "broken UniversalString"),
        _ => Decoded::faulty(printable_or_hex(content), "value that is no string"),
    }
}

/// OpenSSL takes every eight-bit string type, Teletex included, for Latin-1.
fn latin1(content: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(content) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(content.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// UCS-2 and UCS-4. What is no character (a surrogate, a code point too high) becomes U+FFFD.
fn wide<'a, const WIDTH: usize>(content: &'a [u8], what: &'static str) -> Decoded<'a> {
    let (units, leftover) = content.as_chunks::<WIDTH>();
    let mut sound = leftover.is_empty();
    let text = units.iter().map(|unit| {
        let code = unit.iter().fold(0u32, |code, byte| code << 8 | u32::from(*byte));
        char::from_u32(code).unwrap_or_else(|| {
            sound = false;
            char::REPLACEMENT_CHARACTER
        })
    });
    let text = Cow::Owned(text.collect());
    if sound { Decoded::sound(text) } else { Decoded::faulty(text, what) }
}

/// UTF-8 as it is; bytes that are none as `\xHH`.
pub(super) fn utf8_or_hex(content: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(content) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in content.utf8_chunks() {
        text.push_str(chunk.valid());
        push_hex(chunk.invalid(), &mut text);
    }
    Cow::Owned(text)
}

fn printable_or_hex(content: &[u8]) -> Cow<'_, str> {
    let mut text = String::new();
    for byte in content {
        match byte {
            0x20..=0x7E => text.push(char::from(*byte)),
            _ => push_hex(&[*byte], &mut text),
        }
    }
    Cow::Owned(text)
}

fn push_hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Writing to a String never fails.
        let _ = write!(text, "\\x{byte:02X}");
    }
}

/// The raw bytes as `X509_NAME_oneline` shows them: all outside 0x20..0x7E as `\xHH`.
pub(super) fn write_oneline(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let (plain, other) = split_plain(rest);
        out.extend_from_slice(plain);
        let Some((byte, after)) = other.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            _ => out.byte(*byte),
        }
        rest = after;
    }
}

/// What C would print of these bytes: up to the first NUL.
pub(super) fn write_c_string(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<()> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    write_utf8(bytes.get(..end).unwrap_or(bytes), at, out)
}

/// What OpenSSL prints of these bytes on a line of their own: 1.1.0 as C would, later 1.1 with
/// points for what is not ASCII. Here UTF-8 is kept, and only text that C could not show gets the
/// points.
pub(super) fn write_line(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => out.text(text),
        _ => write_with_points(bytes, out),
    }
}

/// The fault of a text that is in its place, but cannot be shown.
pub(super) const NOT_UTF8: &str = "text that is not UTF-8";

/// Text inside an extension. What is not UTF-8 cannot be shown, and spoils the whole of its text.
pub(super) fn write_utf8(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<()> {
    if let (plain, []) = split_plain(bytes) {
        out.extend_from_slice(plain);
        return Ok(());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            out.text(text);
            Ok(())
        }
        Err(_) => Err(Malformed { what: NOT_UTF8, at }),
    }
}

/// What OpenSSL's `ASN1_STRING_print` shows: a point for each byte that is no printable ASCII.
pub(super) fn write_with_points(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'\n' => out.line_end(),
            b'\r' => out.raw("\\r"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x20..=0x7E => out.push(*byte),
            _ => out.push(b'.'),
        }
    }
}

/// One byte as RFC 2253 wants it outside ASCII: `\HH`, the backslash escaped for JSON.
pub(super) fn write_escaped_byte(byte: u8, out: &mut Vec<u8>) {
    let [high, low] = hex::pair(byte);
    out.extend_from_slice(&[b'\\', b'\\', high, low]);
}
