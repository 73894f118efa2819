//! Tokens. The server stores only their SHA-256 digests, so that it cannot leak a token.

use crate::filter::Limits;
use crate::message::Stream;
use openssl::memcmp;
use openssl::sha::sha256;
use std::fmt;

/// The SHA-256 digest of a token. Its debug output hides the value, because a short token could be guessed from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of `token`.
    pub fn of(token: &[u8]) -> Self {
        TokenDigest(sha256(token))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 hexadecimal digits, as `sha256sum` prints them.
    pub fn parse(hex: &str) -> Option<Self> {
        let bytes = hex.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(bytes.chunks(2)) {
            let digit = |i: usize| digits.get(i).and_then(|d| char::from(*d).to_digit(16));
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Some(TokenDigest(digest))
    }
}

/// Values that result from an unset variable or an unchanged example.
const UNSET: [&str; 20] = [
    "",
    " ",
    "\0",
    "\r",
    "-",
    "...",
    "…",
    "''",
    "\"\"",
    "TOKEN",
    "$TOKEN",
    "${TOKEN}",
    "$token",
    "token",
    "YOUR_TOKEN",
    "null",
    "None",
    "undefined",
    "secret",
    "changeme",
];

impl TokenDigest {
    /// Whether it is the digest of an empty text or a placeholder, with or without a line break.
    pub fn is_of_unset(self) -> bool {
        let is = |text: String| TokenDigest::of(text.as_bytes()) == self;
        UNSET.iter().any(|text| is(text.to_string()) || is(format!("{text}\n")) || is(format!("{text}\r\n")))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// A token and its permissions.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name of its owner.
    pub name: String,
    /// The digest that identifies it.
    pub digest: TokenDigest,
    /// The streams that it is valid for, at least one.
    pub streams: Vec<Stream>,
    /// Largest number of open connections with it; 0: no separate limit.
    pub connections: usize,
    /// The name of the filter that wants all that its clients may receive; `None` if they may receive everything.
    pub filter: Option<String>,
    /// How large a filter may be that one of its clients sends.
    pub filter_limits: Limits,
}

impl Token {
    /// The token of `tokens` that matches `presented`. Every token is compared, in constant time, so that the duration
    /// reveals nothing about how close a guess was.
    pub fn find<'a>(tokens: &'a [Token], presented: &[u8]) -> Option<&'a Token> {
        let presented = TokenDigest::of(presented);
        let mut found = None;
        for token in tokens {
            if memcmp::eq(&token.digest.0, &presented.0) {
                found = Some(token);
            }
        }
        found
    }
}
