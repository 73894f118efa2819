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
    #[error("X-Forwarded-For does not hold addresses")]
    Forwarding,
    /// The limit of all connections is reached.
    #[error("the server has as many connections as it may have; try again later")]
    Full,
    /// The limit of connections per address is reached.
    #[error("there are as many connections from this address as there may be; close some")]
    AddressFull,
    /// The rate limit of new connections per address is exceeded.
    #[error("there are more new connections from this address than there may be; try again later")]
    AddressRate,
    /// The limit of connections per token is reached.
    #[error("there are as many connections with this token as there may be; close some")]
    TokenFull,
    /// A token is required, but none was presented.
    #[error("a token is needed: send it as \"Authorization: Bearer TOKEN\" or as ?token=TOKEN")]
    TokenMissing,
    /// The token is unknown.
    #[error("this token is not known")]
    TokenUnknown,
    /// The token is not valid for this stream.
    #[error("this token is not for this stream")]
    TokenStream,
    /// The route is restricted to admins.
    #[error("this is for admins alone; see [admin] in the configuration")]
    #[serde(rename = "stranger")]
    NotAdmin,
    /// An admin used a host name that may belong to another site.
    #[error(
        "admins are answered only where they ask by an IP address, localhost, or a name listed in admin.hosts"
    )]
    Host,
    /// An admin's browser sent the request for a page of another site.
    #[error("this is not for pages of other sites")]
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
            | Refusal::NotAdmin
            | Refusal::Host
            | Refusal::CrossSite => 403,
            Refusal::AddressFull | Refusal::AddressRate | Refusal::TokenFull => 429,
            Refusal::Full => 503,
        }
    }

    /// Whether the reason is temporary.
    pub fn passes(self) -> bool {
        matches!(self, Refusal::Full | Refusal::AddressFull | Refusal::AddressRate | Refusal::TokenFull)
    }
}
