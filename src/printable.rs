//! Outside text made safe to print: in log lines, on a terminal, on one line. Pure.

use std::borrow::Cow;
use std::fmt::Write;

/// Most characters of one piece of outside text that are printed, for callers without a limit of their own.
pub(crate) const MOST_CHARS: usize = 500;

/// What stands in place of the characters that a limit cut off.
const CUT: char = '…';

/// `text` with every character that a terminal or a viewer acts on, or does not show, written as `\u{..}`, and cut off
/// after its first `most_chars` characters.
///
/// Escaped are the controls of C0 (line breaks and tabs too) and C1, DEL, and the invisible and the direction-changing
/// format characters: U+00AD, U+061C, U+180E, U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF,
/// U+FFF9 to U+FFFB and U+E0000 to U+E007F. The backslash is not, so the result is for people, not for parsers.
pub fn escaped(text: &str, most_chars: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(most_chars).map(|(i, _)| i);
    let kept = end.and_then(|end| text.get(..end)).unwrap_or(text);
    if end.is_none() && !kept.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(kept.len() + CUT.len_utf8());
    for c in kept.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    if end.is_some() {
        safe.push(CUT);
    }
    Cow::Owned(safe)
}

/// The same for text that is JSON already: each such character as one or two `\\uXXXX`, which mean it (RFC 8259 section 7).
/// For what stands between quotes; nothing is cut off.
pub fn json_escaped(text: &str) -> Cow<'_, str> {
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

/// `url` with `***` in place of what stands before the `@` of its authority (RFC 3986 section 3.2.1): a name, and perhaps
/// a password. Also for what is no URL, as long as a password would stand there.
pub fn without_password(url: &str) -> Cow<'_, str> {
    let start = url.find("://").map_or(0, |i| i + "://".len());
    let Some((scheme, rest)) = url.split_at_checked(start) else { return Cow::Borrowed(url) };
    // A password may hold "/" or "?" by mistake: rather too much is hidden than too little.
    match rest.rsplit_once('@') {
        Some((_, host)) => Cow::Owned(format!("{scheme}***@{host}")),
        None => Cow::Borrowed(url),
    }
}

fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_of_any_script_is_borrowed_as_it_is() {
        for text in ["", "ct.example.com", "Zürich «x» 漢字 عربي עברית 🦀", r"back\slash"] {
            assert!(matches!(escaped(text, MOST_CHARS), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_a_terminal_acts_on_or_hides_is_escaped() {
        for (text, expected) in [
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("a\nb\r\tc", r"a\u{a}b\u{d}\u{9}c"),
            ("\u{7f}\u{9b}31m", r"\u{7f}\u{9b}31m"),
            ("moc\u{202e}x\u{202c}", r"moc\u{202e}x\u{202c}"),
            ("a\u{2028}b\u{2029}c\u{200b}\u{200f}", r"a\u{2028}b\u{2029}c\u{200b}\u{200f}"),
            (
                "\u{ad}\u{61c}\u{180e}\u{2060}\u{2066}\u{206f}",
                r"\u{ad}\u{61c}\u{180e}\u{2060}\u{2066}\u{206f}",
            ),
            ("\u{feff}\u{fff9}\u{fffb}\u{e0001}\u{e007f}", r"\u{feff}\u{fff9}\u{fffb}\u{e0001}\u{e007f}"),
        ] {
            assert_eq!(escaped(text, MOST_CHARS), expected);
        }
        for just_outside in
            ["\u{20}", "\u{7e}", "\u{a0}", "\u{200a}", "\u{2010}", "\u{2027}", "\u{2070}", "\u{fffc}"]
        {
            assert_eq!(escaped(just_outside, MOST_CHARS), just_outside);
        }
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

    #[test]
    fn long_text_is_cut_by_characters_and_says_so() {
        assert_eq!(escaped("äöü", 3), "äöü");
        assert_eq!(escaped("äöüß", 3), "äöü…");
        assert_eq!(escaped("\n\n\n", 2), r"\u{a}\u{a}…");
        assert_eq!(escaped("x", 0), "…");
        assert_eq!(escaped("", 0), "");
    }
}
