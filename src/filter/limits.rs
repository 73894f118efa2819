//! How large a filter may be.

/// Memory of one compiled regular expression, in bytes.
pub(super) const REGEX_BYTES: usize = 128 * 1024;

/// The largest filter that is accepted. Every subscriber has the same limits unless its token has others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values of all parameters together, at least 1.
    pub values: usize,
    /// Bytes of one value.
    pub value_bytes: usize,
    /// Values of `contains`.
    pub contains: usize,
    /// Values of `lookalike`.
    pub lookalikes: usize,
    /// Values of `regex`.
    pub regexes: usize,
    /// Memory of one compiled regular expression, in bytes. Its search is as fast as it is small.
    pub regex_bytes: usize,
}

impl Limits {
    /// Enough for the list of a large company's domains; 16 regular expressions take at most 2 MiB.
    pub const DEFAULT: Limits = Limits {
        values: 100_000,
        value_bytes: 512,
        contains: 10_000,
        lookalikes: 1_000,
        regexes: 16,
        regex_bytes: REGEX_BYTES,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}
