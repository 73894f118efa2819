//! How large a filter may be.

/// Memory of one compiled regular expression, in bytes.
pub(super) const REGEX_BYTES: usize = 128 * 1024;

/// The largest filter that a subscriber may send, in a query string or a body. There are no limits for using a filter by
/// its name: it was accepted before.
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

    /// The largest limits that can be configured. A body with more domains is too long anyway.
    pub const LARGEST: Limits = Limits {
        values: 200_000,
        value_bytes: 4096,
        contains: 100_000,
        lookalikes: 10_000,
        regexes: 1_000,
        regex_bytes: REGEX_BYTES,
    };

    /// The smallest [`regex_bytes`](Self::regex_bytes) that can be configured.
    pub const SMALLEST_REGEX_BYTES: usize = 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}
