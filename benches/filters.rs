//! Measures what the filters of all subscribers cost for one entry, and what a subscriber costs that comes or goes.
//!
//! There are 10,000 filters with 100,000 domains, 10,000 texts, 1,000 look-alikes and 200 regular expressions, or a
//! tenth of that. The goal is 8 µs of processor time for an entry, and 100 bytes of memory for a value.
//!
//! The entries are from the file in CERTSTREAM_BENCH_ENTRIES, a JSON array of `leaf_input` and `extra_data`, to measure
//! real entries. By default they are from the demo log. Throughput is in entries.

use certstream_server::certificate::Issuer;
use certstream_server::ct::entry::{self, Content};
use certstream_server::ct::source::{Protocol, Source};
use certstream_server::demo::{DemoLog, DemoLogOptions};
use certstream_server::filter::{Facts, Filter, FilterId, FilterIndex, Limits, Scratch, SourceFacts};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

/// Number of entries that are matched in one run.
const ENTRIES: usize = 256;

#[derive(serde::Deserialize)]
struct Recorded {
    leaf_input: String,
    extra_data: String,
}

fn decoded(leaf_input: &[u8], extra_data: &[u8]) -> Content {
    Content::Entry(entry::decode(leaf_input, extra_data, Issuer::unshared).expect("an entry"))
}

fn entries() -> Vec<Content> {
    match std::env::var("CERTSTREAM_BENCH_ENTRIES") {
        Ok(path) => {
            let recorded: Vec<Recorded> =
                serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("entries");
            let base64 = |text: &str| base64_simd::STANDARD.decode_to_vec(text).expect("base64");
            let recorded = recorded.iter().cycle().take(ENTRIES);
            recorded.map(|one| decoded(&base64(&one.leaf_input), &base64(&one.extra_data))).collect()
        }
        Err(_) => demo_entries(),
    }
}

fn demo_entries() -> Vec<Content> {
    actix::System::new().block_on(async {
        let options = DemoLogOptions { rate: 0.0, initial: ENTRIES as u64, ..DemoLogOptions::default() };
        let log = DemoLog::start(options).await.expect("the demo log");
        let entries = (0..ENTRIES as u64).filter_map(|index| log.entry(index));
        let entries = entries.map(|entry| decoded(&entry.leaf_input, &entry.extra_data)).collect();
        log.stop().await;
        entries
    })
}

/// Words that sound like names, always the same ones.
struct Words(u64);

impl Words {
    fn number(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    fn one(&mut self, syllables: usize) -> String {
        const CONSONANTS: &[u8] = b"bcdfghklmnprstvwz";
        const VOWELS: &[u8] = b"aeiou";
        let mut letter = |letters: &[u8]| char::from(letters[self.number() % letters.len()]);
        (0..syllables).flat_map(|_| [letter(CONSONANTS), letter(VOWELS)]).collect()
    }

    fn domain(&mut self) -> String {
        const SUFFIXES: [&str; 6] = ["com", "net", "org", "de", "co.uk", "example"];
        format!("{}{}.{}", self.one(4), self.number() % 100, SUFFIXES[self.number() % SUFFIXES.len()])
    }

    fn regex(&mut self) -> String {
        let word = self.one(3);
        match self.number() % 4 {
            0 => format!("^{word}[0-9]+\\."),
            1 => format!("{word}.*login"),
            2 => format!("(^|\\.)(secure|my)-?{word}"),
            // No text that is always there.
            _ => format!("^[a-z]{{2}}[0-9]{{3}}{}\\.", self.one(1)),
        }
    }
}

/// The filters' queries: `domains`, a tenth as many texts, a hundredth as many look-alikes, and so on.
fn queries(domains: usize) -> Vec<String> {
    let mut words = Words(1);
    let mut list = |parameter: &str, count: usize, mut value: Box<dyn FnMut(&mut Words) -> String>| {
        let values: Vec<_> = (0..count).map(|_| (parameter.to_string(), value(&mut words))).collect();
        form_urlencoded::Serializer::new(String::new()).extend_pairs(values).finish()
    };
    let mut all = Vec::new();
    all.extend((0..domains / 20).map(|_| list("domain", 20, Box::new(Words::domain))));
    all.extend((0..domains / 40).map(|_| list("contains", 4, Box::new(|words| words.one(4)))));
    all.extend(
        (0..domains / 100).map(|_| list("lookalike", 1, Box::new(|words| format!("{}.com", words.one(3))))),
    );
    all.extend((0..domains / 500).map(|_| list("regex", 1, Box::new(Words::regex))));
    all.extend((0..domains * 13 / 1000).map(|_| list("issuer", 1, Box::new(|words| words.one(5)))));
    all
}

fn filters(domains: usize) -> Vec<(FilterId, Arc<Filter>)> {
    let parse = |query: &String| Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default());
    let filters = queries(domains);
    let filters = filters.iter().map(|query| Arc::new(parse(query).expect("a filter")));
    (0..).map(FilterId).zip(filters).collect()
}

fn benches(c: &mut Criterion) {
    let entries = entries();
    let source = Source::new("https://ct.example/2026", "Bench", "Bench", None, Protocol::Rfc6962);
    let source = SourceFacts::new(&source);
    let mut group = c.benchmark_group("filters");
    group.throughput(Throughput::Elements(entries.len() as u64));
    let mut scratch = Scratch::default();
    let mut measure = |name: &str, filters: Vec<(FilterId, Arc<Filter>)>| {
        let matchers = FilterIndex::build(filters.into_iter()).expect("an index").matchers();
        group.bench_function(name, |b| {
            b.iter(|| {
                let matches = |entry| matchers.matches(&Facts::new(&source, entry), &mut scratch).len();
                black_box(entries.iter().map(matches).sum::<usize>())
            });
        });
    };
    // Reading the certificate and its names.
    let query = |query: &str| Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default());
    let one = query("domain=nobody.example").expect("a filter");
    measure("match an entry, 1 filter", vec![(FilterId(0), Arc::new(one))]);
    measure("match an entry, 1000 filters", filters(10_000));
    let all = filters(100_000);
    measure("match an entry, 10000 filters", all.clone());
    for parameter in ["domain", "contains", "lookalike", "regex", "issuer"] {
        let of_it =
            all.iter().filter(|(_, filter)| filter.to_query().starts_with(parameter)).cloned().collect();
        measure(&format!("match an entry, those with {parameter}"), of_it);
    }
    group.finish();

    let mut group = c.benchmark_group("filter index");
    group.sample_size(10);
    group.bench_function("build 10000 filters", |b| {
        b.iter(|| FilterIndex::build(all.iter().cloned()).expect("an index").matchers().len());
    });
    let mut index = FilterIndex::build(all.iter().cloned()).expect("an index");
    let values = all.iter().map(|(_, filter)| filter.values()).sum::<usize>();
    let bytes = index.matchers().bytes() + all.iter().map(|(_, filter)| filter.bytes()).sum::<usize>();
    println!("{} filters, {values} values, {} bytes each", all.len(), bytes / values);
    let mut id = all.len() as u64;
    group.bench_function("a subscriber comes and another one goes", |b| {
        b.iter(|| {
            index.add(FilterId(id), all[id as usize % all.len()].1.clone());
            index.remove(FilterId(id - 1000));
            id += 1;
            index.matchers()
        });
    });
    group.finish();
}

criterion_group!(filter_benches, benches);
criterion_main!(filter_benches);
