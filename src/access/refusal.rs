//! The reasons for refusing a connection or request, with texts that say what to do.

use serde::Serialize;

/// A reason; each maps to an HTTP status (RFC 9110 section 15.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, thiserror::Error, enum_map::Enum)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The address is not in an allowed network.
    #[error("this address may not connect")]
    Network,
    /// A trusted proxy sent an X-Forwarded-For header that contains no valid address.
    #[error("X-Forwarded-For does not contain addresses")]
    Forwarding,
    /// The limit of all connections is reached.
    #[error("the server has reached its connection limit; try again later")]
    Full,
    /// The limit of connections per address is reached.
    #[error("this address has reached its connection limit; close some connections")]
    AddressFull,
    /// The rate limit of new connections per address is exceeded.
    #[error("this address opens connections too fast; try again later")]
    AddressRate,
    /// The limit of connections per token is reached.
    #[error("this token has reached its connection limit; close some connections")]
    TokenFull,
    /// The limit of memory for filters is reached.
    #[error(
        "the filters of all clients take as much memory as they may; try again later, or ask for clients.filter_bytes to be raised"
    )]
    FiltersFull,
    /// A token is required, but none was presented.
    #[error("a token is required: send it as \"Authorization: Bearer TOKEN\" or as ?token=TOKEN")]
    TokenMissing,
    /// The token is unknown.
    #[error("unknown token")]
    TokenUnknown,
    /// The token is not valid for this stream.
    #[error("this token is not valid for this stream")]
    TokenStream,
    /// The token's clients receive only what a filter wants, and the route has no filter.
    #[error(
        "this token is only valid for what its filter wants, and this route has no filter; use a stream over WebSocket, \
         /sse or /ndjson"
    )]
    TokenFilter,
    /// The filters that are kept for clients take as much room as they may.
    #[error(
        "the filters that are kept for clients take as much room as they may, and were all used within a day; try again \
         later, or ask for clients.kept_filter_bytes to be raised"
    )]
    KeptFiltersFull,
    /// Too many filters are being received.
    #[error("too many filters are being received; try again later")]
    FiltersBusy,
    /// The journal cannot be read now.
    #[error("the journal cannot be read now; try again later")]
    JournalUnreadable,
    /// The server is one of a cluster that serves no streams.
    #[error("this server watches logs and serves no streams; connect to an edge of its cluster")]
    NoStreams,
    /// The route is restricted to admins.
    #[error("only admins may see this; see [admin] in the configuration")]
    #[serde(rename = "stranger")]
    NotAdmin,
    /// An admin used a host name that may belong to another site.
    #[error("admin pages are served only under an IP address, localhost, or a name listed in admin.hosts")]
    Host,
    /// An admin's browser sent the request for a page of another site.
    #[error("requests from pages of other sites are not allowed")]
    CrossSite,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Refusal::Forwarding => 400,
            Refusal::TokenMissing | Refusal::TokenUnknown => 401,
            Refusal::Network
            | Refusal::TokenStream
            | Refusal::TokenFilter
            | Refusal::NotAdmin
            | Refusal::Host
            | Refusal::CrossSite => 403,
            Refusal::AddressFull | Refusal::AddressRate | Refusal::TokenFull => 429,
            Refusal::Full
            | Refusal::FiltersFull
            | Refusal::KeptFiltersFull
            | Refusal::FiltersBusy
            | Refusal::JournalUnreadable
            | Refusal::NoStreams => 503,
        }
    }

    /// Whether the reason is temporary.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Refusal::Full
                | Refusal::AddressFull
                | Refusal::AddressRate
                | Refusal::TokenFull
                | Refusal::FiltersFull
                | Refusal::KeptFiltersFull
                | Refusal::FiltersBusy
                | Refusal::JournalUnreadable
        )
    }
}
