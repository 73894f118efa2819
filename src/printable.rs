//! Makes untrusted text safe to show on a terminal, in a log file or in JSON. Pure.
//!
//! Logs, lists and clients choose names and error texts. Control characters could move the cursor or start an
//! escape sequence, line separators could forge a line, and bidirectional or invisible characters could make
//! a line read differently from its content. All of these are replaced by `\u{…}`.

use std::borrow::Cow;
use std::fmt::Write;

/// Maximum number of characters of one untrusted text that are shown or stored for display, such as a log's
/// last error. For callers without a limit of their own.
pub(crate) const MAX_CHARS: usize = 500;
/// Maximum number of characters in one line of the log file.
pub(crate) const MAX_LINE_CHARS: usize = 2_000;

/// Returns `text` without unsafe characters and limited to `max_chars` characters. The rest is cut off and
/// replaced by the number of characters removed. Borrowed if nothing changes. Backslashes are not escaped, so
/// the result is for people, not for parsers.
pub(crate) fn escaped(text: &str, max_chars: usize) -> Cow<'_, str> {
    // Every character takes at least one byte.
    let fits = text.len() <= max_chars || text.chars().nth(max_chars).is_none();
    if fits && !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let (mut safe, mut length) = (String::with_capacity(text.len().min(4 * max_chars)), 0);
    for (i, c) in text.chars().enumerate() {
        let shown = if is_unsafe(c) { escape(c) } else { Escaped::Unchanged(c) };
        length += shown.chars();
        if length > max_chars {
            let more = text.chars().skip(i).count();
            // Writing to a String cannot fail.
            let _ = write!(safe, "… ({more} more characters)");
            break;
        }
        shown.push_to(&mut safe);
    }
    Cow::Owned(safe)
}

enum Escaped {
    Unchanged(char),
    As(String),
}

impl Escaped {
    fn chars(&self) -> usize {
        match self {
            Escaped::Unchanged(_) => 1,
            // Escapes are ASCII, so their length in bytes is their number of characters.
            Escaped::As(text) => text.len(),
        }
    }

    fn push_to(&self, text: &mut String) {
        match self {
            Escaped::Unchanged(c) => text.push(*c),
            Escaped::As(escaped) => text.push_str(escaped),
        }
    }
}

fn escape(c: char) -> Escaped {
    Escaped::As(match c {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    })
}

/// The same for text that is already JSON: each unsafe character becomes its `\u` escape with four hexadecimal
/// digits, or two of them (RFC 8259 section 7). For text between quotes. Nothing is cut off.
pub(crate) fn json_escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// `url` with its userinfo (the part before the `@` of the authority, RFC 3986 section 3.2.1) replaced by
/// `***`, because it may contain a password. Also works for an invalid URL, if the password is in the same
/// place.
pub(crate) fn without_password(url: &str) -> Cow<'_, str> {
    let start = url.find("://").map_or(0, |i| i + "://".len());
    let Some((scheme, rest)) = url.split_at_checked(start) else { return Cow::Borrowed(url) };
    // A password may contain "/" or "?" by mistake, so this removes everything up to the last "@".
    match rest.rsplit_once('@') {
        Some((_, host)) => Cow::Owned(format!("{scheme}***@{host}")),
        None => Cow::Borrowed(url),
    }
}

/// Control characters (Unicode category Cc), format characters (Cf), line and paragraph separators (Zl, Zp),
/// invisible fillers, and private use characters. The categories are those of Unicode 17.
pub(crate) fn is_unsafe(c: char) -> bool {
    // Fast path: almost all text is ASCII.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(u32::from(c),
        0x80..=0x9f // C1 controls, among them a one-byte CSI
        | 0xad
        | 0x34f
        | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
        | 0x115f..=0x1160 | 0x17b4..=0x17b5
        | 0x180b..=0x180f
        | 0x200b..=0x200f // zero width, and the direction marks
        | 0x2028..=0x202e // line and paragraph separator, embeddings and overrides of direction
        | 0x2060..=0x206f // isolates of direction, and other invisible ones
        | 0x3164
        | 0xe000..=0xf8ff
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0xffa0
        | 0xfff0..=0xfffb
        | 0x110bd | 0x110cd
        | 0x13430..=0x1345f
        | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a
        | 0xe0000..=0x10ffff // tags, variation selectors, private use
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_harmless_stays_and_is_not_copied() {
        for text in ["", "Google 'Argon2026h2' log", "Let’s Encrypt · ログ · журнал — ½ \u{1f512}"]
        {
            assert!(matches!(escaped(text, 100), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn nothing_moves_the_cursor_forges_a_line_or_turns_its_neighbours_around() {
        for (text, shown) in [
            ("a\u{1b}[31mb", r"a\u{1b}[31mb"),
            ("a\u{9b}2J", r"a\u{9b}2J"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("\u{202e}gol\u{2066}\u{2069}", r"\u{202e}gol\u{2066}\u{2069}"),
            ("\u{200b}\u{feff}\u{ad}\u{e0041}", r"\u{200b}\u{feff}\u{ad}\u{e0041}"),
            ("\0\u{7f}", r"\u{0}\u{7f}"),
        ] {
            assert_eq!(escaped(text, 100), shown);
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(escaped("äöü", 3), "äöü");
        assert_eq!(escaped("äöüß", 3), "äöü… (1 more characters)");
        assert_eq!(escaped("ab\u{202e}", 5), "ab… (1 more characters)", "an escape is whole or not there");
        assert_eq!(escaped("abc", 0), "… (3 more characters)");
    }

    #[test]
    fn json_means_the_same_when_it_is_escaped() {
        let text = "a\u{202e}b\u{9b}c\u{e0041}d";
        let json = serde_json::to_string(text).expect("JSON");
        let escaped = json_escaped(&json);
        assert_eq!(escaped, r#""a\u202eb\u009bc\udb40\udc41d""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("JSON"), text);
        assert!(matches!(json_escaped("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn names_and_passwords_in_urls_are_hidden() {
        for (url, shown) in [
            ("https://ct.example/2026", "https://ct.example/2026"),
            ("https://user:secret@ct.example/2026", "https://***@ct.example/2026"),
            ("http://user@ct.example", "http://***@ct.example"),
            ("user:secret@ct.example", "***@ct.example"),
            ("http://user:sec/r@et@ct.example/x", "http://***@ct.example/x"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_safe_and_short(text in any::<String>(), max in 0usize..40) {
            let safe = escaped(&text, max);
            prop_assert!(!safe.contains(is_unsafe));
            prop_assert!(safe.chars().count() <= max + 40);
            let again = escaped(&safe, usize::MAX);
            prop_assert_eq!(&again, &safe, "once is enough");
        }

        #[test]
        fn any_character_of_a_bidirectional_or_control_kind_is_escaped(
            before in "[a-z]{0,5}", after in "[a-z]{0,5}",
            c in prop_oneof![
                prop::char::range('\0', '\u{1f}'), prop::char::range('\u{7f}', '\u{9f}'),
                prop::char::range('\u{2028}', '\u{202e}'), prop::char::range('\u{2066}', '\u{2069}'),
            ],
        ) {
            let text = format!("{before}{c}{after}");
            let safe = escaped(&text, 100);
            prop_assert!(!safe.contains(c));
            prop_assert!(safe.starts_with(&before) && safe.ends_with(&after));
        }
    }
}
