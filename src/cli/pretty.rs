//! Formats JSON for people: indented, in the original order, with colours on a terminal. Characters that a
//! terminal would interpret or hide become `\u` escapes.

use crate::printable::json_escaped;

/// ANSI colours of member names, of texts, and of numbers and literals.
const NAME: &str = "\x1b[36m";
const TEXT: &str = "\x1b[32m";
const OTHER: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Formats `json`, which must be well-formed and compact, over several lines.
pub(super) fn pretty(json: &str, colours: bool) -> String {
    let mut printer = Printer { out: String::with_capacity(json.len() * 2), depth: 0, colours };
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let length = token_length(rest);
        let (token, after) = rest.split_at(length);
        rest = after;
        match first {
            b'{' | b'[' => rest = printer.open(token, rest),
            b'}' | b']' => printer.close(token),
            b',' => printer.next_item(),
            b':' => printer.out.push_str(": "),
            b'"' if rest.starts_with(':') => printer.coloured(NAME, &json_escaped(token)),
            b'"' => printer.coloured(TEXT, &json_escaped(token)),
            _ => printer.coloured(OTHER, token),
        }
    }
    printer.out.push('\n');
    printer.out
}

/// Length in bytes of the first token of `rest`: a text with its quotes, a punctuation mark, a number or a
/// literal.
fn token_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    match bytes.first() {
        Some(b'"') => {
            let mut escaped = false;
            let end = bytes.iter().skip(1).position(|b| {
                let ends = *b == b'"' && !escaped;
                escaped = *b == b'\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        }
        Some(b'{' | b'}' | b'[' | b']' | b',' | b':') => 1,
        _ => rest.find([',', ']', '}', ':']).unwrap_or(rest.len()),
    }
}

struct Printer {
    out: String,
    depth: usize,
    colours: bool,
}

impl Printer {
    /// Opens an object or array. An empty one stays on its line. Returns the rest of `rest`.
    fn open<'a>(&mut self, mark: &str, rest: &'a str) -> &'a str {
        self.out.push_str(mark);
        let close = if mark == "{" { '}' } else { ']' };
        if let Some(rest) = rest.strip_prefix(close) {
            self.out.push(close);
            return rest;
        }
        self.depth += 1;
        self.new_line();
        rest
    }

    fn close(&mut self, mark: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.new_line();
        self.out.push_str(mark);
    }

    fn next_item(&mut self) {
        self.out.push(',');
        self.new_line();
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn coloured(&mut self, colour: &str, token: &str) {
        if self.colours {
            self.out.extend([colour, token, PLAIN]);
        } else {
            self.out.push_str(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const JSON: &str = r#"{"b":[1,-2.5e3,null,[],{}],"a":{"q\"\\":"x, {y}: [\"z\"]"},"é":true}"#;

    #[test]
    fn the_same_value_stands_in_the_same_order_over_lines() {
        let text = pretty(JSON, false);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            serde_json::from_str::<Value>(JSON).unwrap()
        );
        let expected = "{\n  \"b\": [\n    1,\n    -2.5e3,\n    null,\n    [],\n    {}\n  ],\n  \"a\": {\n    \
                        \"q\\\"\\\\\": \"x, {y}: [\\\"z\\\"]\"\n  },\n  \"é\": true\n}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn colours_change_nothing_but_the_look() {
        let mut plain = pretty(JSON, true);
        for colour in [NAME, TEXT, OTHER, PLAIN] {
            assert!(plain.contains(colour));
            plain = plain.replace(colour, "");
        }
        assert_eq!(plain, pretty(JSON, false));
    }
}
