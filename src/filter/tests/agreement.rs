//! The matchers find what the definition says, for any filters and entries. Few labels are used, so that they meet.
//!
//! PROPTEST_CASES sets how many cases each test runs; docs/fuzzing.md says how to run many.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "aab",
        "abab",
        "www",
        "xn--bcher-kva",
        "bücher",
        "a-b",
        "paypal",
        "paypa1",
        "paypall",
        "my-paypal",
        "раураl",
        "ablogin",
        "securabab",
        "phase",
        "purchase",
        "purchasechase",
    ])
}

fn domain() -> impl Strategy<Value = String> {
    vec(label(), 1..4).prop_map(|labels| labels.join("."))
}

fn name() -> impl Strategy<Value = String> {
    let prefix = prop::sample::select(vec!["", "", "", "*.", "www.", "A"]);
    let suffix = prop::sample::select(vec!["", "", ".", ".."]);
    prop_oneof![
        20 => (prefix, domain(), suffix).prop_map(|(prefix, domain, suffix)| format!("{prefix}{domain}{suffix}")),
        1 => Just(String::new()),
        1 => "\\PC{0,20}",
        1 => Just("a.".repeat(600)),
    ]
}

fn lookalike() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "paypal.ab",
        "paypal.b",
        "ab.a",
        "aab.b.a",
        "abab.ab",
        "www.paypal.a",
        "bücher.a",
        "my-paypal.b",
        "chase.a",
    ])
}

fn value() -> impl Strategy<Value = (&'static str, String)> {
    let text = prop::sample::select(vec![
        "a", "ab", "ba", "b.a", "bcher", "üch", "ü", "www.", "abab", "-", "xn--", "palaa",
    ]);
    let regex = prop::sample::select(vec![
        "^a",
        "a$",
        "^www\\.",
        "b+a",
        "(a|b)\\.ab",
        "^[^.]*$",
        "pay.*a",
        "(?:abab)+",
        "x?y?",
        "^\\*",
        "PAYPAL",
        "(www|xn--)",
    ]);
    prop_oneof![
        6 => domain().prop_map(|domain| ("domain", domain)),
        4 => text.prop_map(|text| ("contains", text.into())),
        4 => regex.prop_map(|regex| ("regex", regex.into())),
        2 => lookalike().prop_map(|domain| ("lookalike", domain.into())),
        2 => prop::sample::select(vec!["R1", "CA", "other"]).prop_map(|text| ("issuer", text.into())),
        1 => prop::sample::select(vec![LOG_ID, "ct.example.com/logs/2026", "none"]).prop_map(|text| ("log", text.into())),
        1 => prop::sample::select(vec!["Let's Log", "none"]).prop_map(|text| ("operator", text.into())),
        1 => prop::sample::select(vec!["precert", "x509"]).prop_map(|text| ("type", text.into())),
    ]
}

/// A filter with one to four values, of which some exclude.
fn any_filter() -> impl Strategy<Value = Arc<Filter>> {
    let value = (value(), prop::bool::weighted(0.25));
    vec(value, 1..5).prop_filter_map("contradictory", |values| {
        let pairs = values
            .iter()
            .map(|((name, value), excludes)| (*name, format!("{}{value}", if *excludes { "!" } else { "" })));
        Filter::parse(pairs, Limits::default()).ok().map(Arc::new)
    })
}

type Entry = (Vec<String>, Vec<&'static str>, Option<&'static str>);

fn entry() -> impl Strategy<Value = Entry> {
    let issuer = prop::sample::select(vec![vec!["r1", "ca"], vec!["r1"], vec![]]);
    (vec(name(), 0..4), issuer, prop::sample::select(vec![Some("precert"), Some("x509"), None]))
}

#[derive(Debug, Clone)]
enum Step {
    Add(u64, Arc<Filter>),
    Remove(u64),
    BeginMerge,
    FinishMerge,
    Abandon,
    Match(Entry),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40u64, any_filter()).prop_map(|(id, filter)| Step::Add(id, filter)),
        3 => (0..40u64).prop_map(Step::Remove),
        1 => Just(Step::BeginMerge),
        1 => Just(Step::FinishMerge),
        1 => prop::bool::weighted(0.2).prop_map(|abandon| if abandon { Step::Abandon } else { Step::BeginMerge }),
        8 => entry().prop_map(Step::Match),
    ]
}

/// Compares with the definition. Returns how many filters want the entry, and how many there are.
fn compare(
    index: &FilterIndex,
    filters: &BTreeMap<u64, Arc<Filter>>,
    (names, issuer, entry_type): &Entry,
    scratch: &mut Scratch,
) -> Result<(usize, usize), TestCaseError> {
    let log = log();
    let facts = Facts::given(&log, names, issuer, *entry_type);
    let expected = filters.iter().filter(|(_, filter)| filter.matches(&facts)).map(|(id, _)| FilterId(*id));
    let expected: Vec<_> = expected.collect();
    let matchers = index.matchers();
    prop_assert_eq!(matchers.matches(&facts, scratch), expected.as_slice());
    prop_assert_eq!(matchers.len(), filters.len());
    Ok((expected.len(), filters.len()))
}

#[test]
fn the_matchers_agree_with_the_definition() {
    let (entries, wanted, compared) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let config = ProptestConfig::default();
    let cases = config.cases as usize;
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = |steps: Vec<Step>| {
        let (mut index, mut filters) = (FilterIndex::default(), BTreeMap::new());
        let (mut merge, mut scratch) = (None, Scratch::default());
        for step in steps {
            match step {
                Step::Add(id, filter) => {
                    index.add(FilterId(id), filter.clone());
                    filters.insert(id, filter);
                }
                Step::Remove(id) => {
                    prop_assert_eq!(index.remove(FilterId(id)), filters.remove(&id).is_some())
                }
                Step::BeginMerge => merge = index.begin_merge().or(merge),
                Step::FinishMerge => {
                    if let Some(merge) = merge.take() {
                        index.finish_merge(merge.run().unwrap());
                    }
                }
                Step::Abandon => index.abandon_merge(),
                Step::Match(entry) => {
                    let (one, all) = compare(&index, &filters, &entry, &mut scratch)?;
                    entries.set(entries.get() + 1);
                    wanted.set(wanted.get() + one);
                    compared.set(compared.get() + all);
                }
            }
        }
        Ok(())
    };
    runner.run(&vec(step(), 1..80), run).unwrap_or_else(|error| panic!("{error}"));
    let share = wanted.get() as f64 / compared.get() as f64;
    let (entries, compared) = (entries.get(), compared.get());
    println!("{entries} times all filters and an entry, {compared} times one filter, {share:.3} wanted");
    assert!(compared > 30 * cases && (0.05..0.6).contains(&share), "{share} of {compared} are wanted");
}

proptest! {
    #[test]
    fn many_filters_built_at_once_agree_with_the_definition(
        all in vec(any_filter(), 0..60),
        entries in vec(entry(), 1..20),
    ) {
        let filters: BTreeMap<_, _> = (0..).zip(all).collect();
        let index = FilterIndex::build(filters.iter().map(|(id, filter)| (FilterId(*id), filter.clone()))).unwrap();
        let mut scratch = Scratch::default();
        for entry in &entries {
            compare(&index, &filters, entry, &mut scratch)?;
        }
    }

    #[test]
    fn a_filter_is_read_from_what_it_writes(filter in any_filter()) {
        prop_assert_eq!(&parse(&filter.to_query()).unwrap(), &*filter);
        let json = serde_json::to_string(&*filter).unwrap();
        let json: BTreeMap<String, Vec<String>> = serde_json::from_str(&json).unwrap();
        let pairs = json.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        prop_assert_eq!(&Filter::parse(pairs, Limits::default()).unwrap(), &*filter);
    }
}
