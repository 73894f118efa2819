//! Detects requests that a page of another site may have made an admin's browser send.

use core::net::IpAddr;

/// The headers of a request that identify its target and its source, each with all its values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// The authority of the request target, if it has one.
    pub authority: Option<&'a str>,
    /// The values of the Host header.
    pub hosts: &'a [&'a [u8]],
    /// The values of the Origin header.
    pub origins: &'a [&'a [u8]],
    /// The values of the Sec-Fetch-Site header.
    pub fetch_sites: &'a [&'a [u8]],
}

impl Claims<'_> {
    /// Whether the request names this server by an IP address, as `localhost`, or by one of `names`.
    ///
    /// A page can make its own name resolve to an address in an admin's network (DNS rebinding), and then has the same
    /// origin as this server. It cannot make a browser use an IP address or another site's name as the host.
    pub fn has_known_host(&self, names: &[String]) -> bool {
        let [host] = self.hosts else { return false };
        let hosts = std::str::from_utf8(host).ok().into_iter().chain(self.authority);
        hosts.clone().next().is_some() && hosts.into_iter().all(|host| is_known(host, names))
    }

    /// Whether a browser sent the request for a page of another site. Other programs send neither of these headers.
    pub fn is_cross_site(&self) -> bool {
        let foreign_fetch = |site: &&[u8]| !matches!(*site, b"same-origin" | b"none");
        let foreign_origin = |origin: &&[u8]| !self.is_own(origin);
        self.fetch_sites.iter().any(foreign_fetch) || self.origins.iter().any(foreign_origin)
    }

    /// Whether `origin` (RFC 6454 section 7) is this server under the name in the Host header.
    fn is_own(&self, origin: &[u8]) -> bool {
        let bare = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
        bare.is_some_and(|bare| self.hosts.iter().all(|host| host.eq_ignore_ascii_case(bare)))
    }
}

/// `authority` is a host with an optional port.
fn is_known(authority: &str, names: &[String]) -> bool {
    let Some(host) = without_port(authority) else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host);
    let known = |known: &String| known.eq_ignore_ascii_case(name);
    bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || names.iter().any(known)
}

fn without_port(authority: &str) -> Option<&str> {
    let end = authority.rfind(']').map_or(0, |i| i + 1);
    let Some(colon) = authority.get(end..)?.find(':') else { return Some(authority) };
    let (host, port) = authority.split_at_checked(end + colon)?;
    port.get(1..)?.bytes().all(|b| b.is_ascii_digit()).then_some(host)
}

/// Parses a name for [`Claims::has_known_host`]: lower case, without a port.
///
/// # Errors
/// If the text is not a host name.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if text.split('.').all(is_label) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "expected the name of a host without scheme or port, such as \"stats.example.com\", found {text:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(hosts: &[&[u8]], authority: Option<&str>) -> bool {
        Claims { hosts, authority, ..Claims::default() }
            .has_known_host(&["stats.example".into(), "certstream".into()])
    }

    #[test]
    fn addresses_localhost_and_listed_names_are_known() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9090",
            "192.0.2.1:80",
            "[::1]",
            "[::1]:9090",
            "[2001:db8::1]:9090",
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "stats.example:9090",
            "Stats.Example",
            "certstream:8080",
        ] {
            assert!(by(&[host.as_bytes()], None), "{host}");
        }
    }

    #[test]
    fn other_names_no_name_and_several_are_not() {
        for host in [
            "",
            ":80",
            "attacker.example",
            "attacker.example:9090",
            "127.0.0.1.attacker.example",
            "localhost.attacker.example",
            "xstats.example",
            "stats.example.attacker",
            "127.0.0.1:80:90",
            "localhost:x",
            "user@localhost",
            "attacker.example@127.0.0.1",
            "[::1",
            "[::1]x",
            "[localhost]",
            "127.1",
            "0x7f000001",
            "\u{ff11}27.0.0.1",
        ] {
            assert!(!by(&[host.as_bytes()], None), "{host}");
        }
        assert!(!by(&[], None));
        assert!(!by(&[], Some("localhost")));
        assert!(!by(&[b"localhost", b"attacker.example"], None));
        assert!(!by(&[b"localhost", b"localhost"], None));
        assert!(!by(&[b"localhost"], Some("attacker.example")), "the target counts as well");
        assert!(by(&[b"localhost"], Some("127.0.0.1:9090")));
        assert!(!by(&[b"\xff"], None));
    }

    #[test]
    fn what_browsers_say_of_other_sites_counts() {
        let host: &[&[u8]] = &[b"127.0.0.1:8080"];
        let cross = |origins: &[&[u8]], fetch_sites: &[&[u8]]| {
            Claims { hosts: host, origins, fetch_sites, authority: None }.is_cross_site()
        };
        assert!(!cross(&[], &[]));
        assert!(!cross(&[b"http://127.0.0.1:8080"], &[b"same-origin"]));
        assert!(!cross(&[b"https://127.0.0.1:8080"], &[b"none"]));
        for site in [&b"cross-site"[..], b"same-site", b"", b"other"] {
            assert!(cross(&[], &[site]), "{site:?}");
        }
        for origin in
            [&b"null"[..], b"http://127.0.0.1", b"http://127.0.0.1:8081", b"https://attacker.example", b""]
        {
            assert!(cross(&[origin], &[]), "{origin:?}");
        }
        assert!(cross(&[], &[b"same-origin", b"cross-site"]));
    }

    #[test]
    fn names_of_hosts_are_bare() {
        assert_eq!(host_name("Stats.example"), Ok("stats.example".into()));
        for wrong in
            ["", "*", "*.example", "http://stats.example", "stats.example:80", "a b", ".example", "example."]
        {
            assert!(host_name(wrong).is_err(), "{wrong}");
        }
    }
}
