//! Filters from JSON, and what is refused.

use super::*;

fn read(text: &str) -> Result<Filter, (String, String)> {
    let read = Filter::from_json(text.as_bytes(), Limits::default());
    read.map_err(|error| (error.parameter().to_string(), error.to_string()))
}

#[test]
fn lists_mean_the_same_as_parameters_of_a_query() {
    let filter =
        read(r#"{"type": ["precert"], "domain": ["B.example", "!x.b.example", "a.example"]}"#).unwrap();
    let pairs = [("domain", "a.example,b.example,!x.b.example"), ("type", "precert")];
    assert_eq!(filter, Filter::parse(pairs, Limits::default()).unwrap());
    assert_eq!(read(&serde_json::to_string(&filter).unwrap()), Ok(filter));
    let commas =
        read(r#"{"contains": ["a,b"], "operator": ["Example, Inc."], "log": ["One, two"]}"#).unwrap();
    assert_eq!(read(&serde_json::to_string(&commas).unwrap()), Ok(commas.clone()));
    assert_eq!(commas.values(), 3);
}

#[test]
fn what_is_malformed_is_refused_by_the_name_of_its_parameter() {
    let deep = format!(r#"{{"domain": {}"#, "[".repeat(100_000));
    for (text, parameter, message) in [
        ("", "body", "body is not JSON: EOF while parsing a value at line 1 column 0"),
        ("domain=a", "body", "body is not JSON: expected value at line 1 column 1"),
        (r#"{"domain": ["a"]} x"#, "body", "body is not JSON: trailing characters at line 1 column 19"),
        (r#"{"domain": ["a"#, "body", "body is not JSON: EOF while parsing a string at line 1 column 14"),
        ("[]", "body", "body is not an object with a list of values for each parameter"),
        ("null", "body", "body is not an object with a list of values for each parameter"),
        (&"[".repeat(100_000), "body", "body is not an object with a list of values for each parameter"),
        ("{}", "body", "body has no values: such a filter would want every entry"),
        (r#"{"domian": ["a"]}"#, "domian", "domian is no parameter of filters; did you mean domain?"),
        (r#"{"filter": ["a"]}"#, "filter", "filter is no parameter of filters"),
        (r#"{"domain": ["a"], "domain": ["b"]}"#, "domain", "domain is there twice"),
        (r#"{"domain": ["a"], "\u0064omain": ["b"]}"#, "domain", "domain is there twice"),
        (r#"{"domain": "a"}"#, "domain", "domain is not a list of texts"),
        (r#"{"domain": null}"#, "domain", "domain is not a list of texts"),
        (r#"{"domain": {"a": 1}}"#, "domain", "domain is not a list of texts"),
        (r#"{"type": ["x509", 1]}"#, "type", "type is not a list of texts"),
        (r#"{"contains": ["a", ["b"]]}"#, "contains", "contains is not a list of texts"),
        (&deep, "domain", "domain is not a list of texts"),
        (r#"{"contains": []}"#, "contains", "contains has no values; leave it out"),
        (r#"{"contains": ["a", ""]}"#, "contains", "contains has an empty value"),
        (r#"{"issuer": ["!"]}"#, "issuer", "issuer=! has an empty value"),
        (r#"{"domain": ["a,b"]}"#, "domain", "domain=a,b has a comma, which separates values of domain"),
        (
            r#"{"domain": ["https://a.example/"]}"#,
            "domain",
            "domain=https://a.example/ is a URL; write domain=a.example",
        ),
        (r#"{"log": ["a", "!a"]}"#, "log", "log=a is both wanted and excluded"),
        (
            r#"{"regex": ["("]}"#,
            "regex",
            "regex=( is not a regular expression: unclosed group, at character 1",
        ),
    ] {
        assert_eq!(read(text), Err((parameter.into(), message.into())), "{text:.40}");
    }
    let invalid = Filter::from_json(b"{\"domain\": [\"\xff\"]}", Limits::default()).unwrap_err();
    assert_eq!(invalid.parameter(), "body");
    assert!(invalid.to_string().starts_with("body is not JSON: invalid unicode code point"), "{invalid}");
}

#[test]
fn limits_hold_while_it_is_read() {
    let limits = Limits { values: 2, ..Limits::default() };
    let many = format!(r#"{{"domain": ["a", "b", "c"{}"#, ",".repeat(1000));
    let error = Filter::from_json(many.as_bytes(), limits).unwrap_err();
    assert_eq!(error.to_string(), "domain makes more than 2 values of all parameters together");
}
