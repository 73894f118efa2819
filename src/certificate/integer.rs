//! INTEGERs of any size: OpenSSL's two text forms, and the serial number.

use super::der::{Element, Result};
use super::hex;
use super::json::JsonText;

/// Sign and magnitude of a two's complement INTEGER (X.690 section 8.3), without leading zeros.
pub(super) struct Magnitude {
    pub negative: bool,
    pub bytes: Vec<u8>,
}

impl Magnitude {
    pub(super) fn of(content: &[u8]) -> Magnitude {
        let negative = content.first().is_some_and(|first| first & 0x80 != 0);
        let mut bytes = content.to_vec();
        if negative {
            let mut carry = true;
            for byte in bytes.iter_mut().rev() {
                let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
                *byte = value;
                carry = overflow;
            }
            if carry {
                bytes.insert(0, 1);
            }
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.drain(..zeros);
        Magnitude { negative, bytes }
    }
}

/// Writes decimal, or hex (`0x...`) from 128 bits on, as OpenSSL 1.1.1 does. The cost is linear for any
/// length.
pub(super) fn write(integer: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
    check(integer)?;
    if let [byte @ 0..=0x7F] = integer.content {
        out.decimal(i64::from(*byte));
        return Ok(());
    }
    let Magnitude { negative, bytes } = Magnitude::of(integer.content);
    if negative {
        out.push(b'-');
    }
    let fits = bytes.len() < 16 || (bytes.len() == 16 && bytes.first().is_some_and(|first| *first < 0x80));
    if !fits {
        out.raw("0x");
        hex::plain(&bytes, out);
        return Ok(());
    }
    let value = bytes.iter().fold(0u128, |value, byte| value << 8 | u128::from(*byte));
    match i64::try_from(value) {
        Ok(value) => out.decimal(value),
        Err(_) => out.raw(&value.to_string()),
    }
    Ok(())
}

/// Writes hex pairs: `00` for an empty value, a minus sign before a negative value, and a backslash and a
/// line feed after each 35 bytes.
pub(super) fn write_hex_lines(integer: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
    check(integer)?;
    let Magnitude { negative, bytes } = Magnitude::of(integer.content);
    if negative {
        out.push(b'-');
    }
    if bytes.is_empty() {
        out.raw("00");
    }
    for (line, chunk) in bytes.chunks(35).enumerate() {
        if line > 0 {
            out.raw("\\\\\\n");
        }
        hex::plain(chunk, out);
    }
    Ok(())
}

/// Upper-case hex with an even number of digits, `-` before a negative one.
pub(super) fn write_serial(content: &[u8], out: &mut Vec<u8>) {
    match content {
        [] => {}
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte != 0) => hex::plain(rest, out),
        [1..=0x7F, ..] => hex::plain(content, out),
        _ => {
            let Magnitude { negative, bytes } = Magnitude::of(content);
            if negative {
                out.push(b'-');
            }
            hex::plain(if bytes.is_empty() { &[0] } else { &bytes }, out);
        }
    }
}

/// Returns a fault unless the content is a valid DER INTEGER, as RFC 5280 section 4.1.2.2 requires: at least
/// one byte, and no redundant ones (X.690 section 8.3.2).
pub(super) fn fault(content: &[u8]) -> Option<&'static str> {
    match content {
        [] => Some("INTEGER without content"),
        [0, next, ..] if next & 0x80 == 0 => Some("INTEGER with a leading byte too many"),
        [0xFF, next, ..] if next & 0x80 != 0 => Some("INTEGER with a leading byte too many"),
        _ => None,
    }
}

fn check(integer: &Element<'_>) -> Result<()> {
    fault(integer.content).map_or(Ok(()), |what| Err(integer.malformed(what)))
}
