//! Two kinds of gzip data (RFC 1952): one without compression, and one with maximum compression.
//!
//! This is enough for responses that clients must decompress, and for one that they must refuse. A real
//! encoder would be an additional dependency for a log that only serves the same machine.

/// Magic number, deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// Maximum size of a stored block of deflate, in bytes.
const MAX_STORED: usize = 0xFFFF;

/// Number of matches in the bomb. Each one is 258 zeros, the maximum.
const BOMB_MATCHES: u32 = 1 << 20;

/// Decompressed size of the bomb in bytes, all of them zeros: 258 MiB.
pub(super) const BOMB_SIZE: u32 = 1 + 258 * BOMB_MATCHES;

/// CRC-32 of [`BOMB_SIZE`] zeros.
const BOMB_CRC32: u32 = 0x8E88_A2BA;

/// `content` in stored blocks (RFC 1951 section 3.2.4).
pub(super) fn stored(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 5 * (content.len() / MAX_STORED + 1) + 18);
    out.extend(HEADER);
    let (rest, last) = content.split_at(content.len() - content.len().min(MAX_STORED));
    for block in rest.chunks(MAX_STORED) {
        push_stored_block(&mut out, block, false);
    }
    push_stored_block(&mut out, last, true);
    push_trailer(&mut out, crc32(content), content.len() as u32);
    out
}

fn push_stored_block(out: &mut Vec<u8>, block: &[u8], last: bool) {
    let length = block.len() as u16;
    out.push(last.into()); // BFINAL; BTYPE = 00; the rest of the byte is skipped
    out.extend(length.to_le_bytes()); // LEN
    out.extend((!length).to_le_bytes()); // NLEN
    out.extend_from_slice(block);
}

/// A file of 256 KB that decompresses to [`BOMB_SIZE`] zeros, the maximum for deflate.
///
/// It is one block in which the codes for "258 bytes" and "from 1 byte ago" are a bit 0 each, so the file
/// itself is nearly all zeros.
pub(super) fn bomb() -> Vec<u8> {
    let mut bits = BitWriter { out: HEADER.to_vec(), pending: 0, count: 0 };
    bits.push(1, 1); // BFINAL
    bits.push(0b10, 2); // BTYPE = dynamic Huffman codes
    bits.push(286 - 257, 5); // HLIT
    bits.push(0, 5); // HDIST = 1 code
    // Codes of code lengths, in the order of RFC 1951 section 3.2.7. The list ends with those of 2, 14 and 1.
    // The code 18 (a run of zeros) gets 0, 1 gets 10 and 2 gets 11.
    bits.push(18 - 4, 4); // HCLEN
    for length in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
        bits.push(length, 3);
    }
    bits.push_code("11"); // literal 0: 2 bits
    bits.push_code("0");
    bits.push(138 - 11, 7); // then 138 that do not occur,
    bits.push_code("0");
    bits.push(117 - 11, 7); // and 117
    bits.push_code("11"); // end of block: 2 bits
    bits.push_code("0");
    bits.push(28 - 11, 7); // lengths of less than 258 do not occur
    bits.push_code("10"); // length 258: 1 bit
    bits.push_code("10"); // distance 1: 1 bit
    // This makes 0 the code of length 258, 10 that of the literal, 11 that of the end, and 0 that of distance
    // 1.
    bits.push_code("10");
    for _ in 0..BOMB_MATCHES {
        bits.push_code("00");
    }
    bits.push_code("11");
    let mut out = bits.finish();
    push_trailer(&mut out, BOMB_CRC32, BOMB_SIZE);
    out
}

fn push_trailer(out: &mut Vec<u8>, crc32: u32, size: u32) {
    out.extend(crc32.to_le_bytes());
    out.extend(size.to_le_bytes());
}

/// Packs bits as defined in RFC 1951 section 3.1.1: beginning with the least significant bit of a byte.
struct BitWriter {
    out: Vec<u8>,
    pending: u8,
    /// Number of bits in `pending`.
    count: u8,
}

impl BitWriter {
    fn push_bit(&mut self, bit: bool) {
        self.pending |= u8::from(bit) << self.count;
        self.count += 1;
        if self.count == 8 {
            self.out.push(self.pending);
            (self.pending, self.count) = (0, 0);
        }
    }

    /// Appends a number of `width` bits, the least significant bit first.
    fn push(&mut self, value: u16, width: u8) {
        for bit in 0..width {
            self.push_bit(value >> bit & 1 == 1);
        }
    }

    /// Appends a Huffman code, given as text, from its first bit to its last.
    fn push_code(&mut self, code: &str) {
        for bit in code.bytes() {
            self.push_bit(bit == b'1');
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.out.push(self.pending);
        }
        self.out
    }
}

/// The effect of a byte on the remainder, for the polynomial of RFC 1952 section 8.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = remainder >> 1 ^ if remainder & 1 == 1 { 0xEDB8_8320 } else { 0 };
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(!0, |crc, byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn stored_blocks_hold_the_content_as_it_is() {
        assert_eq!(stored(b"")[10..], [1, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0]);
        let content: Vec<u8> = (0..100_000u32).map(|byte| byte as u8).collect();
        let packed = stored(&content);
        let (first, second) = content.split_at(100_000 - MAX_STORED);
        let length = |block: &[u8]| (block.len() as u16).to_le_bytes();
        assert_eq!(packed[10..13], [&[0][..], &length(first)].concat());
        assert_eq!(packed[15..15 + first.len()], *first);
        let packed = &packed[15 + first.len()..];
        assert_eq!(packed[..3], [&[1][..], &length(second)].concat());
        assert_eq!(packed[5..5 + second.len()], *second);
        assert_eq!(packed[5 + second.len() + 4..], 100_000u32.to_le_bytes());
    }

    #[test]
    fn the_bomb_is_small_and_declares_what_it_becomes() {
        let bomb = bomb();
        assert!(bomb.len() < 300_000, "{}", bomb.len());
        assert!(bomb.starts_with(&HEADER) && bomb.ends_with(&BOMB_SIZE.to_le_bytes()));
        let zeros = bomb.iter().filter(|byte| **byte == 0).count();
        assert!(bomb.len() - zeros < 50, "every one of its zeros stands for 1,032");
    }
}
