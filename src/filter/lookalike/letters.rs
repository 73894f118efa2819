//! What a person reads: labels in which characters that look alike are the same.
//!
//! Two forms are compared. In the *letters* of a label each character is one that it may be taken for. In its *shape*,
//! letters of the Latin alphabet that resemble each other are the same as well, alone or in pairs (`rn` for `m`).
//! Shapes are only compared as a whole, because they leave little of short texts.

use super::super::names::PUNYCODE;
use unicode_security::confusable_detection::skeleton;

/// The label in U-labels. One that cannot be decoded stays as it is.
pub(super) fn decoded(label: &str) -> Option<String> {
    label.strip_prefix(PUNYCODE).and_then(idna::punycode::decode_to_string).map(|text| text.to_lowercase())
}

/// Appends the letters of `text`, which is in lower case.
pub(super) fn push_letters(text: &str, letters: &mut String) {
    if text.is_ascii() {
        return letters.extend(text.bytes().map(ascii_letter));
    }
    let mut buffer = [0; 4];
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(ascii) if ascii.is_ascii() => letters.push(ascii_letter(ascii)),
            _ => push_prototype(c.encode_utf8(&mut buffer), letters),
        }
    }
}

/// Digits for letters, and `i` and `l`, which cannot be told apart in many fonts.
fn ascii_letter(byte: u8) -> char {
    char::from(match byte {
        b'0' => b'o',
        b'1' | b'i' => b'l',
        b'3' => b'e',
        b'5' => b's',
        other => other,
    })
}

/// Appends the prototype that UTS 39 gives a character, without the marks that belong to it: `à` and `đ` are read as
/// `a` and `d`.
fn push_prototype(c: &str, letters: &mut String) {
    let start = letters.len();
    for prototype in skeleton(c).flat_map(char::to_lowercase).filter(|c| !is_mark(*c)) {
        let read = also_read_as(prototype).unwrap_or(prototype);
        letters.push(u8::try_from(read).ok().filter(u8::is_ascii).map_or(read, ascii_letter));
    }
    // The prototype of all that resembles an m.
    if letters.get(start..) == Some("rn") {
        letters.truncate(start);
        letters.push('m');
    }
}

/// Combining marks, which skeletons consist of beside letters.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Small capitals, letters with hooks, and Cyrillic and Greek letters. UTS 39 keeps them apart from the Latin letter,
/// but in a known name they are read as it.
fn also_read_as(c: char) -> Option<char> {
    Some(match c {
        'ə' | 'ǝ' | 'α' | 'ɐ' => 'a',
        'ʙ' | 'в' | 'β' | 'ƅ' => 'b',
        'ƈ' => 'c',
        'ε' | 'є' | 'э' => 'e',
        'ɢ' => 'g',
        'ʜ' | 'н' | 'ɦ' | 'ⱨ' => 'h',
        'ɪ' | 'ɩ' => 'i',
        'ʝ' => 'j',
        'ᴋ' | 'к' | 'ĸ' | 'κ' | 'ⱪ' => 'k',
        'ʟ' | 'ɫ' => 'l',
        'ᴍ' | 'м' | 'ʍ' | 'ɱ' => 'm',
        'ɴ' | 'ꞑ' | 'п' | 'η' | 'и' => 'n',
        'ᴘ' => 'p',
        'ʠ' => 'q',
        'ʀ' | 'я' | 'ɾ' | 'ɼ' | 'ɽ' | 'г' | 'ᴦ' => 'r',
        'ʂ' => 's',
        'ᴛ' | 'т' | 'τ' | 'ƫ' => 't',
        'μ' => 'u',
        'ᶌ' | 'ⱱ' | 'ⱴ' => 'v',
        'ⱳ' | 'ω' | 'ш' => 'w',
        'ʏ' | 'ɣ' => 'y',
        'ʐ' | 'ȥ' | 'ⱬ' => 'z',
        _ => return None,
    })
}

/// The shape of `letters`: one for `b d lb cl dl`, `c e`, `g q`, `h lh`, `k lk lc`, `m n r` and any run of them, `w
/// vv`, `6 9`, and `8 e`.
pub(super) fn shape(letters: &str) -> String {
    let mut shape: Vec<char> = Vec::with_capacity(letters.len());
    for c in letters.chars() {
        let c = match c {
            'd' => 'b',
            'e' | '8' => 'c',
            'q' => 'g',
            'm' | 'r' => 'n',
            '9' => '6',
            other => other,
        };
        let joined = match (shape.last(), c) {
            (Some('l'), 'b' | 'h' | 'k') => Some(c),
            (Some('l'), 'c') => Some('k'),
            (Some('c' | 'b'), 'l') => Some('b'),
            (Some('n'), 'n') => Some('n'),
            (Some('v'), 'v') => Some('w'),
            _ => None,
        };
        if joined.is_some() {
            shape.pop();
        }
        shape.push(joined.unwrap_or(c));
    }
    shape.into_iter().collect()
}
