//! Fictitious names that look like those on the web.
//!
//! All of them end in names reserved by RFC 2606 or in top-level domains that do not exist. All addresses are
//! reserved for documentation (RFC 5737, RFC 3849).

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The names and addresses that a certificate is issued for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SubjectNames {
    /// dNSNames; the main name is first.
    pub dns: Vec<String>,
    /// iPAddresses.
    pub addresses: Vec<IpAddr>,
}

const FIRST: &[&str] = &[
    "amber", "birch", "brisk", "cedar", "bramble", "copper", "heron", "crisp", "dapper", "dune", "ember",
    "fern", "frost", "gentle", "glade", "harbor", "hazel", "thistle", "ivory", "juniper", "lark", "lunar",
    "maple", "meadow", "mellow", "wren", "misty", "nimble", "north", "oak", "olive", "opal", "pebble",
    "pine", "plum", "quiet", "raven", "river", "rustic", "sable", "silver", "solar", "spruce", "stone",
    "summit", "swift", "tidal", "velvet", "willow", "zephyr",
];
const SECOND: &[&str] = &[
    "bakery", "basket", "bikes", "books", "bridge", "brook", "camera", "clinic", "coffee", "craft", "dental",
    "digital", "farm", "fields", "forge", "garden", "goods", "guild", "hosting", "hub", "kitchen", "labs",
    "lane", "law", "legal", "market", "media", "mobile", "motors", "music", "attire", "paper", "photo",
    "press", "repair", "school", "shop", "software", "spa", "sports", "station", "studio", "supply",
    "systems", "tea", "tools", "travel", "works", "yarn",
];
/// `.madeup` and `.fictional` do not exist in the root zone.
const SUFFIXES: &[&str] = &[
    "example",
    "example",
    "example",
    "test",
    "test",
    "invalid",
    "example.com",
    "example.net",
    "example.org",
    "shops.example",
    "madeup",
    "fictional",
];
const HOSTS: &[&str] = &[
    "www", "mail", "api", "cdn", "blog", "shop", "dev", "staging", "app", "admin", "remote", "cpanel",
    "webmail", "webdisk", "ftp", "git", "vpn", "status", "docs", "m", "static", "img", "login", "portal",
    "grafana", "intranet", "mx1", "ns1", "eu1", "prod",
];
/// Labels of RFC 5891: bücher, café, пример, доставка, 例え, 오늘, कॉफी, smörgås, żółw,
/// παράδειγμα, ñandú, 日本茶, münchner-brot.
const IDN_LABELS: &[&str] = &[
    "xn--bcher-kva",
    "xn--caf-dma",
    "xn--e1afmkfd",
    "xn--80aafg6avvi",
    "xn--r8jz45g",
    "xn--wh1br48a",
    "xn--11b8b5c8a",
    "xn--smrgs-pra0j",
    "xn--w-uga1v8h",
    "xn--hxajbheg2az3al",
    "xn--and-6ma2c",
    "xn--wgv71aj92d",
    "xn--mnchner-brot-dlb",
];
const LURES: &[&str] = &[
    "login-secure",
    "account-verify",
    "secure-signin",
    "update-billing",
    "support-confirm",
    "wallet-unlock",
    "parcel-redelivery",
    "webmail-quota",
];
/// Fictitious targets of fictitious phishing.
const TARGETS: &[&str] = &["zephyrbank", "paylumen", "quillmail", "northvault", "parcelfern", "coinmeadow"];

/// Generates the names of a certificate, in proportions that resemble the web's.
pub(super) fn draw(rng: &mut impl Rng) -> SubjectNames {
    let dns = match rng.random_range(0..100) {
        0..30 => with_www(domain(rng)),
        30..50 => vec![format!("{}.{}", pick(rng, HOSTS), domain(rng))],
        50..58 => vec![domain(rng)],
        58..74 => wildcard(domain(rng)),
        74..86 => several_hosts(rng),
        86..90 => with_www(international(rng)),
        90..94 => vec![phishing(rng)],
        94..96 => return with_addresses(rng),
        96..99 => vec![device(rng)],
        _ => many(rng, 100),
    };
    SubjectNames { dns, addresses: Vec::new() }
}

fn pick<'a>(rng: &mut impl Rng, words: &[&'a str]) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

fn domain(rng: &mut impl Rng) -> String {
    let (first, second) = (pick(rng, FIRST), pick(rng, SECOND));
    let suffix = pick(rng, SUFFIXES);
    match rng.random_range(0..10) {
        0..5 => format!("{first}{second}.{suffix}"),
        5..8 => format!("{first}-{second}.{suffix}"),
        _ => format!("{first}{second}{}.{suffix}", rng.random_range(1..1_000)),
    }
}

fn with_www(domain: String) -> Vec<String> {
    let www = format!("www.{domain}");
    vec![domain, www]
}

fn wildcard(domain: String) -> Vec<String> {
    vec![format!("*.{domain}"), domain]
}

fn several_hosts(rng: &mut impl Rng) -> Vec<String> {
    let domain = domain(rng);
    let count = rng.random_range(2..9);
    let hosts = HOSTS.sample(rng, count).map(|host| format!("{host}.{domain}"));
    std::iter::once(domain.clone()).chain(hosts).collect()
}

fn international(rng: &mut impl Rng) -> String {
    format!("{}.{}", pick(rng, IDN_LABELS), pick(rng, SUFFIXES))
}

fn phishing(rng: &mut impl Rng) -> String {
    let (lure, target, suffix) = (pick(rng, LURES), pick(rng, TARGETS), pick(rng, SUFFIXES));
    match rng.random_range(0..3) {
        0 => format!("{lure}-{target}.{suffix}"),
        1 => format!("{target}.{lure}{}.{suffix}", rng.random_range(100..1_000)),
        _ => format!("{target}.example.com-{lure}.{suffix}"),
    }
}

/// A machine-generated name that is too long for a common name (64 characters, RFC 5280 appendix A).
fn device(rng: &mut impl Rng) -> String {
    let id: u128 = rng.random();
    format!("{id:032x}.{}.devices.fleet.{}", pick(rng, HOSTS), domain(rng))
}

fn many(rng: &mut impl Rng, count: usize) -> Vec<String> {
    // As issued for a hosting company: unrelated customers in one certificate.
    let mut names: Vec<String> = (0..count).map(|_| domain(rng)).collect();
    names.sort();
    names.dedup();
    while names.len() < count {
        let n = names.len();
        names.push(format!("customer-{n}.{}", domain(rng)));
    }
    names
}

/// A certificate for addresses, usually together with a name.
fn with_addresses(rng: &mut impl Rng) -> SubjectNames {
    let net = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][rng.random_range(0..3)];
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::new(net[0], net[1], net[2], rng.random()))];
    if rng.random_bool(0.5) {
        let host: u16 = rng.random();
        addresses.push(IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, host)));
    }
    let dns = if rng.random_bool(0.7) { vec![domain(rng)] } else { Vec::new() };
    SubjectNames { dns, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::HashSet;

    fn drawn(count: usize) -> Vec<SubjectNames> {
        let mut rng = StdRng::seed_from_u64(1);
        (0..count).map(|_| draw(&mut rng)).collect()
    }

    #[test]
    fn every_name_ends_in_a_reserved_or_made_up_domain() {
        for name in drawn(3_000).into_iter().flat_map(|names| names.dns) {
            let reserved = SUFFIXES.iter().any(|suffix| name.ends_with(&format!(".{suffix}")));
            assert!(reserved, "{name}");
        }
    }

    #[test]
    fn every_name_is_a_valid_host_name() {
        for name in drawn(3_000).into_iter().flat_map(|names| names.dns) {
            assert!(name.len() <= 253, "{name}");
            for label in name.strip_prefix("*.").unwrap_or(&name).split('.') {
                let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
                assert!((1..=63).contains(&label.len()), "{name}");
                assert!(label.bytes().all(allowed), "{name}");
                assert!(!label.starts_with('-') && !label.ends_with('-'), "{name}");
            }
        }
    }

    #[test]
    fn all_sorts_of_names_are_drawn_and_none_twice_in_one_certificate() {
        let all = drawn(3_000);
        let any = |wanted: &dyn Fn(&SubjectNames) -> bool| all.iter().any(wanted);
        assert!(any(&|names| names.dns.len() == 100));
        assert!(any(&|names| names.dns.iter().any(|name| name.starts_with("*."))));
        assert!(any(&|names| names.dns.iter().any(|name| name.starts_with("xn--"))));
        assert!(any(&|names| names.dns.iter().any(|name| name.contains("login-secure"))));
        assert!(any(&|names| names.dns.is_empty() && !names.addresses.is_empty()));
        assert!(any(&|names| names.addresses.iter().any(IpAddr::is_ipv6)));
        for names in &all {
            assert!(!names.dns.is_empty() || !names.addresses.is_empty());
            let distinct: HashSet<&String> = names.dns.iter().collect();
            assert_eq!(distinct.len(), names.dns.len());
        }
    }
}
