//! Who may connect.

use super::{ConfigError, Sources, Stream, Written, at_least_one, written};
use crate::access::{Access, Token, TokenDigest};

pub(super) fn access(sources: &Sources, streams: &[Stream]) -> Result<Access, ConfigError> {
    let Written { access, admin, tokens, .. } = &sources.written;
    let tokens = tokens.iter().enumerate().map(|(i, token)| resolve_token(sources, i, token, streams));
    let tokens = tokens.collect::<Result<Vec<Token>, _>>()?;
    for (i, token) in tokens.iter().enumerate() {
        let earlier = || tokens.iter().take(i);
        if earlier().any(|other| other.name == token.name) {
            let problem = format!("{:?} is the name of another token too", token.name);
            return Err(sources.error(&format!("tokens[{i}].name"), problem));
        }
        if earlier().any(|other| other.digest == token.digest) {
            return Err(sources.error(&format!("tokens[{i}]"), "it is the same as another token"));
        }
    }
    Ok(Access {
        allow: access.allow.clone(),
        deny: access.deny.clone(),
        trusted_proxies: access.trusted_proxies.clone(),
        insiders: admin.allow.clone(),
        insiders_only: admin.only,
        tokens,
        connections: at_least_one(sources, "access.connections", access.connections)?,
        connections_per_address: access.connections_per_address,
    })
}

/// Shorter tokens can be guessed.
const SHORTEST_TOKEN: usize = 16;

fn resolve_token(
    sources: &Sources,
    i: usize,
    token: &written::Token,
    offered: &[Stream],
) -> Result<Token, ConfigError> {
    let error = |key: &str, problem: &str| sources.error(&format!("tokens[{i}].{key}"), problem);
    if token.name.is_empty() {
        return Err(error("name", "expected a name, by which the statistics tell whose client it is"));
    }
    let digest = match (&token.token, &token.sha256) {
        (Some(secret), None) => {
            // So that it can stand in a URL and in a header as it is.
            let plain = secret.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            if !plain || secret.0.len() < SHORTEST_TOKEN {
                let problem = "expected at least 16 letters, digits, \"-\", \".\", \"_\" or \"~\", such as \
                               `openssl rand -hex 32` prints";
                return Err(error("token", problem));
            }
            TokenDigest::of(secret.0.as_bytes())
        }
        (None, Some(digest)) => TokenDigest::parse(&digest.0)
            .ok_or_else(|| error("sha256", "expected the 64 hexadecimal digits of a SHA-256"))?,
        _ => return Err(error("token", "expected either token or sha256")),
    };
    let streams = if token.streams.is_empty() { offered } else { &token.streams };
    if let Some(stream) = streams.iter().find(|stream| !offered.contains(stream)) {
        return Err(error("streams", &format!("\"{stream}\" is not among server.streams")));
    }
    let (name, streams, connections) = (token.name.clone(), streams.to_vec(), token.connections);
    Ok(Token { name, digest, streams, connections })
}
