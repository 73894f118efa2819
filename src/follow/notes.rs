//! What the program says on standard error.

use crate::printable::{MAX_LINE_CHARS, escaped};
use std::io::{self, Write};

/// Writes one line to standard error. The text may come from the server.
pub(super) fn note(text: &str) {
    // If it cannot be written, there is nobody to tell.
    let _ = writeln!(io::stderr(), "certstream-server: {}", escaped(text, MAX_LINE_CHARS));
}
