use super::fired::{Fired, Marks, Rule};
use super::lists::Lists;
use super::literal;
use crate::filter::parameter::Parameter;

#[test]
fn lists_keep_their_items_in_order() {
    let lists = Lists::new(4, &[(2, 7), (0, 1), (2, 5), (3, 9), (2, 6)]);
    assert_eq!(
        (0..5).map(|list| lists.get(list)).collect::<Vec<_>>(),
        [&[1][..], &[], &[7, 5, 6], &[9], &[]]
    );
    assert_eq!(Lists::new(0, &[]).get(0), [0; 0]);
}

#[test]
fn marks_are_forgotten_with_each_round() {
    let mut marks = Marks::default();
    for _ in 0..3 {
        marks.begin(2);
        assert!(!marks.is_marked(1));
        assert!(marks.mark(1));
        assert!(!marks.mark(1));
        assert!(marks.is_marked(1) && !marks.is_marked(0));
        assert!(!marks.mark(2), "beyond the end");
    }
}

#[test]
fn the_required_text_of_an_expression_is_in_each_name_that_it_matches() {
    for (regex, expected) in [
        (r"^mail[0-9]+\.", Some("mail")),
        ("PayPal", Some("paypal")),
        ("(?:secure)?login", Some("login")),
        ("(secure)+login", Some("secure")),
        ("(foo)(bar)", Some("foobar")),
        (r"foo\bbar$", Some("foobar")),
        ("foo|bar", None),
        ("foo(a|b)barn", Some("barn")),
        ("foo.bar", Some("foo")),
        ("fo*bar", Some("bar")),
        ("ab", None),
        ("[a-z]{3}", None),
        ("x{4}", None),
        ("", None),
        ("büro", Some("büro")),
        ("(?-i)ABC", Some("ABC")),
    ] {
        assert_eq!(literal::required(regex).as_deref(), expected, "{regex}");
    }
}

#[test]
fn the_rules_of_each_name_are_apart() {
    let mut fired = Fired::default();
    let rule = |number| Rule { parameter: Parameter::Domain, number };
    for _ in 0..2 {
        fired.begin();
        fired.push_for_entry(Parameter::Log, 1);
        fired.push_for_entry(Parameter::Log, 1);
        fired.push_for_name(Parameter::Domain, 5);
        fired.end_name();
        fired.end_name();
        fired.push_for_name(Parameter::Domain, 6);
        fired.end_name();
        fired.end_names();
        assert_eq!((fired.entry().len(), fired.names(), fired.has_names()), (1, 3, true));
        assert_eq!([0, 1, 2, 3].map(|name| fired.of_name(name)), [&[rule(5)][..], &[], &[rule(6)], &[]]);
    }
}
