//! Upper-case hexadecimal, plain and with colons.

const PAIRS: [[u8; 2]; 256] = pairs();

#[inline]
pub(super) fn pair(byte: u8) -> [u8; 2] {
    PAIRS.get(usize::from(byte)).copied().unwrap_or_default()
}

const fn pairs() -> [[u8; 2]; 256] {
    let mut pairs = [[0; 2]; 256];
    let mut rest: &mut [[u8; 2]] = &mut pairs;
    let mut byte: u8 = 0;
    while let [pair, after @ ..] = rest {
        *pair = [digit(byte >> 4), digit(byte & 0x0F)];
        byte = byte.wrapping_add(1);
        rest = after;
    }
    pairs
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble }
}

/// `ABCD`
pub(super) fn plain(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(&pair(*byte));
    }
}

/// `AB:CD`
pub(super) fn colons(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let start = out.len();
    out.resize(start + bytes.len() * 3, b':');
    for (place, byte) in out.get_mut(start..).unwrap_or_default().chunks_exact_mut(3).zip(bytes) {
        if let [high, low, _] = place {
            [*high, *low] = pair(*byte);
        }
    }
    out.pop();
}

/// `AB:CD:` with sixteen bytes to a line. Further lines are indented by sixteen spaces, and no colon follows
/// the last byte.
pub(super) fn block(bytes: &[u8], out: &mut Vec<u8>) {
    for (line, chunk) in bytes.chunks(16).enumerate() {
        if line > 0 {
            out.extend_from_slice(b":\\n                ");
        }
        colons(chunk, out);
    }
}
