//! Timestamps in messages.

use std::fmt;

/// Unix seconds with a fraction, in the format of messages.
pub(super) struct Seconds {
    whole: u64,
    fraction: u64,
    digits: usize,
}

impl Seconds {
    pub(super) fn from_us(us: u64) -> Self {
        Seconds { whole: us / 1_000_000, fraction: us % 1_000_000, digits: 6 }
    }

    pub(super) fn from_ms(ms: u64) -> Self {
        Seconds { whole: ms / 1_000, fraction: ms % 1_000, digits: 3 }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:0width$}", self.whole, self.fraction, width = self.digits)
    }
}
