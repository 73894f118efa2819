//! `token`: creates a token and its section of the configuration.

use crate::access::TokenDigest;
use clap::Args;
use hex_simd::AsciiCase;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use std::io::{self, Write};
use zeroize::{Zeroize, Zeroizing};

/// Number of random bytes in a token. It is written as twice as many hexadecimal digits.
pub(crate) const TOKEN_BYTES: usize = 32;

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Whose it is
    #[arg(long, default_value = "somebody", value_parser = parse_name)]
    name: String,
}

fn parse_name(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" -._@".contains(&b));
    if plain {
        Ok(text.into())
    } else {
        Err("expected letters, digits, spaces, \"-\", \".\", \"_\" or \"@\"".into())
    }
}

/// Why no token was created.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("cannot get random bytes: {0}")]
    Random(#[from] ErrorStack),
    #[error("the token cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Prints the section to standard output, so that it can be appended to a file, and the token to standard
/// error, because the token must not be in that file.
pub(super) fn token(args: &TokenArgs) -> Result<(), TokenError> {
    let token = new_token()?;
    let digest = hex_simd::encode_to_string(TokenDigest::of(token.as_bytes()).bytes(), AsciiCase::Lower);
    writeln!(io::stdout(), "[[tokens]]\nname = \"{}\"\nsha256 = \"{digest}\"", args.name)?;
    writeln!(io::stderr(), "the token, which is not stored anywhere: {}", *token)?;
    Ok(())
}

fn new_token() -> Result<Zeroizing<String>, ErrorStack> {
    let mut bytes = [0; TOKEN_BYTES];
    rand_bytes(&mut bytes)?;
    let token = Zeroizing::new(hex_simd::encode_to_string(bytes, AsciiCase::Lower));
    bytes.zeroize();
    Ok(token)
}
