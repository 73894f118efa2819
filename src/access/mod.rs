//! Who may connect, what they may hear, and how often at the same time. Pure.
//!
//! ```text
//! connection ─► networks (deny, allow) ─► slots (all, per address) ─► turn (per address) ─► TLS, HTTP
//! request    ─► address behind a trusted proxy ─► networks again ─► token ─► slots (per token, per address)
//! admin      ─► no proxy ─► networks of admins ─► the name that was asked for ─► the page that asks
//! ```

mod address;
mod address_set;
pub(crate) mod arrivals;
mod browser;
mod connection_limits;
mod networks;
mod openings;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

pub use arrivals::Arrivals;
pub use browser::{Claims, host_name};
pub use connection_limits::{ConnectionLimits, ConnectionPermit, LimitKey};
pub use networks::Networks;
pub use openings::{openings, warnings};
pub use refusal::Refusal;
pub use token::{Token, TokenDigest};

use crate::message::Stream;
use core::net::IpAddr;

/// The rules in force.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whoever is in one of these may connect; without any, everybody.
    pub allow: Networks,
    /// Whoever is in one of these may not.
    pub deny: Networks,
    /// Whose word on where a request comes from is taken.
    pub trusted_proxies: Networks,
    /// Who may see the clients' addresses, and what else others may not, where clients connect.
    pub admins: Networks,
    /// The same at the listener of their own.
    pub listener_admins: Networks,
    /// Whether the statistics and the metrics are for admins alone.
    pub admins_only: bool,
    /// Names of this server by which admins ask it, beside `localhost` and addresses; lower case.
    pub admin_hosts: Vec<String>,
    /// Without any, nobody needs one.
    pub tokens: Vec<Token>,
    /// Most connections at the same time.
    pub connections: usize,
    /// Most from one address (of IPv6: from one /64); 0: no limit of its own.
    pub connections_per_address: usize,
    /// Most that one address (likewise) opens per second; 0: no limit.
    pub new_connections_per_address: u32,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// Where they are, an IPv4 address even where the socket is an IPv6 one.
    pub address: IpAddr,
    /// Whether they are an admin, who may see what others may not.
    pub is_admin: bool,
    /// Whether a trusted proxy stands between them and us.
    pub is_proxied: bool,
}

impl Access {
    /// Whether `peer` may connect; through a proxy that is trusted, whoever asks is judged later.
    ///
    /// # Errors
    /// When it may not.
    pub fn admit_peer(&self, peer: IpAddr) -> Result<(), Refusal> {
        if self.trusted_proxies.contain(peer) { Ok(()) } else { self.admit_address(peer) }
    }

    fn admit_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let allowed = self.allow.is_empty() || self.allow.contain(address);
        if allowed && !self.deny.contain(address) { Ok(()) } else { Err(Refusal::Network) }
    }

    /// Who it is that asks through `peer`, by the values of the X-Forwarded-For headers that came with it.
    ///
    /// # Errors
    /// When they may not, or a trusted proxy says what makes no sense.
    pub fn visitor<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Visitor, Refusal> {
        let peer = peer.to_canonical();
        let mut forwarded = forwarded.peekable();
        if !self.trusted_proxies.contain(peer) {
            // The rules may have changed since the connection was let in.
            self.admit_address(peer)?;
            // Who comes through a proxy that we do not know may be anybody.
            let is_admin = forwarded.peek().is_none() && self.admins.contain(peer);
            return Ok(Visitor { address: peer, is_admin, is_proxied: false });
        }
        let address = address::behind(peer, forwarded, &self.trusted_proxies)?;
        self.admit_address(address)?;
        // A proxy that does not say for whom it asks may ask for anybody.
        let is_admin = self.admins.contain(address) && !self.trusted_proxies.contain(address);
        Ok(Visitor { address, is_admin, is_proxied: true })
    }

    /// Who it is that asks at the admins' own listener, where there are no proxies.
    ///
    /// # Errors
    /// When they are none, or may not connect any more.
    pub fn admin(&self, peer: IpAddr, is_forwarded: bool) -> Result<Visitor, Refusal> {
        let address = peer.to_canonical();
        self.admit_peer(address)?;
        let is_admin = !is_forwarded && self.listener_admins.contain(address);
        let visitor = Visitor { address, is_admin, is_proxied: false };
        if is_admin { Ok(visitor) } else { Err(Refusal::NotAdmin) }
    }

    /// Whether an admin may be answered as one, by what the request says of itself.
    ///
    /// # Errors
    /// When it may be a page of another site that asks, through an admin's browser.
    pub fn admit_as_admin(&self, claims: &Claims) -> Result<(), Refusal> {
        if !claims.has_known_host(&self.admin_hosts) {
            Err(Refusal::Host)
        } else if claims.is_cross_site() {
            Err(Refusal::CrossSite)
        } else {
            Ok(())
        }
    }

    /// The token that was `presented`, if it may hear `stream`; `None` where nobody needs one.
    ///
    /// # Errors
    /// When one is needed and it is missing, unknown, or for other streams.
    pub fn token(&self, presented: Option<&[u8]>, stream: Stream) -> Result<Option<&Token>, Refusal> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let presented = presented.ok_or(Refusal::TokenMissing)?;
        // Nobody was given an empty one, whatever digest the configuration has.
        let token = Token::find(&self.tokens, presented).filter(|_| !presented.is_empty());
        let token = token.ok_or(Refusal::TokenUnknown)?;
        if token.streams.contains(&stream) { Ok(Some(token)) } else { Err(Refusal::TokenStream) }
    }

    /// Whether one who was let in under other rules would be let in under these.
    pub fn still_admits(&self, address: IpAddr, token: Option<TokenDigest>, stream: Option<Stream>) -> bool {
        let known = |digest| self.tokens.iter().find(|token| token.digest == digest);
        let may_hear = |token: &Token| stream.is_none_or(|stream| token.streams.contains(&stream));
        let token_holds = self.tokens.is_empty() || token.and_then(known).is_some_and(may_hear);
        // Proxies are no clients, but what asks in its own name through none is judged as one.
        let may_connect = self.trusted_proxies.contain(address) || self.admit_address(address).is_ok();
        token_holds && may_connect
    }
}
