//! Tokens: what is known of them is their SHA-256, so that none can leak from here.

use crate::message::Stream;
use openssl::memcmp;
use openssl::sha::sha256;
use std::fmt;

/// The SHA-256 of a token. Not shown when printed for debugging: short tokens could be guessed from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of the token itself.
    pub fn of(token: &[u8]) -> Self {
        TokenDigest(sha256(token))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 64 hexadecimal digits, as `sha256sum` prints them.
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

/// What a token is where a variable was not set, or an example was not filled in.
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
    /// Whether it is the digest of no token at all: of an empty text or of a placeholder, with a line break or without.
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

/// A token, and what it is good for.
#[derive(Debug, Clone)]
pub struct Token {
    /// Who has it.
    pub name: String,
    /// What it is recognised by.
    pub digest: TokenDigest,
    /// What may be heard with it, at least one.
    pub streams: Vec<Stream>,
    /// Most connections with it at the same time; 0: no limit of its own.
    pub connections: usize,
}

impl Token {
    /// The one of `tokens` that was `presented`. All are looked at, and each byte of them, so that the time which it takes
    /// tells nothing of how near a guess was.
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
