//! What `lookalike` finds among names that others made. scripts/lookalikes.sh makes them and judges what is found.

use super::*;
use std::fmt::Write;
use std::fs;

/// The path in an environment variable.
fn path(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"))
}

#[test]
#[ignore = "reads LOOKALIKE_DOMAINS and LOOKALIKE_NAMES, and writes LOOKALIKE_FOUND: scripts/lookalikes.sh runs it"]
fn which_names_look_like_which_domains() {
    let read = |variable| fs::read_to_string(path(variable)).unwrap();
    let (domains, names) = (read("LOOKALIKE_DOMAINS"), read("LOOKALIKE_NAMES"));
    let domains: Vec<_> = domains.lines().collect();
    let filter = |domain| Arc::new(Filter::parse([("lookalike", domain)], Limits::default()).unwrap());
    let filters: Vec<_> = domains.iter().map(|domain| filter(*domain)).collect();
    let index = FilterIndex::build((0..).map(FilterId).zip(filters.iter().cloned())).unwrap();
    let (log, matchers, mut scratch) = (log(), index.matchers(), Scratch::default());
    let mut found = String::new();
    for name in names.lines() {
        let facts = Facts::given(&log, &[name], &[], None);
        for id in matchers.matches(&facts, &mut scratch) {
            let reasons = filters[id.0 as usize].explain(&facts).expect("the definition agrees");
            let how = serde_json::to_value(reasons[0].how).unwrap();
            writeln!(found, "{name}\t{}\t{}", domains[id.0 as usize], how.as_str().unwrap()).unwrap();
        }
    }
    fs::write(path("LOOKALIKE_FOUND"), found).unwrap();
}
