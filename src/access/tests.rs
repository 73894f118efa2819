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
        insiders: networks(&["127.0.0.0/8", "192.0.2.1"]),
        deny: networks(&["198.51.100.66"]),
        ..Access::default()
    };
    let visitor = access.visitor(ip(peer), forwarded.iter().map(|value| value.as_bytes()))?;
    assert_eq!(visitor.is_proxied, peer.starts_with("10.") || peer == "::1");
    Ok((visitor.address.to_string(), visitor.is_insider))
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
    let access = Access { trusted_proxies: local.clone(), insiders: local, ..Access::default() };
    let visitor = access.visitor(ip("127.0.0.1"), std::iter::empty()).expect("a visitor");
    assert!(!visitor.is_insider);
    assert!(
        access.insider(ip("127.0.0.1"), false).is_ok(),
        "at the insiders' own address there are no proxies"
    );
    assert_eq!(access.insider(ip("127.0.0.1"), true), Err(Refusal::Stranger));
    assert_eq!(access.insider(ip("192.0.2.1"), false), Err(Refusal::Stranger));
}

fn token(name: &str, secret: &str, streams: &[Stream]) -> Token {
    let digest = TokenDigest::of(secret.as_bytes());
    Token { name: name.into(), digest, streams: streams.into(), connections: 0 }
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
fn new_rules_hold_for_those_who_are_in() {
    let digest = |secret: &str| Some(TokenDigest::of(secret.as_bytes()));
    let tokens = vec![token("a", "alpha", &[Stream::Lite])];
    let access = Access { tokens, deny: networks(&["192.0.2.7"]), ..Access::default() };
    let (here, lite) = (ip("192.0.2.1"), Some(Stream::Lite));
    assert!(access.still_admits(here, digest("alpha"), lite));
    assert!(!access.still_admits(ip("192.0.2.7"), digest("alpha"), lite), "its network was denied");
    assert!(!access.still_admits(here, digest("beta"), lite), "its token was taken away");
    assert!(!access.still_admits(here, None, lite), "it has none");
    assert!(!access.still_admits(here, digest("alpha"), Some(Stream::Full)), "its token lost the stream");
    assert!(Access::default().still_admits(here, digest("beta"), lite), "nobody needs one any more");
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
    let slots = Arc::new(Slots::default());
    let (one, other) = (Holder::at(ip("192.0.2.1")), Holder::at(ip("192.0.2.2")));
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
    assert_eq!(Holder::at(ip("2001:db8:0:1::1")), Holder::at(ip("2001:db8:0:1:ffff::2")));
    assert_ne!(Holder::at(ip("2001:db8:0:1::1")), Holder::at(ip("2001:db8:0:2::1")));
    assert_eq!(Holder::at(ip("::ffff:192.0.2.1")), Holder::at(ip("192.0.2.1")));
}
