//! Why somebody is turned away, in words that say what to do.

use serde::Serialize;

/// A reason, each with a status of its own kind (RFC 9110 section 15.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// By the lists of networks.
    #[error("this address may not connect")]
    Network,
    /// A proxy of ours passes on what is no address.
    #[error("X-Forwarded-For does not hold addresses")]
    Forwarding,
    /// All connections are taken.
    #[error("the server has as many connections as it may have; try again later")]
    Full,
    /// All connections of one address are.
    #[error("there are as many connections from this address as there may be; close some")]
    AddressFull,
    /// An address opens more connections than it may.
    #[error("there are more new connections from this address than there may be; try again later")]
    AddressRate,
    /// All connections of a token are.
    #[error("there are as many connections with this token as there may be; close some")]
    TokenFull,
    /// Nothing is heard without a token.
    #[error("a token is needed: send it as \"Authorization: Bearer TOKEN\" or as ?token=TOKEN")]
    TokenMissing,
    /// There is no such token.
    #[error("this token is not known")]
    TokenUnknown,
    /// It is for other streams.
    #[error("this token is not for this stream")]
    TokenStream,
    /// For admins alone.
    #[error("this is for admins alone; see [admin] in the configuration")]
    #[serde(rename = "stranger")]
    NotAdmin,
    /// An admin asked for it by a name that may be anybody's.
    #[error(
        "admins are answered only where they ask by an IP address, localhost, or a name listed in admin.hosts"
    )]
    Host,
    /// An admin's browser asks for it on behalf of another site's page.
    #[error("this is not for pages of other sites")]
    CrossSite,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 12] = [
        Refusal::Network,
        Refusal::Forwarding,
        Refusal::Full,
        Refusal::AddressFull,
        Refusal::AddressRate,
        Refusal::TokenFull,
        Refusal::TokenMissing,
        Refusal::TokenUnknown,
        Refusal::TokenStream,
        Refusal::NotAdmin,
        Refusal::Host,
        Refusal::CrossSite,
    ];

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

    /// Whether it may be otherwise in a while.
    pub fn passes(self) -> bool {
        matches!(self, Refusal::Full | Refusal::AddressFull | Refusal::AddressRate | Refusal::TokenFull)
    }
}
