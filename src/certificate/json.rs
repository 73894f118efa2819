//! Writes JSON text and escapes only the characters that need it (RFC 8259 section 7).

/// Appends parts of JSON to a buffer.
pub(super) trait JsonText {
    /// Text that is known to need no escaping.
    fn raw(&mut self, text: &str);
    /// Any text; it is escaped.
    fn text(&mut self, text: &str);
    /// A line feed inside a string.
    fn line_end(&mut self);
    /// An integer.
    fn decimal(&mut self, value: i64);
    /// `\xHH` as OpenSSL shows a byte. The backslash is escaped.
    fn byte(&mut self, byte: u8);
}

impl JsonText for Vec<u8> {
    #[inline]
    fn raw(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        loop {
            let (plain, other) = split_plain(rest);
            self.extend_from_slice(plain);
            let Some((byte, after)) = other.split_first() else { return };
            if needs_escape(*byte) {
                escape(*byte, self)
            } else {
                self.push(*byte)
            }
            rest = after;
        }
    }

    fn line_end(&mut self) {
        self.extend_from_slice(b"\\n");
    }

    fn decimal(&mut self, value: i64) {
        self.raw(itoa::Buffer::new().format(value));
    }

    fn byte(&mut self, byte: u8) {
        let [high, low] = super::hex::pair(byte);
        self.extend_from_slice(&[b'\\', b'\\', b'x', high, low]);
    }
}

/// Splits off the longest prefix of printable ASCII without quotes and backslashes. Such text needs no change
/// in JSON and in OpenSSL's texts. Checks eight bytes at a time.
#[inline]
pub(super) fn split_plain(bytes: &[u8]) -> (&[u8], &[u8]) {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    /// Sets the high bit of each byte that is zero. Bits above the first such byte may be wrong.
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(each(1)) & !word
    }
    let (words, _) = bytes.as_chunks::<8>();
    let special = |word: &&[u8; 8]| {
        let word = u64::from_ne_bytes(**word);
        let marks = word
            | word.wrapping_sub(each(0x20))
            | zeros(word ^ each(b'"'))
            | zeros(word ^ each(b'\\'))
            | zeros(word ^ each(0x7F));
        marks & each(0x80) == 0
    };
    let start = words.iter().take_while(special).count() * 8;
    let tail = bytes.get(start..).unwrap_or_default();
    let length = tail.iter().take_while(|byte| is_plain(**byte)).count();
    bytes.split_at_checked(start + length).unwrap_or((bytes, &[]))
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\'
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            let [high, low] = super::hex::pair(byte);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}
