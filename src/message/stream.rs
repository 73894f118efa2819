//! The streams that clients subscribe to.

use std::fmt;

/// A selection of the data in messages. Each client subscribes to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize, enum_map::Enum)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// All data.
    Full,
    /// Without `chain` and `as_der`.
    Lite,
    /// `dns_entries` messages: only the names.
    Domains,
}

impl Stream {
    /// All streams, in the order of their discriminants.
    pub const ALL: [Stream; 3] = [Stream::Full, Stream::Lite, Stream::Domains];
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Full => "full",
            Stream::Lite => "lite",
            Stream::Domains => "domains",
        })
    }
}
