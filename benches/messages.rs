//! Measures the cost of one certificate from the bytes of a log to the messages of the streams.
//!
//! The entries are from the file in CERTSTREAM_BENCH_ENTRIES, a JSON array of `leaf_input` and `extra_data`,
//! to measure real entries. By default they are from the demo log. Throughput is in entries.

use bytes::Bytes;
use certstream_server::certificate::{Certificate, Issuer, Leaf, LeafKind};
use certstream_server::ct::entry::{self, Content, LogEntry, LogEntryType};
use certstream_server::ct::source::{Protocol, Source};
use certstream_server::ct::{get_entries, tile};
use certstream_server::demo::{DemoLog, DemoLogOptions};
use certstream_server::message::{CertEntry, EntryBatch, Stream};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

/// Number of entries in a page or tile.
const PAGE: usize = 256;

#[derive(serde::Deserialize, serde::Serialize)]
struct Recorded {
    leaf_input: String,
    extra_data: String,
}

fn recorded() -> Vec<Recorded> {
    match std::env::var("CERTSTREAM_BENCH_ENTRIES") {
        Ok(path) => serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("entries"),
        Err(_) => demo_entries(),
    }
}

fn demo_entries() -> Vec<Recorded> {
    let base64 = |bytes: &Bytes| base64_simd::STANDARD.encode_to_string(bytes);
    actix::System::new().block_on(async {
        let options = DemoLogOptions { rate: 0.0, initial: PAGE as u64, ..DemoLogOptions::default() };
        let log = DemoLog::start(options).await.expect("the demo log");
        let entries = (0..PAGE as u64).filter_map(|i| log.entry(i));
        let entries = entries
            .map(|e| Recorded { leaf_input: base64(&e.leaf_input), extra_data: base64(&e.extra_data) })
            .collect();
        log.stop().await;
        entries
    })
}

/// The input of one run.
struct Input {
    page: Vec<u8>,
    entries: Vec<LogEntry>,
    tile: Bytes,
    issuers: HashMap<tile::Fingerprint, Arc<Issuer>>,
    /// Shared by certificate, as the client of RFC 6962 logs shares them.
    issuers_by_der: Cache<Bytes, Arc<Issuer>>,
    source: Arc<Source>,
}

fn input() -> Input {
    let recorded = recorded();
    let page: Vec<&Recorded> = recorded.iter().cycle().take(PAGE).collect();
    let page = serde_json::to_vec(&serde_json::json!({ "entries": page })).expect("a page");
    let parsed = get_entries::parse(&page, usize::MAX, |raw| {
        let raw = raw.expect("base64");
        let entry = entry::decode(raw.leaf_input, raw.extra_data, Issuer::unshared).expect("an entry");
        (raw.leaf_input.to_vec(), entry)
    });
    let (leaves, entries): (Vec<_>, Vec<_>) = parsed.expect("a page").into_iter().unzip();
    let issuers = entries.iter().flat_map(|e| &e.chain);
    let issuers = issuers.map(|issuer| (*issuer.fingerprint(), issuer.clone())).collect();
    let tile = entries
        .iter()
        .zip(&leaves)
        .zip(0..)
        .flat_map(|((entry, leaf_input), index)| tile_leaf(entry, leaf_input, index))
        .collect();
    let source = Source::new("https://ct.example/2026", "Bench", "Bench", None, Protocol::Rfc6962);
    Input { page, entries, tile, issuers, issuers_by_der: Cache::new(1024), source: Arc::new(source) }
}

fn tile_leaf(entry: &LogEntry, leaf_input: &[u8], index: u64) -> Vec<u8> {
    let mut leaf = leaf_input[2..leaf_input.len() - 2].to_vec();
    leaf.extend([0, 8, 0, 0, 5]);
    leaf.extend(&index.to_be_bytes()[3..]);
    if entry.entry_type == LogEntryType::Precert {
        leaf.extend(&(entry.certificate.len() as u32).to_be_bytes()[1..]);
        leaf.extend(&entry.certificate);
    }
    leaf.extend((entry.chain.len() as u16 * 32).to_be_bytes());
    entry.chain.iter().for_each(|issuer| leaf.extend(issuer.fingerprint()));
    leaf
}

impl Input {
    fn batch(&self, entries: impl Iterator<Item = LogEntry>) -> EntryBatch {
        let entry = |(entry, index)| CertEntry::new(self.source.clone(), index, 1, Content::Entry(entry));
        EntryBatch::new(entries.zip(0..).map(entry).collect())
    }

    fn interned(&self, der: &[u8]) -> Arc<Issuer> {
        self.issuers_by_der.get(der).unwrap_or_else(|| {
            let issuer = Issuer::unshared(der);
            self.issuers_by_der.insert(issuer.der().clone(), issuer.clone());
            issuer
        })
    }

    fn page_batch(&self) -> EntryBatch {
        let page = get_entries::parse(&self.page, usize::MAX, |raw| {
            let raw = raw.expect("base64");
            entry::decode(raw.leaf_input, raw.extra_data, |der| self.interned(der)).expect("an entry")
        });
        self.batch(page.expect("a page").into_iter())
    }

    fn tile_batch(&self) -> EntryBatch {
        self.batch(tile::leaves(&self.tile).map(|leaf| {
            let leaf = leaf.expect("a leaf");
            let chain = leaf.chain.iter().filter_map(|fp| self.issuers.get(fp)).cloned().collect();
            leaf.into_entry(chain, None)
        }))
    }
}

fn benches(c: &mut Criterion) {
    let input = input();
    let mut group = c.benchmark_group("entry");
    group.throughput(Throughput::Elements(PAGE as u64));
    group.bench_function("decode a get-entries page", |b| {
        b.iter(|| get_entries::parse(black_box(&input.page), usize::MAX, |raw| black_box(raw).is_ok()))
    });
    group.bench_function("word the leaf", |b| {
        let mut out = Vec::with_capacity(1 << 20);
        b.iter(|| {
            out.clear();
            for entry in &input.entries {
                black_box(
                    Certificate::parse(&entry.certificate).write_leaf(
                        Leaf { kind: LeafKind::X509, tbs_sha256: None, with_der: true },
                        &mut out,
                    ),
                );
            }
        });
    });
    for stream in Stream::ALL {
        group.bench_function(format!("make {stream} messages"), |b| {
            b.iter(|| input.batch(input.entries.iter().cloned()).frames(stream).len());
        });
    }
    group.bench_function("page to full messages", |b| {
        b.iter(|| input.page_batch().frames(Stream::Full).len())
    });
    group.bench_function("page to lite messages", |b| {
        b.iter(|| input.page_batch().frames(Stream::Lite).len())
    });
    group.bench_function("tile to full messages", |b| {
        b.iter(|| input.tile_batch().frames(Stream::Full).len())
    });
    group.bench_function("tile to lite messages", |b| {
        b.iter(|| input.tile_batch().frames(Stream::Lite).len())
    });
    group.finish();
}

criterion_group!(messages, benches);
criterion_main!(messages);
