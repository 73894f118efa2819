//! Detects restrictions that new access rules would remove.

use super::address_set::AddressSet;
use super::{Access, Networks, Token};

/// A description, starting with the key, of each restriction of `old` that `new` removes; none if `new` is at least as
/// strict.
///
/// Networks are compared by the addresses that they contain, not as lists. A new token removes no restriction, because
/// it is a secret.
pub(crate) fn openings(old: &Access, new: &Access) -> Vec<String> {
    let mut openings = Vec::new();
    addresses(old, new, &mut openings);
    proxies(old, new, &mut openings);
    admins(old, new, &mut openings);
    tokens(old, new, &mut openings);
    limit("access.connections", old.connections, new.connections, &mut openings);
    let (old_limit, new_limit) = (old.connections_per_address, new.connections_per_address);
    limit("access.connections_per_address", old_limit, new_limit, &mut openings);
    let rate = |access: &Access| usize::try_from(access.new_connections_per_address).unwrap_or(usize::MAX);
    limit("access.new_connections_per_address", rate(old), rate(new), &mut openings);
    openings
}

/// The addresses that may connect.
fn admitted(access: &Access) -> AddressSet {
    let allowed = if access.allow.is_empty() { AddressSet::all() } else { access.allow.addresses() };
    allowed.without(&access.deny.addresses())
}

fn addresses(old: &Access, new: &Access, openings: &mut Vec<String>) {
    let more = admitted(new).without(&admitted(old));
    if !more.is_empty() {
        openings.push(format!("access.allow, access.deny: {more} may connect"));
    }
}

fn proxies(old: &Access, new: &Access, openings: &mut Vec<String>) {
    let (was, is) = (old.trusted_proxies.addresses(), new.trusted_proxies.addresses());
    let more = is.without(&was);
    if !more.is_empty() {
        openings.push(format!("access.trusted_proxies: {more} may set X-Forwarded-For"));
    }
    // Requests through these proxies were checked by the address of the client behind.
    let fewer = was.without(&is).and(&admitted(new));
    if !fewer.is_empty() && admitted(old) != AddressSet::all() {
        openings.push(format!(
            "access.trusted_proxies: all clients behind {fewer} may connect, because X-Forwarded-For is ignored"
        ));
    }
}

fn admins(old: &Access, new: &Access, openings: &mut Vec<String>) {
    // A trusted proxy is never an admin itself.
    let on_clients_listener =
        |access: &Access| access.admins.addresses().without(&access.trusted_proxies.addresses());
    let more = on_clients_listener(new).without(&on_clients_listener(old));
    let more_on_own = new.listener_admins.addresses().without(&old.listener_admins.addresses());
    for more in [&more, &more_on_own].into_iter().filter(|more| !more.is_empty()).take(1) {
        openings.push(format!("admin.allow: {more} are admins"));
    }
    if old.admins_only && !new.admins_only {
        openings.push("admin.only: statistics and metrics are open to everybody".into());
    }
    for host in new.admin_hosts.iter().filter(|host| !old.admin_hosts.contains(host)) {
        openings.push(format!("admin.hosts: {host:?} is a name of this server"));
    }
}

fn tokens(old: &Access, new: &Access, openings: &mut Vec<String>) {
    if new.tokens.is_empty() && !old.tokens.is_empty() {
        openings.push("tokens: no token is needed any more".into());
    }
    for token in &new.tokens {
        let same = |other: &&Token| other.digest == token.digest;
        let of_the_same = |other: &&Token| other.name == token.name;
        let was = old.tokens.iter().find(same).or_else(|| old.tokens.iter().find(of_the_same));
        let Some(was) = was else { continue };
        let key = format!("tokens: the token of {:?}", token.name);
        let more: Vec<_> = token.streams.iter().filter(|stream| !was.streams.contains(stream)).collect();
        if !more.is_empty() {
            let more: Vec<_> = more.into_iter().map(ToString::to_string).collect();
            openings.push(format!("{key} is valid for {} too", more.join(", ")));
        }
        limit(&format!("{key}, connections"), was.connections, token.connections, openings);
        if let Some(filter) = was.filter.as_ref().filter(|_| was.filter != token.filter) {
            openings.push(format!("{key} is valid for more than the filter {filter:?} wants"));
        }
    }
}

/// A limit of 0 means no limit.
fn limit(key: &str, old: usize, new: usize, openings: &mut Vec<String>) {
    if old != 0 && (new == 0 || new > old) {
        let new = if new == 0 { "no limit".into() } else { new.to_string() };
        openings.push(format!("{key}: {new} instead of {old}"));
    }
}

/// Number of public IPv4 addresses from which a list of proxies is considered a mistake: a /8.
pub(crate) const MAX_PROXIES_V4: u128 = 1 << 24;
/// The same for IPv6: a /16.
pub(crate) const MAX_PROXIES_V6: u128 = 1 << 112;

/// Networks that are not part of the public internet (RFC 6890).
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Warnings about valid settings that are probably mistakes. `own_listener`: whether admins have a listener of their
/// own.
pub(crate) fn warnings(access: &Access, own_listener: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let private = Networks::parse(PRIVATE).map(|networks| networks.addresses()).unwrap_or_default();
    let public = access.trusted_proxies.addresses().without(&private);
    if public.v4_count() >= MAX_PROXIES_V4 || public.v6_count() >= MAX_PROXIES_V6 {
        warnings.push(format!(
            "access.trusted_proxies holds large parts of the internet ({public}): whoever is there can claim any address, \
             and so pass deny, allow and connections_per_address; name the proxies themselves"
        ));
    }
    let local = access.admins.addresses().and(&Networks::loopback().addresses());
    if !local.is_empty() && !own_listener && access.trusted_proxies.is_empty() {
        warnings.push(format!(
            "admin.allow holds this machine itself ({local}): behind a proxy on this machine that adds no header to what \
             it passes on, as nginx does by default, everybody is an admin; give admins a listener of their own \
             (admin.listen), or name the proxy in access.trusted_proxies"
        ));
    }
    warnings
}
