//! What the printers of extensions share.

use super::super::der::{Reader, Result};
use super::super::json::JsonText;

/// What a printer leaves behind.
pub(super) enum Printed {
    Text,
    /// OpenSSL has nothing to say about this value: the text is `NULL`.
    Null,
}

/// Appends the text of an extension's value, escaped for JSON.
pub(super) type Printer = fn(Reader<'_>, &mut Vec<u8>) -> Result<Printed>;

/// Writes `, ` before every item but the first.
pub(super) fn separate(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.raw(", ");
    }
}

/// What a list without items says: nothing at all, so that its text is `NULL`.
pub(super) fn text_unless_empty(text_start: usize, out: &[u8]) -> Printed {
    if out.len() > text_start { Printed::Text } else { Printed::Null }
}
