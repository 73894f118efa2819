//! Resolves the access rules.

use super::checks::at_least_one;
use super::{ConfigError, Sources, Stream, Written, written};
use crate::access::{Access, Networks, Token, host_name};
use crate::config::filter_limits::FilterLimits;
use crate::filter::Limits;

pub(super) fn access(sources: &Sources, streams: &[Stream]) -> Result<Access, ConfigError> {
    let Written { access, admin, tokens, .. } = &sources.written;
    let tokens = tokens.iter().enumerate().map(|(i, token)| resolve_token(sources, i, token, streams));
    let tokens = tokens.collect::<Result<Vec<Token>, _>>()?;
    for (i, token) in tokens.iter().enumerate() {
        let earlier = || tokens.iter().take(i);
        if earlier().any(|other| other.name == token.name) {
            let problem = format!("{:?} is also the name of another token", token.name);
            return Err(sources.error(&format!("tokens[{i}].name"), problem));
        }
        if earlier().any(|other| other.digest == token.digest) {
            return Err(sources.error(&format!("tokens[{i}]"), "another token is the same"));
        }
    }
    Ok(Access {
        allow: access.allow.clone(),
        deny: access.deny.clone(),
        trusted_proxies: access.trusted_proxies.clone(),
        admins: admin.allow.clone().unwrap_or_default(),
        listener_admins: listener_admins(admin),
        admins_only: admin.only,
        admin_hosts: admin_hosts(sources, &admin.hosts)?,
        tokens,
        filter_limits: filter_limits(sources, "filter_limits", &sources.written.filter_limits)?,
        connections: at_least_one(sources, "access.connections", access.connections)?,
        connections_per_address: access.connections_per_address,
        new_connections_per_address: access.new_connections_per_address,
    })
}

/// Without a separate admin listener, there are no admins on it.
fn listener_admins(admin: &written::Admin) -> Networks {
    match &admin.allow {
        _ if admin.listen.is_empty() => Networks::default(),
        Some(allow) => allow.clone(),
        None => Networks::loopback(),
    }
}

fn admin_hosts(sources: &Sources, hosts: &[String]) -> Result<Vec<String>, ConfigError> {
    let host = |(i, host): (usize, &String)| {
        host_name(host).map_err(|problem| sources.error(&format!("admin.hosts[{i}]"), problem))
    };
    hosts.iter().enumerate().map(host).collect()
}

fn resolve_token(
    sources: &Sources,
    i: usize,
    token: &written::Token,
    offered: &[Stream],
) -> Result<Token, ConfigError> {
    let error = |key: &str, problem: &str| sources.error(&format!("tokens[{i}].{key}"), problem);
    if token.name.is_empty() {
        return Err(error("name", "expected a name, which the statistics show for its clients"));
    }
    let (key, digest) = match (token.token, token.sha256) {
        (Some(token), None) if token.is_fit => ("token", token.digest),
        (Some(_), None) => {
            let problem = "expected at least 16 letters, digits, \"-\", \".\", \"_\" or \"~\", such as \
                           `certstream-server token` prints";
            return Err(error("token", problem));
        }
        (None, Some(written)) => {
            let problem =
                "expected the 64 hexadecimal digits of a SHA-256, such as `certstream-server token` prints";
            ("sha256", written.0.ok_or_else(|| error("sha256", problem))?)
        }
        _ => return Err(error("token", "expected either token or sha256")),
    };
    if digest.is_of_unset() {
        let problem = "it is that of an empty text or of a placeholder: was a variable not set where it was made? \
                       `certstream-server token` makes a new one";
        return Err(error(key, problem));
    }
    let streams = if token.streams.is_empty() { offered } else { &token.streams };
    if let Some(stream) = streams.iter().find(|stream| !offered.contains(stream)) {
        return Err(error("streams", &format!("\"{stream}\" is not among server.streams")));
    }
    let key = format!("tokens[{i}].filter_limits");
    let limits = token.filter_limits.or(&sources.written.filter_limits);
    Ok(Token {
        name: token.name.clone(),
        digest,
        streams: streams.to_vec(),
        connections: token.connections,
        filter: token.filter.clone(),
        filter_limits: filter_limits(sources, &key, &limits)?,
    })
}

fn filter_limits(sources: &Sources, section: &str, limits: &FilterLimits) -> Result<Limits, ConfigError> {
    limits.resolve().map_err(|(key, problem)| sources.error(&format!("{section}.{key}"), problem))
}
