//! Restricts the addresses of logs. Otherwise the author of an unsigned list could make this server send
//! requests to its internal network and publish the responses.
//!
//! The check applies to the address of the connection. A name is resolved once, and only its public addresses
//! are used. It therefore makes no difference if the name resolves to another address the next time. Behind
//! an HTTP proxy, the proxy resolves names and its rules apply. Addresses in URLs are checked in any case.

use awc::http::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses that requests may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reach {
    /// Any address: the operator of this server has configured the log, or a signed list contains it.
    #[default]
    Anywhere,
    /// Only public addresses, with TLS.
    PublicOnly,
    /// Only public addresses: the server's operator has configured the URL, but its name may lead elsewhere one day.
    PublicWebhook,
}

/// Why a request is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPublic {
    /// The request would not use TLS.
    #[error("an unsigned list names it without https; to allow it, set log_list.allow_internal = true")]
    NoTls,
    /// The host has no public address.
    #[error(
        "an unsigned list names it, and {host} is not a public address; to allow it, set log_list.allow_internal = true"
    )]
    Internal {
        /// The URL's host.
        host: String,
    },
    /// The host of a webhook has no public address.
    #[error("{host} is not a public address; to allow it, set allow_internal = true for this output")]
    InternalWebhook {
        /// The URL's host.
        host: String,
    },
}

impl Reach {
    /// Checks `url` as far as possible before its name is resolved.
    pub(super) fn check_url(self, url: &Uri) -> Result<(), NotPublic> {
        let host = url.host().unwrap_or_default();
        if self == Reach::PublicOnly && url.scheme_str() != Some("https") {
            return Err(NotPublic::NoTls);
        }
        let is_internal = literal(host).is_some_and(|ip| !is_public(ip));
        if self != Reach::Anywhere && is_internal { Err(self.refuse(host)) } else { Ok(()) }
    }

    fn refuse(self, host: &str) -> NotPublic {
        let host = host.into();
        if self == Reach::PublicWebhook {
            NotPublic::InternalWebhook { host }
        } else {
            NotPublic::Internal { host }
        }
    }

    /// The addresses of a host that are allowed; at least one.
    pub(super) fn allowed(
        self,
        host: &str,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, NotPublic> {
        let may = |address: &SocketAddr| self == Reach::Anywhere || is_public(address.ip());
        let allowed: Vec<_> = addresses.into_iter().filter(may).collect();
        if allowed.is_empty() { Err(self.refuse(host)) } else { Ok(allowed) }
    }
}

/// Whether the host of a URL is obviously not on the internet: an address that is not public, or a name of
/// this machine. Other names are not resolved.
pub(crate) fn is_internal_url(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let Some(host) = uri.as_ref().and_then(Uri::host) else { return false };
    let host = host.to_ascii_lowercase();
    let name = host.trim_end_matches('.');
    literal(&host).is_some_and(|ip| !is_public(ip)) || name == "localhost" || name.ends_with(".localhost")
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is on the public internet, that is, not reserved for another purpose by IANA's
/// registries of special-purpose addresses (RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..] // this network, private, loopback
            | [100, 64..=127, ..] // shared by carriers, RFC 6598
            | [169, 254, ..] // link-local, including the metadata services of clouds
            | [172, 16..=31, ..]
            | [192, 168, ..] // private
            | [192, 0, 0 | 2, _] // protocol assignments, documentation
            | [192, 31, 196, _]
            | [192, 52, 193, _]
            | [192, 88, 99, _] // relays of 6to4
            | [192, 175, 48, _]
            | [198, 18..=19, ..] // benchmarks
            | [198, 51, 100, _]
            | [203, 0, 113, _] // documentation
            | [224..=255, ..] // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // IPv4-mapped, RFC 4291 section 2.5.5.2.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // NAT64, RFC 6052.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments (Teredo and ORCHID among them), documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // The only range of global unicast addresses that is assigned so far.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_networks_that_are_not_the_internet_are_known() {
        for internal in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_public(ip(internal)), "{internal}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(ip(public)), "{public}");
        }
    }

    #[test]
    fn a_log_of_an_unsigned_list_is_asked_with_tls_and_in_public_only() {
        let check = |url: &str| Reach::PublicOnly.check_url(&url.parse().unwrap());
        assert_eq!(check("https://ct.example.com/2026"), Ok(()));
        assert_eq!(check("https://8.8.8.8/"), Ok(()));
        assert_eq!(check("http://ct.example.com/2026"), Err(NotPublic::NoTls));
        for host in ["127.0.0.1", "[::1]", "10.0.0.1", "[::ffff:169.254.169.254]"] {
            let url = format!("https://{host}:8443/log");
            assert_eq!(check(&url), Err(NotPublic::Internal { host: host.into() }));
            assert_eq!(Reach::Anywhere.check_url(&url.parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn a_webhook_is_in_public_unless_it_is_allowed_to_be_elsewhere() {
        let check = |url: &str| Reach::PublicWebhook.check_url(&url.parse().unwrap());
        assert_eq!(check("http://hooks.example.com/a"), Ok(()));
        let error = check("https://169.254.169.254/latest/meta-data").unwrap_err();
        assert_eq!(error, NotPublic::InternalWebhook { host: "169.254.169.254".into() });
        assert!(error.to_string().contains("set allow_internal = true for this output"), "{error}");
        let at = |text: &str| SocketAddr::new(ip(text), 443);
        assert!(Reach::PublicWebhook.allowed("rebound.example", [at("10.0.0.1")]).is_err());
        assert_eq!(
            Reach::PublicWebhook.allowed("a", [at("10.0.0.1"), at("8.8.8.8")]).unwrap(),
            [at("8.8.8.8")]
        );
    }

    #[test]
    fn of_a_hosts_addresses_only_the_public_ones_are_tried() {
        let at = |text: &str| SocketAddr::new(ip(text), 443);
        let both = [at("127.0.0.1"), at("8.8.8.8"), at("::1")];
        assert_eq!(Reach::PublicOnly.allowed("a", both).unwrap(), [at("8.8.8.8")]);
        assert_eq!(Reach::Anywhere.allowed("a", both).unwrap(), both);
        let refused = Reach::PublicOnly.allowed("rebound.example", [at("192.168.0.1")]).unwrap_err();
        assert!(refused.to_string().contains("rebound.example is not a public address"), "{refused}");
    }

    #[test]
    fn a_list_on_this_machine_is_seen_to_be_there() {
        for url in [
            "http://127.0.0.1:8080/l.json",
            "https://[::1]/l",
            "http://LOCALHOST/l",
            "http://a.localhost./",
            "https://10.1.1.1/",
        ] {
            assert!(is_internal_url(url), "{url}");
        }
        for url in
            ["https://lists.example.com/l", "https://8.8.8.8/", "http://localhost.example.com/", "no URL"]
        {
            assert!(!is_internal_url(url), "{url}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_the_same_by_its_other_names(octets in any::<[u8; 4]>()) {
            let v4 = Ipv4Addr::from(octets);
            let public = is_public(v4.into());
            prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), public);
            let [a, b, c, d] = octets;
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            prop_assert_eq!(is_public(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()), public);
            prop_assert_eq!(is_public(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into()), public);
        }
    }
}
