//! How certificates are printed. Pure.

use super::message::Found;
use super::table::Columns;
use crate::printable::{escaped, json_escaped};
use std::borrow::Cow;

/// Maximum number of characters of one name. A message is no longer than that, so no name is cut.
const MAX_NAME_CHARS: usize = 16 * 1024 * 1024;

/// How certificates are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// The message as it came, one a line
    Json,
    /// One name a line
    Names,
    /// A table for people, as wide as the terminal
    Table,
}

/// Prints certificates.
#[derive(Debug)]
pub(super) struct Printer {
    format: Format,
    is_for_terminal: bool,
    has_header: bool,
}

impl Printer {
    pub(super) fn new(format: Format, is_for_terminal: bool) -> Self {
        Printer { format, is_for_terminal, has_header: false }
    }

    /// Appends `found`, which was received at `now_us` (unix microseconds), to `out`. `width` is that of the terminal.
    pub(super) fn print(&mut self, found: &Found, width: usize, now_us: u64, out: &mut Vec<u8>) {
        match self.format {
            Format::Json => push_line(&self.json(&found.text), out),
            Format::Names => {
                for name in &found.names {
                    push_line(&escaped(name, MAX_NAME_CHARS), out);
                }
            }
            Format::Table => {
                let columns = Columns::new(width);
                if !self.has_header {
                    self.has_header = true;
                    push_line(&columns.header(), out);
                }
                push_line(&columns.row(found, now_us), out);
            }
        }
    }

    /// The message on one line: outside of texts, JSON may contain line breaks. On a terminal, characters that could control
    /// it are replaced by their JSON escapes, which mean the same.
    fn json<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let line = match text.contains(['\n', '\r']) {
            true => Cow::Owned(text.replace(['\n', '\r'], " ")),
            false => Cow::Borrowed(text),
        };
        match self.is_for_terminal {
            true => Cow::Owned(json_escaped(&line).into_owned()),
            false => line,
        }
    }
}

fn push_line(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, is_for_terminal: bool, found: &[Found]) -> String {
        let (mut printer, mut out) = (Printer::new(format, is_for_terminal), Vec::new());
        found.iter().for_each(|found| printer.print(found, 60, 0, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn found(text: &str, names: &[&str]) -> Found {
        let names = names.iter().copied().map(String::from).collect();
        Found { text: text.into(), names, ..Found::default() }
    }

    #[test]
    fn json_is_one_line_and_harmless_on_a_terminal() {
        let found = [found("{\n\"a\":\"\u{202e}\"\r\n}", &[])];
        assert_eq!(printed(Format::Json, false, &found), "{ \"a\":\"\u{202e}\"  }\n");
        assert_eq!(printed(Format::Json, true, &found), "{ \"a\":\"\\u202e\"  }\n");
    }

    #[test]
    fn a_name_is_one_line_whatever_it_contains() {
        let found = [found("", &["a.example", "b\nc\u{1b}[2J"]), found("", &[]), found("", &["d"])];
        assert_eq!(printed(Format::Names, false, &found), "a.example\nb\\nc\\u{1b}[2J\nd\n");
    }

    #[test]
    fn a_table_has_one_header() {
        let table = printed(Format::Table, true, &[found("", &["a"]), found("", &["b"])]);
        let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
        assert_eq!(lines, ["NAMES", "a", "b"]);
    }
}
