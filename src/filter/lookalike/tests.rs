#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use super::edits::{Hashes, chars, is_one_edit};
use super::letters::{push_letters, shape};
use super::*;
use proptest::prelude::*;

fn likeness(domain: &str, name: &str) -> Option<Likeness> {
    let name = crate::filter::names::canonical(name);
    Target::new(domain).expect(domain).likeness(&Labels::new(&name))
}

#[track_caller]
fn check(domain: &str, expected: Option<Likeness>, names: &[&str]) {
    for name in names {
        assert_eq!(likeness(domain, name), expected, "{name} for {domain}");
        assert_eq!(likeness(domain, &format!("*.{name}")), expected, "*.{name} for {domain}");
    }
}

#[test]
fn the_name_itself_and_what_lies_below_it_never_match() {
    for domain in ["paypal.com", "www.paypal.com"] {
        check(
            domain,
            None,
            &["paypal.com", "www.paypal.com", "PAYPAL.com.", "paypa1.paypal.com", "paypal.paypal.com"],
        );
    }
    check("example.co.uk", None, &["example.co.uk", "a.example.co.uk"]);
}

#[test]
fn the_label_is_found_under_another_top_level_domain_and_below_another_domain() {
    check("paypal.com", Some(Likeness::OtherTld), &["paypal.net", "www.paypal.co.uk", "paypal.github.io"]);
    check(
        "paypal.com",
        Some(Likeness::Subdomain),
        &["paypal.com.evil.example", "paypal.evil.example", "a.paypal.b.co.uk"],
    );
    // Labels of a public suffix are nobody's.
    check("co.example", None, &["something.co.uk"]);
    assert_eq!(likeness("github.com", "github.io"), Some(Likeness::OtherTld));
    assert_eq!(likeness("github.com", "me.github.io"), None);
    check("github.io", Some(Likeness::OtherTld), &["github.com", "github.example"]);
    check("github.io", None, &["github.io", "me.github.io"]);
}

#[test]
fn characters_that_look_alike_are_found() {
    let names = [
        "раураl.com", // Cyrillic
        "рауpal.com",
        "pàypal.com",
        "pаypаl.net",
        "paypa1.com",
        "paypai.com",
        "ｐａｙｐａｌ.com.evil.example",
        "login.раураl.example",
        "xn--pypal-4ve.com",
        "paypa1-login.com",
        "my-pаypal.example",
    ];
    // The fullwidth one is the same after UTS 46.
    for name in names {
        let expected = if name.starts_with('ｐ') { Likeness::Subdomain } else { Likeness::Confusable };
        check("paypal.com", Some(expected), &[name]);
    }
    check(
        "google.com",
        Some(Likeness::Confusable),
        &["g00gle.com", "goog1e.com", "qooqle.com", "googIe.com", "gοοgle.com"],
    );
    check(
        "amazon.com",
        Some(Likeness::Confusable),
        &["arnazon.com", "amaz0n.net", "annazon.com", "amazor.com"],
    );
    check("twitter.com", Some(Likeness::Confusable), &["tvvitter.com", "tw1tter.com", "twittеr.com"]);
    check("steam.com", Some(Likeness::Confusable), &["5team.com", "st3am.com", "sтеам.com", "ѕtеаm.com"]);
    check("bucher.example", Some(Likeness::Confusable), &["bücher.example", "xn--bcher-kva.com"]);
    check("xn--bcher-kva.example", Some(Likeness::Confusable), &["bucher.example", "bůcher.com"]);
}

#[test]
fn one_edit_is_found_from_five_letters_on() {
    let names = [
        "paypall.com",
        "papal.com",
        "paypsl.com",
        "papyal.com",
        "ppaypal.com",
        "pay-pal.com",
        "aypal.net",
        "paypa.com",
    ];
    for name in names {
        assert!(matches!(likeness("paypal.com", name), Some(Likeness::Edit | Likeness::Affix)), "{name}");
    }
    check(
        "paypal.com",
        Some(Likeness::Edit),
        &["papyal.com", "www.paypsl.example", "papal-login.com", "pay.pal.com", "p.aypal.com"],
    );
    check(
        "paypal.com",
        None,
        &["papl.com", "pypl.com", "pxypxl.com", "paypx.com", "pal.com", "x.pay.pal.x.com", "lapyap.com"],
    );
    check("apple.com", Some(Likeness::Edit), &["aple.com", "apble.com", "appel.com"]);
    check("visa.com", None, &["vis.com", "vissa.com", "viza.com", "vsia.com"]);
}

#[test]
fn something_before_or_behind_the_label_is_found() {
    let names = [
        "paypal-login.com",
        "my-paypal.example",
        "a.secure-paypal-login.example",
        "securepaypal.com",
        "paypallogin.com",
        "mypaypallogin.com",
    ];
    check("paypal.com", Some(Likeness::Affix), &names);
    check(
        "apple.com",
        Some(Likeness::Affix),
        &["appleid.com", "myapple.com", "my-apple.com", "x-apple-y.com"],
    );
    check("apple.com", None, &["grapplers.com"]);
    check("paypal.com", Some(Likeness::Affix), &["securepaypai.com", "paypalx.example", "xpaypalx.example"]);
    check("adobe.com", Some(Likeness::Affix), &["adobexy.com", "xyadobe.com"]);
    check("adobe.com", None, &["xyadobexy.com"]);
    // Short labels are compared as a whole, and with certain words.
    check(
        "ing.com",
        None,
        &["banking.com", "ingrid.com", "string.example", "xing.com", "ingx.com", "ng.com", "ping.com"],
    );
    check("ing.com", Some(Likeness::Affix), &["ing-login.com", "my-ing.example", "wwwing.com", "ingcom.net"]);
    check("ing.com", Some(Likeness::OtherTld), &["ing.de"]);
    check("ing.com", Some(Likeness::Subdomain), &["ing.com.evil.example"]);
    check("ing.com", Some(Likeness::Affix), &["inglogin.com", "ingsecurity.example"]);
    check("dhl.com", Some(Likeness::Affix), &["dhltracking.com", "track-dhl.com", "dh1login.com"]);
    check("ebay.com", Some(Likeness::Affix), &["ebayservice.com", "myebay.example", "secureebay.com"]);
    check("ebay.com", None, &["thepiratebay.com", "ebaystories.com", "bluebay.com"]);
}

#[test]
fn everyday_words_keep_their_meaning() {
    check("binance.com", None, &["finance.example.com", "my-finance.com", "green-finance.example"]);
    check("chase.com", None, &["phase.example.com", "chose-one.com"]);
    // Whoever registers such a domain may mean it.
    check("google.com", Some(Likeness::Edit), &["goggle.com"]);
    check("chase.com", Some(Likeness::Edit), &["phase.com", "chose.example"]);
    check("binance.com", Some(Likeness::Edit), &["bibance.example.com", "my-bibance.com"]);
}

#[test]
fn everyday_words_are_found_next_to_certain_words() {
    let names = [
        "appleid.com",
        "myapple.com",
        "myappleid.com",
        "app1eidlogin.com",
        "аppleverification.com",
        "applecom.example",
        "appledestek.example",
        "secure.appleaccount.example",
        "quiet-apple.com",
    ];
    check("apple.com", Some(Likeness::Affix), &names);
    check("apple.com", None, &["pineapple.com", "appletreefarm.com", "quietapple.com", "swappie.com"]);
    check("chase.com", None, &["purchase.com", "ticketpurchase.example", "purchases.example.com"]);
    check("booking.com", None, &["scrapbooking.com", "petbooking.example"]);
    check(
        "booking.com",
        Some(Likeness::Affix),
        &["bookingsupport.com", "booking-finance.com", "pet-booking.com"],
    );
}

#[test]
fn ordinary_and_hostile_names_are_not_like_it() {
    let long = "a-".repeat(400) + ".example";
    let names = [
        "example.com",
        "",
        ".",
        "com",
        "*",
        "xn--.com",
        "xn--99999999.com",
        "-.com",
        "..",
        "a\0b.com",
        "🦀.example",
        &long,
    ];
    for domain in ["paypal.com", "ing.com", "xn--bcher-kva.example"] {
        check(domain, None, &names);
    }
}

#[test]
fn a_top_level_domain_has_no_label() {
    check("google.com", None, &["google", "com", "test"]);
    check("googl.com", None, &["google", "googl"]);
}

#[test]
fn only_a_registrable_domain_can_be_looked_like() {
    for domain in ["com", "co.uk", "paypal", "*.ck", "test"] {
        assert!(Target::new(domain).is_none(), "{domain}");
    }
    for domain in ["a.test", "paypal.com", "github.io", "x.github.io"] {
        assert!(Target::new(domain).is_some(), "{domain}");
    }
}

#[test]
fn letters_are_what_is_read() {
    for (text, expected) in [
        ("g00gle", "google"),
        ("i1l", "lll"),
        ("35", "es"),
        ("àçėđł", "acedl"),
        ("аеорсух", "aeopcyx"),
        ("ьԁԍһіјӏѕѵԝԛ", "bdghljlsvwq"),
        ("вкмнт", "bkmht"),
        ("ɓƈɗɠɦƙɱɲƥʠʂƭʐ", "bcdghkmnpqstz"),
        ("中文", "中文"),
        ("ﬁ", "fl"),
    ] {
        let mut letters = String::new();
        push_letters(text, &mut letters);
        assert_eq!(letters, expected, "{text}");
    }
    for (one, other) in [
        ("rn", "m"),
        ("vv", "w"),
        ("cl", "d"),
        ("lb", "b"),
        ("lk", "k"),
        ("nn", "m"),
        ("q", "g"),
        ("lh", "h"),
    ] {
        assert_eq!(shape(one), shape(other), "{one} {other}");
    }
}

/// The definition of an edit by trying all.
fn is_one_edit_by_trying(one: &[char], other: &[char]) -> bool {
    let without = |text: &[char], index: usize| [&text[..index], &text[index + 1..]].concat();
    let omits = |long: &[char], short: &[char]| (0..long.len()).any(|index| without(long, index) == short);
    let different: Vec<_> =
        (0..one.len().min(other.len())).filter(|index| one[*index] != other[*index]).collect();
    let swaps = |first: usize, second: usize| {
        second == first + 1 && one[first] == other[second] && one[second] == other[first]
    };
    omits(one, other)
        || omits(other, one)
        || one.len() == other.len()
            && (different.len() == 1 || different.len() == 2 && swaps(different[0], different[1]))
}

proptest! {
    #[test]
    fn one_edit_is_what_trying_all_finds(one in "[ab]{0,6}", other in "[abc]{0,6}") {
        let (one, other) = (chars(&one).unwrap(), chars(&other).unwrap());
        prop_assert_eq!(is_one_edit(&one, &other), is_one_edit_by_trying(&one, &other));
    }

    #[test]
    fn texts_one_edit_apart_share_a_hash(one in "[ab]{0,6}", other in "[abc]{0,6}", key: u64) {
        let hashes = Hashes::new(key);
        let of = |text: &str| {
            let mut all = Vec::new();
            hashes.visit(&chars(text).unwrap(), |hash| all.push(hash));
            all
        };
        let (a, b) = (of(&one), of(&other));
        prop_assert_eq!(a[0], hashes.whole(&one));
        if is_one_edit(&chars(&one).unwrap(), &chars(&other).unwrap()) {
            prop_assert!(a.iter().any(|hash| b.contains(hash)));
        }
    }
}
