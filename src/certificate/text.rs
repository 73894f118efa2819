//! ASN.1 strings as Unicode text.

use std::borrow::Cow;
use std::fmt::Write;

use super::der::{Malformed, Result, tag};
use super::hex;
use super::json::{JsonText, split_plain};

/// A decoded string, and its fault if it has one.
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

/// Decodes the value of a name by its string type. RFC 5280 section 4.1.2.4 allows the types of
/// DirectoryString and IA5String. Other types are decoded too, and reported as faults.
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

/// Decodes Latin-1. OpenSSL treats every eight-bit string type as Latin-1, including Teletex.
fn latin1(content: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(content) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(content.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// Decodes UCS-2 and UCS-4. Invalid code points (surrogates, or values that are too large) become U+FFFD.
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

/// UTF-8 unchanged; invalid bytes become `\xHH`.
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
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02X}");
    }
}

/// Writes the raw bytes as `X509_NAME_oneline` does: all bytes outside 0x20..0x7E become `\xHH`.
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

/// Writes the bytes that C would print: everything before the first NUL.
pub(super) fn write_c_string(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<()> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    write_utf8(bytes.get(..end).unwrap_or(bytes), at, out)
}

/// Writes bytes that OpenSSL prints on a line of their own. OpenSSL 1.1.0 prints them as C would; later 1.1
/// versions replace everything that is not ASCII with periods. This function keeps UTF-8. It uses periods
/// only for text that C could not show: invalid UTF-8, or text that contains a NUL.
pub(super) fn write_line(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => out.text(text),
        _ => write_with_points(bytes, out),
    }
}

/// The fault of a text that is in the right place but cannot be shown.
pub(super) const NOT_UTF8: &str = "text that is not UTF-8";

/// Writes text inside an extension. If it is not UTF-8, the whole text of the extension is invalid.
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

/// Writes the output of OpenSSL's `ASN1_STRING_print`: a period for each byte that is not printable ASCII.
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

/// Writes one byte as RFC 2253 does outside ASCII: `\HH`, with the backslash escaped for JSON.
pub(super) fn write_escaped_byte(byte: u8, out: &mut Vec<u8>) {
    let [high, low] = hex::pair(byte);
    out.extend_from_slice(&[b'\\', b'\\', high, low]);
}
