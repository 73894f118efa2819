//! Texts that one edit makes of each other.

use arrayvec::ArrayVec;

/// Longer texts are not compared: labels have at most 63 bytes.
pub(super) const MAX_CHARS: usize = 64;

/// A label with fewer characters has too many neighbours.
pub(super) const MIN_CHARS: usize = 5;

/// The characters of a text that is compared.
pub(super) type Chars = ArrayVec<char, MAX_CHARS>;

/// The characters of `text`. `None` if it is too long.
pub(super) fn chars(text: &str) -> Option<Chars> {
    let mut chars = Chars::new();
    text.chars().try_for_each(|c| chars.try_push(c)).ok()?;
    Some(chars)
}

/// Whether one insertion, omission, replacement or transposition of neighbours makes `one` of `other`.
pub(super) fn is_one_edit(one: &[char], other: &[char]) -> bool {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(same..).unwrap_or_default(), other.get(same..).unwrap_or_default());
    match (one, other) {
        ([], []) => false,
        ([_, one @ ..], [_, other @ ..]) if one == other => true,
        ([a, b, one @ ..], [c, d, other @ ..]) if a == d && b == c && one == other => true,
        ([_, one @ ..], other) if one == other => true,
        (one, [_, other @ ..]) => one == other,
        _ => false,
    }
}

/// Hashes of texts, and of all texts that are left when one character is omitted. Two texts that are one edit apart
/// share one of them, apart from transpositions of which both omit a different character and still share one.
pub(super) struct Hashes {
    base: u64,
}

impl Hashes {
    /// `key` makes the hashes unpredictable.
    pub(super) fn new(key: u64) -> Self {
        Hashes { base: key | 1 }
    }

    /// Visits the hash of the text and of each text with one character less. The text itself comes first.
    pub(super) fn visit(&self, chars: &[char], mut visit: impl FnMut(u64)) {
        let mut before = ArrayVec::<u64, { MAX_CHARS + 1 }>::new();
        let mut hash = 0u64;
        for c in chars.iter().take(MAX_CHARS) {
            before.push(hash);
            hash = self.add(hash, *c);
        }
        visit(mix(hash));
        // The hash of what is behind the omitted character, and the factor that moves what is before it over that.
        let (mut behind, mut factor) = (0u64, 1u64);
        for (before, c) in before.iter().zip(chars).rev() {
            visit(mix(before.wrapping_mul(factor).wrapping_add(behind)));
            behind = behind.wrapping_add(code(*c).wrapping_mul(factor));
            factor = factor.wrapping_mul(self.base);
        }
    }

    /// The hash of a text.
    pub(super) fn whole(&self, text: &str) -> u64 {
        mix(text.chars().fold(0, |hash, c| self.add(hash, c)))
    }

    fn add(&self, hash: u64, c: char) -> u64 {
        hash.wrapping_mul(self.base).wrapping_add(code(c))
    }
}

/// No character counts nothing.
fn code(c: char) -> u64 {
    u64::from(u32::from(c)) + 1
}

/// Spreads the bits: those at the bottom of a polynomial depend on few characters' bits.
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^ hash >> 29
}
