//! Filters, each a line with a query string, and behind an empty line the names of an entry. Whatever the filters are,
//! the index of all finds those that want the entry by their own definition.

#![no_main]

use certstream_server_fuzz::ct::entry::Content;
use certstream_server_fuzz::ct::names_tile::NamesEntry;
use certstream_server_fuzz::ct::source::{Protocol, Source};
use certstream_server_fuzz::filter::{
    Facts, Filter, FilterId, FilterIndex, Limits, Scratch, SourceFacts, is_parameter,
};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static LOG: LazyLock<SourceFacts> = LazyLock::new(|| {
    SourceFacts::new(&Source::new("https://ct.example/", "A log", "An operator", None, Protocol::Rfc6962))
});

/// Regular expressions take most of the time, so they are fewer and smaller than a client may have.
const LIMITS: Limits = Limits { regexes: 4, regex_bytes: 16 * 1024, ..Limits::DEFAULT };

fuzz_target!(|text: &[u8]| {
    let text = String::from_utf8_lossy(text);
    let (queries, names) = text.split_once("\n\n").unwrap_or((&text, "www.example.com"));
    let filters: Vec<_> = queries.lines().filter_map(parsed).collect();
    let names = names.lines().map(String::from).collect();
    let content = Content::Names(NamesEntry { timestamp_ms: 1, names });
    let facts = Facts::new(&LOG, &content);
    let wants = |id: usize| filters[id].matches(&facts);
    let wanted: Vec<_> = (0..filters.len()).filter(|id| wants(*id)).collect();

    let (mut index, mut scratch) = (FilterIndex::default(), Scratch::default());
    let mut found = |index: &FilterIndex| -> Vec<_> {
        index.matchers().matches(&facts, &mut scratch).iter().map(|id| id.0 as usize).collect()
    };
    for (id, filter) in filters.iter().enumerate() {
        index.add(FilterId(id as u64), filter.clone());
    }
    assert_eq!(found(&index), wanted, "fresh");
    while let Some(merge) = index.begin_merge() {
        index.finish_merge(merge.run().expect("few filters"));
    }
    assert_eq!(found(&index), wanted, "merged");
    (0..filters.len()).step_by(2).for_each(|id| assert!(index.remove(FilterId(id as u64))));
    let odd: Vec<_> = wanted.into_iter().filter(|id| id % 2 == 1).collect();
    assert_eq!(found(&index), odd, "half removed");
});

/// The filter of a line of JSON, if it is one. Its normal form is the same filter.
fn read(line: &str) -> Option<Arc<Filter>> {
    let filter = match Filter::from_json(line.as_bytes(), LIMITS) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.to_string().len() < 2048, "{error}");
            return None;
        }
    };
    let json = serde_json::to_vec(&filter).expect("JSON");
    let again = Filter::from_json(&json, LIMITS).expect("its own normal form");
    assert!(again == filter && serde_json::to_vec(&again).expect("JSON") == json, "{line}");
    Some(Arc::new(filter))
}

/// The filter of a line, if it is one. Its normal form is the same filter, and it says why it wants what it wants.
fn parsed(line: &str) -> Option<Arc<Filter>> {
    if line.starts_with('{') {
        return read(line);
    }
    let pairs: Vec<_> = form_urlencoded::parse(line.as_bytes()).filter(|(name, _)| is_parameter(name)).collect();
    let filter = match Filter::parse(pairs, LIMITS) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(is_parameter(error.parameter()) && error.to_string().len() < 2048, "{error}");
            return None;
        }
    };
    let query = filter.to_query();
    let again = Filter::parse(form_urlencoded::parse(query.as_bytes()), LIMITS).expect("its own normal form");
    assert!(again == filter && again.to_query() == query, "{query}");
    let facts = Facts::new(&LOG, const { &Content::Names(NamesEntry { timestamp_ms: 1, names: Vec::new() }) });
    assert_eq!(filter.explain(&facts).is_some(), filter.matches(&facts), "{query}");
    Some(Arc::new(filter))
}
