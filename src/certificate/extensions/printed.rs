//! Types and functions that the printers of extensions share.

use super::super::der::{Reader, Result};
use super::super::json::JsonText;

/// The result of a printer.
pub(super) enum Printed {
    Text,
    /// OpenSSL prints nothing for this value, so the text is `NULL`.
    Null,
}

/// Appends the text of an extension's value, escaped for JSON.
pub(super) type Printer = fn(Reader<'_>, &mut Vec<u8>) -> Result<Printed>;

/// Writes `, ` before every item except the first.
pub(super) fn separate(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.raw(", ");
    }
}

/// The result for a list. A list without items has no text, so it becomes `NULL`.
pub(super) fn text_unless_empty(text_start: usize, out: &[u8]) -> Printed {
    if out.len() > text_start { Printed::Text } else { Printed::Null }
}
