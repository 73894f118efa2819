//! Gzip data (RFC 1952): compressed responses, and one that a client must refuse to decompress.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::OnceLock;

/// Decompressed size of the bomb in bytes, all of them zeros.
pub(super) const BOMB_SIZE: u32 = 256 << 20;

/// `content` as a gzip file.
pub(super) fn compressed(content: &[u8]) -> Vec<u8> {
    packed([content], Compression::fast())
}

/// A gzip file of about 260 KB that decompresses to [`BOMB_SIZE`] zeros. It is made once.
pub(super) fn bomb() -> &'static [u8] {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    let zeros = [0; 1 << 16];
    let parts = std::iter::repeat_n(&zeros[..], BOMB_SIZE as usize / zeros.len());
    BOMB.get_or_init(|| packed(parts, Compression::best()))
}

fn packed<'a>(parts: impl IntoIterator<Item = &'a [u8]>, level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let written = parts.into_iter().try_for_each(|part| encoder.write_all(part));
    written.and_then(|()| encoder.finish()).expect("a Vec takes all that is written to it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn what_is_compressed_is_smaller_and_the_same_afterwards() {
        for content in [Vec::new(), b"a".repeat(100_000)] {
            let compressed = compressed(&content);
            assert!(compressed.len() < 1000, "{}", compressed.len());
            let mut again = Vec::new();
            GzDecoder::new(compressed.as_slice()).read_to_end(&mut again).unwrap();
            assert!(again == content);
        }
    }

    #[test]
    fn the_bomb_is_small_and_declares_what_it_becomes() {
        let bomb = bomb();
        assert!(bomb.len() < 300_000, "{}", bomb.len());
        assert!(bomb.ends_with(&BOMB_SIZE.to_le_bytes()));
    }
}
