//! Access control: decides which clients may connect, which streams they may subscribe to, and how many connections
//! they may have. Pure.
//!
//! ```text
//! connection ─► networks (deny, allow) ─► permits (all, per address) ─► rate limit (per address) ─► TLS, HTTP
//! request    ─► address behind a trusted proxy ─► networks again ─► token ─► permits (per token, per address)
//! admin      ─► no proxy ─► admin networks ─► requested host name ─► origin of the page
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

pub(crate) use arrivals::Arrivals;
pub(crate) use browser::{Claims, host_name};
pub(crate) use connection_limits::{ConnectionLimits, ConnectionPermit, LimitKey};
pub(crate) use networks::Networks;
pub(crate) use openings::{openings, warnings};
pub(crate) use refusal::Refusal;
pub(crate) use token::{Token, TokenDigest};

use crate::filter::Limits;
use crate::message::Stream;
use core::net::IpAddr;

/// The access rules in force.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Networks that may connect; if empty, all may.
    pub allow: Networks,
    /// Denied networks; takes precedence over `allow`.
    pub deny: Networks,
    /// Proxies whose X-Forwarded-For header is trusted.
    pub trusted_proxies: Networks,
    /// Networks whose clients are admins at the clients' listener: they see client addresses and other restricted data.
    pub admins: Networks,
    /// Networks whose clients are admins at the admins' own listener.
    pub listener_admins: Networks,
    /// Whether the statistics and the metrics are restricted to admins.
    pub admins_only: bool,
    /// Names of this server that admins may use besides `localhost` and IP addresses; lower case.
    pub admin_hosts: Vec<String>,
    /// The tokens; if empty, no token is needed.
    pub tokens: Vec<Token>,
    /// How large a filter may be that a client sends without a token.
    pub filter_limits: Limits,
    /// Largest number of open connections.
    pub connections: usize,
    /// Largest number of open connections per address (for IPv6, per /64); 0: no separate limit.
    pub connections_per_address: usize,
    /// Largest number of new connections per second and address (for IPv6, /64); 0: no limit.
    pub new_connections_per_address: u32,
}

/// The source of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// The client's address; IPv4-mapped IPv6 addresses are converted to IPv4.
    pub address: IpAddr,
    /// Whether the client is an admin, and may see restricted data.
    pub is_admin: bool,
    /// Whether the request came through a trusted proxy.
    pub is_proxied: bool,
}

impl Access {
    /// Checks whether `peer` may connect. A trusted proxy may; the clients behind it are checked with each request.
    ///
    /// # Errors
    /// If `peer` may not connect.
    pub fn admit_peer(&self, peer: IpAddr) -> Result<(), Refusal> {
        if self.trusted_proxies.contain(peer) { Ok(()) } else { self.admit_address(peer) }
    }

    fn admit_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let allowed = self.allow.is_empty() || self.allow.contain(address);
        if allowed && !self.deny.contain(address) { Ok(()) } else { Err(Refusal::Network) }
    }

    /// Identifies the client of a request that came from `peer` with these values of the X-Forwarded-For header.
    ///
    /// # Errors
    /// If the client may not connect, or a trusted proxy sent an invalid header.
    pub fn visitor<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Visitor, Refusal> {
        let peer = peer.to_canonical();
        let mut forwarded = forwarded.peekable();
        if !self.trusted_proxies.contain(peer) {
            // The rules may have changed since the connection was accepted.
            self.admit_address(peer)?;
            // A request through an untrusted proxy may come from any client.
            let is_admin = forwarded.peek().is_none() && self.admins.contain(peer);
            return Ok(Visitor { address: peer, is_admin, is_proxied: false });
        }
        let address = address::behind(peer, forwarded, &self.trusted_proxies)?;
        self.admit_address(address)?;
        // A proxy that does not name its client may forward requests of any client.
        let is_admin = self.admins.contain(address) && !self.trusted_proxies.contain(address);
        Ok(Visitor { address, is_admin, is_proxied: true })
    }

    /// Identifies the client of a request to the admins' own listener, which no proxy may use.
    ///
    /// # Errors
    /// If the client is not an admin, or may no longer connect.
    pub fn admin(&self, peer: IpAddr, is_forwarded: bool) -> Result<Visitor, Refusal> {
        let address = peer.to_canonical();
        self.admit_peer(address)?;
        let is_admin = !is_forwarded && self.listener_admins.contain(address);
        let visitor = Visitor { address, is_admin, is_proxied: false };
        if is_admin { Ok(visitor) } else { Err(Refusal::NotAdmin) }
    }

    /// Checks whether an admin may be answered as one, based on the headers of the request.
    ///
    /// # Errors
    /// If the request may come from a page of another site in an admin's browser.
    pub fn admit_as_admin(&self, claims: &Claims) -> Result<(), Refusal> {
        if !claims.has_known_host(&self.admin_hosts) {
            Err(Refusal::Host)
        } else if claims.is_cross_site() {
            Err(Refusal::CrossSite)
        } else {
            Ok(())
        }
    }

    /// The token that matches `presented`, if it is valid for `stream`; `None` if no token is needed.
    ///
    /// # Errors
    /// If a token is needed, but is missing, unknown, or not valid for this stream.
    pub fn token(&self, presented: Option<&[u8]>, stream: Stream) -> Result<Option<&Token>, Refusal> {
        match self.known_token(presented)? {
            Some(token) if !token.streams.contains(&stream) => Err(Refusal::TokenStream),
            token => Ok(token),
        }
    }

    /// The token that matches `presented`; `None` if no token is needed.
    fn known_token(&self, presented: Option<&[u8]>) -> Result<Option<&Token>, Refusal> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let presented = presented.ok_or(Refusal::TokenMissing)?;
        // An empty token is never valid, whatever digest is configured.
        let token = Token::find(&self.tokens, presented).filter(|_| !presented.is_empty());
        token.map(Some).ok_or(Refusal::TokenUnknown)
    }

    /// How large a filter may be that a client sends with the token `presented`, which may be for any stream.
    ///
    /// # Errors
    /// If a token is needed, but is missing or unknown.
    pub fn filter_limits(&self, presented: Option<&[u8]>) -> Result<Limits, Refusal> {
        Ok(self.known_token(presented)?.map_or(self.filter_limits, |token| token.filter_limits))
    }

    /// Whether a client that was admitted under other rules would be admitted under these. It receives only what the filter
    /// `filter` wants, if that is given.
    pub fn still_admits(
        &self,
        address: IpAddr,
        token: Option<TokenDigest>,
        filter: Option<&str>,
        stream: Option<Stream>,
    ) -> bool {
        let known = |digest| self.tokens.iter().find(|token| token.digest == digest);
        let is_restricted = |token: &Token| token.filter.is_none() || token.filter.as_deref() == filter;
        let may_hear = |token: &Token| {
            is_restricted(token) && stream.is_none_or(|stream| token.streams.contains(&stream))
        };
        let token_holds = self.tokens.is_empty() || token.and_then(known).is_some_and(may_hear);
        // A trusted proxy's own address may be outside `allow`; a client that connects without a proxy is checked by
        // its address.
        let may_connect = self.trusted_proxies.contain(address) || self.admit_address(address).is_ok();
        token_holds && may_connect
    }
}
