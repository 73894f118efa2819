use super::*;
use std::sync::Arc;

fn networks(texts: &[&str]) -> Networks {
    Networks::parse(texts.iter().copied()).expect("networks")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn networks_are_cidr_or_single_addresses_of_either_family() {
    let some = networks(&["192.0.2.0/24", "2001:db8::/32", "198.51.100.7", "::ffff:203.0.113.9"]);
    for inside in ["192.0.2.255", "::ffff:192.0.2.1", "2001:db8:1::", "198.51.100.7", "203.0.113.9"] {
        assert!(some.contain(ip(inside)), "{inside}");
    }
    for outside in ["192.0.3.0", "2001:db9::", "198.51.100.8", "::1"] {
        assert!(!some.contain(ip(outside)), "{outside}");
    }
    for wrong in ["", "192.0.2.0/33", "192.0.2", "localhost", "10.0.0.0/8 ", "*"] {
        assert!(Networks::parse([wrong]).is_err(), "{wrong:?}");
    }
}

#[test]
fn networks_of_ipv4_mapped_addresses_are_ipv4_networks() {
    let some = networks(&["::ffff:192.0.2.0/120", "::ffff:c633:6400/128"]);
    for inside in ["192.0.2.1", "::ffff:192.0.2.255", "198.51.100.0"] {
        assert!(some.contain(ip(inside)), "{inside}");
    }
    assert!(!some.contain(ip("192.0.3.1")) && !some.contain(ip("::1")));
    assert_eq!(networks(&["::ffff:0:0/96"]), networks(&["0.0.0.0/0"]));
    for mixed in ["::/1", "::/64", "::/80", "::fffe:0:0/95"] {
        let problem = Networks::parse([mixed]);
        assert!(problem.as_ref().is_err_and(|why| why.contains("IPv4-mapped")), "{mixed}: {problem:?}");
    }
    let ipv6 = networks(&["::/0"]);
    assert!(ipv6.contain(ip("2001:db8::1")) && ipv6.contain(ip("::1")));
    assert!(
        !ipv6.contain(ip("192.0.2.1")) && !ipv6.contain(ip("::ffff:192.0.2.1")),
        "all of IPv6 is no IPv4"
    );
}

#[test]
fn a_network_with_bits_beyond_its_prefix_is_refused_with_what_may_be_meant() {
    for (wrong, network, address) in [
        ("192.0.2.1/24", "\"192.0.2.0/24\"", "\"192.0.2.1\""),
        ("2001:db8::1/32", "\"2001:db8::/32\"", "\"2001:db8::1\""),
        ("0.0.0.1/0", "\"0.0.0.0/0\"", "\"0.0.0.1\""),
        ("::ffff:192.0.2.1/120", "/120\"", "one address"),
    ] {
        let problem = Networks::parse([wrong]).expect_err(wrong);
        assert!(problem.contains(network) && problem.contains(address), "{problem}");
    }
}

#[test]
fn rules_that_changed_hold_on_connections_that_were_there_before() {
    let denied = networks(&["192.0.2.7"]);
    let access = Access {
        deny: denied,
        admins: networks(&["192.0.2.0/24"]),
        listener_admins: networks(&["192.0.2.0/24"]),
        ..Access::default()
    };
    for peer in ["192.0.2.7", "::ffff:192.0.2.7"] {
        assert_eq!(access.visitor(ip(peer), std::iter::empty()), Err(Refusal::Network));
        assert_eq!(access.admin(ip(peer), false), Err(Refusal::Network));
    }
    assert!(access.visitor(ip("192.0.2.8"), std::iter::empty()).is_ok());
    let elsewhere = Access { allow: networks(&["198.51.100.0/24"]), ..access };
    assert_eq!(elsewhere.visitor(ip("192.0.2.8"), std::iter::empty()), Err(Refusal::Network));
}

#[test]
fn deny_goes_before_allow_and_no_allow_is_everybody() {
    let open = Access { deny: networks(&["192.0.2.7"]), ..Access::default() };
    assert_eq!(open.admit_peer(ip("192.0.2.8")), Ok(()));
    assert_eq!(open.admit_peer(ip("192.0.2.7")), Err(Refusal::Network));
    assert_eq!(open.admit_peer(ip("::ffff:192.0.2.7")), Err(Refusal::Network));
    let closed = Access { allow: networks(&["192.0.2.0/24"]), ..open };
    assert_eq!(closed.admit_peer(ip("192.0.2.8")), Ok(()));
    assert_eq!(closed.admit_peer(ip("192.0.2.7")), Err(Refusal::Network));
    assert_eq!(closed.admit_peer(ip("198.51.100.1")), Err(Refusal::Network));
}

fn behind_proxies(peer: &str, forwarded: &[&str]) -> Result<(String, bool), Refusal> {
    let access = Access {
        trusted_proxies: networks(&["10.0.0.0/8", "::1"]),
        admins: networks(&["127.0.0.0/8", "192.0.2.1"]),
        deny: networks(&["198.51.100.66"]),
        ..Access::default()
    };
    let visitor = access.visitor(ip(peer), forwarded.iter().map(|value| value.as_bytes()))?;
    assert_eq!(visitor.is_proxied, peer.starts_with("10.") || peer == "::1");
    Ok((visitor.address.to_string(), visitor.is_admin))
}

#[test]
fn only_trusted_proxies_are_believed_and_only_what_they_added_themselves() {
    let is = |address: &str, insider| Ok((address.to_string(), insider));
    assert_eq!(behind_proxies("203.0.113.5", &["192.0.2.1"]), is("203.0.113.5", false), "a stranger's claim");
    assert_eq!(behind_proxies("10.1.1.1", &["192.0.2.1"]), is("192.0.2.1", true));
    assert_eq!(behind_proxies("10.1.1.1", &["192.0.2.1, 203.0.113.5"]), is("203.0.113.5", false));
    assert_eq!(behind_proxies("10.1.1.1", &["1.1.1.1", "203.0.113.5, 10.2.2.2"]), is("203.0.113.5", false));
    assert_eq!(behind_proxies("10.1.1.1", &["10.3.3.3, 10.2.2.2"]), is("10.3.3.3", false));
    assert_eq!(behind_proxies("10.1.1.1", &[]), is("10.1.1.1", false));
    assert_eq!(behind_proxies("::1", &["[2001:db8::5]:4711"]), is("2001:db8::5", false));
    assert_eq!(behind_proxies("::1", &["203.0.113.5:4711"]), is("203.0.113.5", false));
    assert_eq!(behind_proxies("10.1.1.1", &["198.51.100.66"]), Err(Refusal::Network));
    for wrong in ["", "unknown", "203.0.113.5, x", "\u{e9}"] {
        assert_eq!(behind_proxies("10.1.1.1", &[wrong]), Err(Refusal::Forwarding), "{wrong:?}");
    }
}

#[test]
fn who_comes_through_a_proxy_that_is_not_trusted_is_no_insider() {
    assert_eq!(behind_proxies("127.0.0.1", &[]), Ok(("127.0.0.1".into(), true)));
    assert_eq!(behind_proxies("127.0.0.1", &["192.0.2.1"]), Ok(("127.0.0.1".into(), false)));
}

#[test]
fn a_proxy_that_does_not_say_for_whom_it_asks_is_no_insider() {
    let local = networks(&["127.0.0.0/8"]);
    let access = Access {
        trusted_proxies: local.clone(),
        admins: local.clone(),
        listener_admins: local,
        ..Access::default()
    };
    let visitor = access.visitor(ip("127.0.0.1"), std::iter::empty()).expect("a visitor");
    assert!(!visitor.is_admin);
    assert!(access.admin(ip("127.0.0.1"), false).is_ok(), "at the admins' own listener there are no proxies");
    assert_eq!(access.admin(ip("127.0.0.1"), true), Err(Refusal::NotAdmin));
    assert_eq!(access.admin(ip("192.0.2.1"), false), Err(Refusal::NotAdmin));
}

fn token(name: &str, secret: &str, streams: &[Stream]) -> Token {
    let digest = TokenDigest::of(secret.as_bytes());
    Token {
        name: name.into(),
        digest,
        streams: streams.into(),
        connections: 0,
        filter: None,
        filter_limits: Limits::DEFAULT,
    }
}

#[test]
fn a_token_opens_its_own_streams() {
    let open = Access::default();
    assert!(open.token(None, Stream::Full).unwrap().is_none());
    assert!(open.token(Some(b"whatever"), Stream::Full).unwrap().is_none());
    let tokens =
        vec![token("a", "alpha", &[Stream::Lite]), token("b", "beta", &[Stream::Lite, Stream::Full])];
    let access = Access { tokens, ..open };
    let asked = |presented: Option<&str>, stream| {
        let token = access.token(presented.map(str::as_bytes), stream)?;
        Ok(token.map(|token| token.name.clone()))
    };
    assert_eq!(asked(Some("alpha"), Stream::Lite), Ok(Some("a".into())));
    assert_eq!(asked(Some("beta"), Stream::Full), Ok(Some("b".into())));
    assert_eq!(asked(Some("alpha"), Stream::Full), Err(Refusal::TokenStream));
    assert_eq!(asked(None, Stream::Full), Err(Refusal::TokenMissing));
    for wrong in ["", "alph", "alphaa", "ALPHA"] {
        assert_eq!(asked(Some(wrong), Stream::Lite), Err(Refusal::TokenUnknown), "{wrong}");
    }
}

#[test]
fn an_empty_token_opens_nothing_and_digests_of_nothing_are_known() {
    let access = Access { tokens: vec![token("a", "", &[Stream::Full])], ..Access::default() };
    assert_eq!(access.token(Some(b""), Stream::Full).err(), Some(Refusal::TokenUnknown));
    for hex in [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // of the empty text
        "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b", // of a line break
    ] {
        assert!(TokenDigest::parse(hex).is_some_and(TokenDigest::is_of_unset), "{hex}");
    }
    for unset in ["TOKEN", "TOKEN\n", "...", "$TOKEN", "null\n", "\r\n"] {
        assert!(TokenDigest::of(unset.as_bytes()).is_of_unset(), "{unset:?}");
    }
    assert!(!TokenDigest::of(b"0123456789abcdef").is_of_unset());
}

#[test]
fn new_rules_hold_for_those_who_are_in() {
    let digest = |secret: &str| Some(TokenDigest::of(secret.as_bytes()));
    let tokens = vec![token("a", "alpha", &[Stream::Lite])];
    let access = Access { tokens, deny: networks(&["192.0.2.7"]), ..Access::default() };
    let (here, lite) = (ip("192.0.2.1"), Some(Stream::Lite));
    assert!(access.still_admits(here, digest("alpha"), None, lite));
    assert!(!access.still_admits(ip("192.0.2.7"), digest("alpha"), None, lite), "its network was denied");
    assert!(!access.still_admits(here, digest("beta"), None, lite), "its token was taken away");
    assert!(!access.still_admits(here, None, None, lite), "it has none");
    assert!(
        !access.still_admits(here, digest("alpha"), None, Some(Stream::Full)),
        "its token lost the stream"
    );
    assert!(Access::default().still_admits(here, digest("beta"), None, lite), "nobody needs one any more");
}

#[test]
fn a_digest_is_read_as_sha256sum_prints_it_and_never_shown() {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, appendix B.1
    assert_eq!(TokenDigest::parse(hex), Some(TokenDigest::of(b"abc")));
    assert_eq!(TokenDigest::parse(&hex.to_uppercase()), Some(TokenDigest::of(b"abc")));
    for wrong in ["", &hex[1..], &format!("{hex}0"), &hex.replace('b', "x"), &"é".repeat(32)] {
        assert_eq!(TokenDigest::parse(wrong), None, "{wrong}");
    }
    assert_eq!(format!("{:?}", TokenDigest::of(b"abc")), "TokenDigest(..)");
}

#[test]
fn slots_are_given_back_and_counted_by_holder() {
    let slots = Arc::new(ConnectionLimits::default());
    let (one, other) = (LimitKey::at(ip("192.0.2.1")), LimitKey::at(ip("192.0.2.2")));
    let first = slots.take(one, 2).expect("a slot");
    let _second = slots.take(one, 2).expect("a slot");
    assert!(slots.take(one, 2).is_none());
    assert!(slots.take(other, 2).is_some());
    drop(first);
    assert!(slots.take(one, 2).is_some());
    assert!(slots.take(one, 0).is_none());
    assert_eq!([slots.taken(one), slots.taken(other)], [1, 0]);
}

#[test]
fn ipv6_addresses_of_one_64_are_one_holder() {
    assert_eq!(LimitKey::at(ip("2001:db8:0:1::1")), LimitKey::at(ip("2001:db8:0:1:ffff::2")));
    assert_ne!(LimitKey::at(ip("2001:db8:0:1::1")), LimitKey::at(ip("2001:db8:0:2::1")));
    assert_eq!(LimitKey::at(ip("::ffff:192.0.2.1")), LimitKey::at(ip("192.0.2.1")));
}

/// The restrictions that new rules remove, for each of `changes` to rules with restrictions of every kind.
mod openings {
    use super::*;

    fn strict() -> Access {
        Access {
            allow: networks(&["192.0.2.0/24", "2001:db8::/32"]),
            deny: networks(&["192.0.2.64/26"]),
            trusted_proxies: networks(&["192.0.2.1", "192.0.2.2"]),
            admins: networks(&["192.0.2.0/30"]),
            listener_admins: networks(&["192.0.2.0/30"]),
            admins_only: true,
            admin_hosts: vec!["stats.example".into()],
            tokens: vec![
                Token { connections: 5, ..token("a", "alpha", &[Stream::Lite]) },
                token("b", "beta", &[Stream::Full]),
            ],
            filter_limits: Limits::DEFAULT,
            connections: 1000,
            connections_per_address: 10,
            new_connections_per_address: 20,
        }
    }

    type Change = fn(&mut Access);

    fn opened(change: impl FnOnce(&mut Access)) -> Vec<String> {
        let mut new = strict();
        change(&mut new);
        super::openings(&strict(), &new)
    }

    #[test]
    fn the_same_or_stricter_rules_open_nothing() {
        let changes: [Change; 16] = [
            |_| {},
            |new| {
                new.allow =
                    networks(&["192.0.2.128/25", "192.0.2.0/25", "2001:db8::/33", "2001:db8:8000::/33"])
            },
            |new| new.allow = networks(&["192.0.2.0/26"]),
            |new| {
                new.allow = networks(&["192.0.2.0/26", "192.0.2.128/25", "2001:db8::/32"]);
                new.deny = Networks::default();
            },
            |new| new.deny = networks(&["192.0.2.64/27", "192.0.2.96/27"]),
            |new| new.deny = networks(&["0.0.0.0/0"]),
            |new| new.trusted_proxies = networks(&["192.0.2.2", "192.0.2.1/32"]),
            |new| new.admins = networks(&["192.0.2.3"]),
            |new| new.listener_admins = Networks::default(),
            |new| new.admin_hosts.clear(),
            |new| new.tokens.reverse(),
            |new| new.tokens.truncate(1),
            |new| new.tokens.push(token("c", "gamma", &[Stream::Full, Stream::Lite])),
            |new| new.tokens[0].connections = 4,
            |new| (new.connections, new.connections_per_address) = (999, 9),
            |new| new.new_connections_per_address = 19,
        ];
        for (i, change) in changes.into_iter().enumerate() {
            assert_eq!(opened(change), Vec::<String>::new(), "change {i}");
        }
        let open = Access::default();
        assert_eq!(super::super::openings(&open, &strict()).len(), 3, "proxies, admins, a host");
        let everything = Access { allow: networks(&["0.0.0.0/0", "::/0"]), ..Access::default() };
        assert_eq!(super::super::openings(&everything, &open), Vec::<String>::new());
    }

    #[test]
    fn each_restriction_that_falls_is_named() {
        let changes: [(Change, &str); 23] = [
            (
                |new| new.allow = Networks::default(),
                "access.allow, access.deny: 0.0.0.0 to 192.0.1.255 and 3 more may",
            ),
            (|new| new.allow = networks(&["192.0.2.0/23"]), "access.allow"),
            (|new| new.allow = networks(&["192.0.2.0/24", "::/0"]), "access.allow"),
            (|new| new.deny = Networks::default(), "access.deny: 192.0.2.64 to 192.0.2.127 may connect"),
            (|new| new.deny = networks(&["192.0.2.64/27"]), "access.deny: 192.0.2.96 to 192.0.2.127 may"),
            (
                |new| new.trusted_proxies = networks(&["192.0.2.0/30"]),
                "access.trusted_proxies: 192.0.2.0 and 1 more",
            ),
            (|new| new.trusted_proxies = networks(&["0.0.0.0/0"]), "access.trusted_proxies"),
            (
                |new| new.trusted_proxies = networks(&["192.0.2.1"]),
                "access.trusted_proxies: all clients behind 192.0.2.2",
            ),
            (|new| new.trusted_proxies = networks(&["192.0.2.1"]), "admin.allow: 192.0.2.2 are admins"),
            (
                |new| new.admins = networks(&["192.0.2.0/29"]),
                "admin.allow: 192.0.2.4 to 192.0.2.7 are admins",
            ),
            (
                |new| new.listener_admins = networks(&["127.0.0.0/8"]),
                "admin.allow: 127.0.0.0 to 127.255.255.255",
            ),
            (|new| new.admins_only = false, "admin.only"),
            (|new| new.admin_hosts.push("other.example".into()), "admin.hosts: \"other.example\""),
            (|new| new.tokens.clear(), "tokens: no token is needed any more"),
            (
                |new| new.tokens[0].streams.push(Stream::Full),
                "tokens: the token of \"a\" is valid for full too",
            ),
            (
                |new| new.tokens[0].connections = 0,
                "tokens: the token of \"a\", connections: no limit instead of 5",
            ),
            (|new| new.tokens[0].connections = 6, "tokens: the token of \"a\", connections: 6 instead of 5"),
            (
                |new| new.tokens[1] = token("b", "other", &[Stream::Full, Stream::Domains]),
                "is valid for domains too",
            ),
            (
                |new| new.tokens[1] = token("z", "beta", &[Stream::Lite]),
                "tokens: the token of \"z\" is valid for lite too",
            ),
            (|new| new.connections = 50_000, "access.connections: 50000 instead of 1000"),
            (|new| new.connections_per_address = 0, "access.connections_per_address: no limit instead of 10"),
            (|new| new.connections_per_address = 11, "access.connections_per_address: 11 instead of 10"),
            (
                |new| new.new_connections_per_address = 0,
                "access.new_connections_per_address: no limit instead of 20",
            ),
        ];
        for (i, (change, expected)) in changes.into_iter().enumerate() {
            let openings = opened(change);
            assert!(openings.iter().any(|opening| opening.contains(expected)), "change {i}: {openings:?}");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_opens_much() {
        let openings =
            super::super::openings(&strict(), &Access { connections: 50_000, ..Access::default() });
        for key in [
            "access.allow",
            "access.connections:",
            "access.connections_per_address",
            "access.new_connections_per_address",
            "admin.only",
            "tokens",
        ] {
            assert!(openings.iter().any(|opening| opening.starts_with(key)), "{key}: {openings:?}");
        }
    }

    #[test]
    fn proxies_that_are_half_the_internet_and_a_local_admin_without_a_listener_are_warned_of() {
        let warned = |proxies: &[&str], admins: &[&str], own_listener| {
            let (trusted_proxies, admins) = (networks(proxies), networks(admins));
            warnings(&Access { trusted_proxies, admins, ..Access::default() }, own_listener)
        };
        for wide in [
            &["0.0.0.0/0"][..],
            &["0.0.0.0/1"],
            &["8.0.0.0/7"],
            &["::/0"],
            &["2000::/15"],
            &["::ffff:0:0/96"],
        ] {
            assert!(warned(wide, &[], false)[0].starts_with("access.trusted_proxies"), "{wide:?}");
        }
        let halves: Vec<_> = (0..256).map(|n| format!("20.{n}.0.0/16")).collect();
        assert_eq!(warned(&halves.iter().map(String::as_str).collect::<Vec<_>>(), &[], false).len(), 1);
        let narrow =
            ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "104.16.0.0/13", "2606:4700::/32", "fc00::/7"];
        assert_eq!(warned(&narrow, &["127.0.0.1"], false), Vec::<String>::new());
        for local in ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0"] {
            assert!(warned(&[], &[local], false)[0].starts_with("admin.allow"), "{local}");
            assert_eq!(warned(&[], &[local], true), Vec::<String>::new());
        }
        assert_eq!(warned(&[], &["192.0.2.0/24"], false), Vec::<String>::new());
    }
}
