//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time in unix microseconds; 0 if the machine's clock is before 1970.
pub(crate) fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// Now, in unix milliseconds, likewise.
#[cfg(feature = "demo")]
pub(crate) fn unix_ms() -> u64 {
    unix_us() / 1000
}
