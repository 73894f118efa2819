//! Each malformed parameter is refused with what was probably meant.

use super::*;
use crate::filter::{FilterBuilder, Parameter, is_parameter, suggestion};

#[track_caller]
fn check(query: &str, parameter: &str, message: &str) {
    let error = parse(query).expect_err(query);
    assert_eq!((error.parameter(), error.to_string().as_str()), (parameter, message), "{query}");
}

#[test]
fn something_else_than_a_domain_is_refused_with_the_domain() {
    for (value, message) in [
        ("https://example.com/", "domain=https://example.com/ is a URL; write domain=example.com"),
        (
            "https://me@example.com:8443/x?y",
            "domain=https://me@example.com:8443/x?y is a URL; write domain=example.com",
        ),
        ("example.com/path", "domain=example.com/path is a URL; write domain=example.com"),
        ("example.com:443", "domain=example.com:443 has a port; write domain=example.com"),
        ("me@example.com", "domain=me@example.com is an e-mail address; write domain=example.com"),
        (
            "*.example.com",
            "domain=*.example.com has a wildcard, but names below it are included anyway; write domain=example.com",
        ),
        (
            ".example.com",
            "domain=.example.com begins with a dot, but names below it are included anyway; write domain=example.com",
        ),
        ("a..example", "domain=a..example is not a domain: a label is empty"),
        (".", "domain=. is not a domain: a label is empty"),
        (
            "two words.example",
            "domain=two words.example is not a domain: a label has other characters than letters, digits, hyphens and \
             underscores",
        ),
        (
            "*",
            "domain=* is not a domain: a label has other characters than letters, digits, hyphens and underscores",
        ),
        ("%E2%80%8B%EF%BF%BD", "domain=\\u{200b}\u{FFFD} is not a domain: UTS 46 does not allow it"),
    ] {
        let written = value.replace('&', "%26");
        check(&format!("domain={written}"), "domain", message);
        // The mark of an exclusion is a part of the value.
        check(&format!("domain=!{written}"), "domain", &message.replace("domain=", "domain=!"));
    }
    let long = format!("domain={}", "a".repeat(64));
    check(&long, "domain", &format!("{long} is not a domain: a label has more than 63 bytes"));
    let error = parse(&format!("domain={}", "a.".repeat(127) + "a")).expect_err("254 bytes or more");
    assert!(error.to_string().ends_with("is not a domain: it has more than 253 bytes"), "{error}");
}

#[test]
fn an_empty_value_is_refused() {
    for parameter in Parameter::ALL.map(Parameter::name) {
        for value in ["", "!"] {
            let error = parse(&format!("{parameter}={value}")).expect_err(parameter);
            assert!(error.to_string().ends_with("has an empty value"), "{error}");
            assert_eq!((error.parameter(), error.value()), (parameter, value));
        }
    }
    for query in [
        "domain=a.example,",
        "domain=,a.example",
        "domain=a.example,,b.example",
        "log=a,",
        "operator=,",
        "domain=a,%20,b",
    ] {
        let error = parse(query).expect_err(query);
        assert!(error.to_string().ends_with("has an empty value"), "{error}");
    }
}

#[test]
fn what_nothing_can_look_like_is_refused() {
    for value in ["com", "co.uk", "paypal", "!co.uk"] {
        let message =
            format!("lookalike={value} has no registrable domain; write one such as lookalike=example.com");
        check(&format!("lookalike={value}"), "lookalike", &message);
    }
    let message = "lookalike=https://paypal.com is a URL; write lookalike=paypal.com";
    check("lookalike=https://paypal.com", "lookalike", message);
}

#[test]
fn an_unknown_type_is_refused() {
    check("type=cert", "type", "type=cert is unknown; type is precert or x509");
    check("type=precert,x509", "type", "type=precert,x509 is unknown; type is precert or x509");
}

#[test]
fn a_malformed_expression_is_refused_with_its_position() {
    check("regex=ab(c", "regex", "regex=ab(c is not a regular expression: unclosed group, at character 3");
    check(
        "regex=%C3%BC[z-a]",
        "regex",
        "regex=ü[z-a] is not a regular expression: invalid character class range, \
         the start must be <= the end, at character 3",
    );
    let error = parse(r"regex=(a)\1").expect_err("a reference");
    assert!(error.to_string().contains("backreferences are not supported, at character 4"), "{error}");
    let error = parse(&format!("regex={}{}", "(".repeat(200), ")".repeat(200))).expect_err("nesting");
    assert!(error.to_string().contains("at character"), "{error}");
}

#[test]
fn a_large_expression_is_refused() {
    for query in ["regex=[a-z]{4000}", "regex=((a{20}){20}){20}"] {
        let error = parse(query).expect_err(query);
        assert!(error.to_string().ends_with("compiled, it has more than 131072 bytes"), "{error}");
    }
}

#[test]
fn contradictions_are_refused() {
    check("domain=a.example&domain=!A.example", "domain", "domain=a.example is both wanted and excluded");
    check("type=precert&type=!precert", "type", "type=precert is both wanted and excluded");
    check("issuer=R12&issuer=!r12", "issuer", "issuer=r12 is both wanted and excluded");
    check("regex=a&regex=!a", "regex", "regex=a is both wanted and excluded");
    let message = "domain=www.example.com lies below example.com, which is excluded";
    check("domain=www.example.com,!example.com", "domain", message);
    check("type=!precert&type=!x509", "type", "type excludes every type");
    assert!(parse("domain=example.com,!www.example.com").is_ok());
}

#[test]
fn control_characters_are_refused() {
    for value in ["%00", "a%00b", "a%0A", "%7F", "!a%09"] {
        for parameter in Parameter::ALL.map(Parameter::name) {
            let error = parse(&format!("{parameter}=x{value}")).expect_err(value).to_string();
            assert!(error.ends_with("has a control character"), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
    }
}

#[test]
fn more_than_the_limits_is_refused() {
    let limits =
        Limits { values: 3, value_bytes: 10, contains: 2, regexes: 1, lookalikes: 1, ..Limits::default() };
    for (query, message) in [
        ("contains=12345678901", "contains=12345678901 has 11 bytes, at most 10 are allowed"),
        ("contains=a&contains=!b&contains=c", "contains has more than 2 values"),
        ("regex=a&regex=b", "regex has more than 1 values"),
        ("lookalike=a.b,!b.b", "lookalike has more than 1 values"),
        ("domain=a,b,c,d", "domain makes more than 3 values of all parameters together"),
        ("domain=a,a,b&type=x509", "type makes more than 3 values of all parameters together"),
    ] {
        let error = Filter::parse(form_urlencoded::parse(query.as_bytes()), limits).expect_err(query);
        assert_eq!(error.to_string(), message);
    }
    let query = "domain=a,b&contains=c";
    assert!(Filter::parse(form_urlencoded::parse(query.as_bytes()), limits).is_ok());
}

#[test]
fn a_long_value_is_shortened_in_the_message() {
    let error = parse(&format!("domain=!{}", "x".repeat(500))).expect_err("500 bytes");
    assert!(error.to_string().len() < 200, "{error}");
    assert_eq!(error.value().len(), 501);
}

#[test]
fn a_domain_of_a_list_has_no_commas_but_other_values_may() {
    let mut builder = FilterBuilder::new(Limits::default());
    let error = builder.add(Parameter::Domain, "a.example,b.example").expect_err("a comma");
    assert_eq!(error.to_string(), "domain=a.example,b.example has a comma, which separates values of domain");
    assert_eq!(builder.add(Parameter::Contains, "a,b"), Ok(()));
    assert_eq!(builder.add(Parameter::Operator, "One, Two"), Ok(()));
    let filter = builder.build().expect("a filter");
    let facts = |operator| {
        SourceFacts::new(&Source::new("https://a.example", "A", operator, None, Protocol::Rfc6962))
    };
    let wants = |operator| wants(&filter, &Facts::given(&facts(operator), &["a,b"], &[], None));
    assert!(wants("one, TWO") && !wants("one") && !wants("two"));
}

#[test]
fn an_unknown_parameter_is_refused_with_a_suggestion() {
    check("domian=a.example", "domian", "domian is no parameter of filters; did you mean domain?");
    check("frobnicate=1", "frobnicate", "frobnicate is no parameter of filters");
    check("%1B[31m=1", "\\u{1b}[31m", "\\u{1b}[31m is no parameter of filters");
    for (name, expected) in [
        ("domian", Some("domain")),
        ("DOMAIN", Some("domain")),
        ("domains", Some("domain")),
        ("regexp", Some("regex")),
        ("isuer", Some("issuer")),
        ("cursr", Some("cursor")),
        ("tyep", Some("type")),
        ("lgo", Some("log")),
        ("", None),
        ("x", None),
        ("something", None),
    ] {
        let known = Parameter::ALL.map(Parameter::name).into_iter().chain(["cursor", "since"]);
        assert_eq!(suggestion(name, known), expected, "{name}");
    }
    assert_eq!(suggestion(&"x".repeat(1_000_000), ["domain"]), None);
    assert!(is_parameter("domain") && !is_parameter("Domain") && !is_parameter("cursor"));
}
