//! Measures the cost of verifying entries: the tree over them, a proof from head to head, and the comparison
//! of precertificates with the data that the log signed.

use bytes::Bytes;
use certstream_server::certificate::{Issuer, precert};
use certstream_server::ct::consistency::{Node, build, complete_subtrees, frontier, range_root, verify};
use certstream_server::ct::hash_tile::{HashTile, consistency_proof, tiles_for_consistency};
use certstream_server::ct::head::Head;
use certstream_server::ct::merkle::{CompactTree, Hash, leaf_hash, node_hash};
use certstream_server::ct::source::LogIdentifier;
use certstream_server::demo::{DemoLog, DemoLogOptions, EntryKind};
use certstream_server::state::{Ledger, Position, Positions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

/// Number of entries in a page or tile.
const PAGE: usize = 256;
/// Typical size of a MerkleTreeLeaf, in bytes.
const LEAF: usize = 1_500;
/// The size of a log with a billion entries, and its size some minutes earlier. The earlier size is odd,
/// which makes the proof as long as possible.
const SECOND: u64 = 1 << 30;
const FIRST: u64 = SECOND - 54_321;

/// The subtrees of a tree in which all leaves are equal, one for each height.
struct Alike(Vec<Hash>);

impl Alike {
    fn new() -> Self {
        Self(
            std::iter::successors(Some(leaf_hash(b"")), |hash| Some(node_hash(hash, hash)))
                .take(64)
                .collect(),
        )
    }

    fn node(&self, node: Node) -> Option<Hash> {
        self.0.get(usize::from(node.height)).copied()
    }

    fn root(&self, tree_size: u64) -> Hash {
        range_root(0..tree_size, &mut |node| self.node(node)).expect("a root")
    }

    fn tile(&self, tile: HashTile) -> Vec<Hash> {
        vec![self.0[8 * usize::from(tile.level)]; tile.width.into()]
    }
}

fn entries(c: &mut Criterion) {
    let leaves: Vec<Vec<u8>> = (0..PAGE).map(|i| vec![i as u8; LEAF]).collect();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let alike = Alike::new();
    let frontier = complete_subtrees(0..FIRST).filter_map(|node| alike.node(node)).collect();
    let tree = CompactTree::from_frontier(FIRST, frontier).expect("a tree");
    let mut group = c.benchmark_group("entry");
    group.throughput(Throughput::Elements(PAGE as u64));
    group.bench_function("hash the leaf and push it", |b| {
        b.iter(|| {
            let mut tree = tree.clone();
            black_box(&leaves).iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
            tree.root()
        });
    });
    group.bench_function("push its hash", |b| {
        b.iter(|| {
            let mut tree = tree.clone();
            black_box(&hashes).iter().for_each(|hash| tree.push(*hash));
            tree.root()
        });
    });
    group.finish();
}

fn proofs(c: &mut Criterion) {
    let alike = Alike::new();
    let (first_root, second_root) = (alike.root(FIRST), alike.root(SECOND));
    let proof = build(FIRST, SECOND, &mut |node| alike.node(node)).expect("a proof");
    let tiles: HashMap<_, _> =
        tiles_for_consistency(FIRST, SECOND).into_iter().map(|tile| (tile, alike.tile(tile))).collect();
    assert_eq!(consistency_proof(FIRST, SECOND, &tiles).as_ref(), Some(&proof));
    println!("a proof of {} hashes, out of {} tiles", proof.len(), tiles.len());
    let mut group = c.benchmark_group("proof");
    group.bench_function("verify", |b| {
        b.iter(|| verify(FIRST, &first_root, SECOND, &second_root, black_box(&proof)).expect("consistent"))
    });
    group.bench_function("take the frontier", |b| {
        b.iter(|| frontier(FIRST, SECOND, &second_root, black_box(&proof), None).expect("a tree"))
    });
    group.bench_function("make of tiles", |b| b.iter(|| consistency_proof(FIRST, SECOND, black_box(&tiles))));
    group.finish();
}

/// A precert entry, and the TBSCertificate that its log signed.
struct Precert {
    issuer_key_hash: Hash,
    tbs: Vec<u8>,
    precertificate: Bytes,
    chain: Vec<Arc<Issuer>>,
}

/// Precerts of the demo log, from all of its authorities.
fn demo_precerts() -> Vec<Precert> {
    actix::System::new().block_on(async {
        let options = DemoLogOptions { rate: 0.0, initial: PAGE as u64, ..DemoLogOptions::default() };
        let log = DemoLog::start(options).await.expect("the demo log");
        let entries = (0..PAGE as u64).filter_map(|i| log.entry(i));
        let precerts = entries.filter(|entry| entry.kind == EntryKind::Precert).map(|entry| Precert {
            issuer_key_hash: *entry.leaf_input[12..].first_chunk().expect("a leaf"),
            // After its length, and before the length of the empty extensions.
            tbs: entry.leaf_input[47..entry.leaf_input.len() - 2].to_vec(),
            precertificate: entry.certificate,
            chain: entry.chain.iter().map(|der| Issuer::unshared(der)).collect(),
        });
        let precerts = precerts.collect();
        log.stop().await;
        precerts
    })
}

fn precerts(c: &mut Criterion) {
    let precerts = demo_precerts();
    let mut group = c.benchmark_group("precert");
    group.throughput(Throughput::Elements(precerts.len() as u64));
    group.bench_function("compare with what was signed", |b| {
        b.iter(|| {
            for it in black_box(&precerts) {
                precert::check_tbs(&it.tbs, &it.precertificate, &it.chain).expect("the same");
            }
        });
    });
    group.bench_function("and check the issuer's key", |b| {
        b.iter(|| {
            for it in black_box(&precerts) {
                precert::check(&it.tbs, &it.issuer_key_hash, &it.precertificate, &it.chain)
                    .expect("the same");
            }
        });
    });
    group.finish();
}

/// Positions of 40 logs with a billion entries each. The folder is in memory if possible, because waiting for
/// a disk takes no CPU time.
fn state(c: &mut Criterion) {
    let alike = Alike::new();
    let frontier: Vec<Hash> = complete_subtrees(0..FIRST).filter_map(|node| alike.node(node)).collect();
    let tree = CompactTree::from_frontier(FIRST, frontier).expect("a tree");
    let bytes = Bytes::from(vec![b'x'; 300]);
    let head = Head { tree_size: FIRST, timestamp_ms: 1, root_hash: tree.root(), signed: true, bytes };
    let ledger = Ledger { next: FIRST, delivered: FIRST, ..Ledger::from(0) };
    let position =
        Position { ledger, tree: Some(tree), head: Some(head), ..Position::at("https://ct.example.com", 0) };
    let memory = std::path::Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let dir = dir.expect("a folder");
    let positions = Positions::load(dir.path()).expect("no positions yet");
    let logs: Vec<_> = (0..40).map(|i| LogIdentifier::LogId([i; 32])).collect();
    let mut group = c.benchmark_group("state");
    group.bench_function("move one log's position", |b| b.iter(|| positions.set(&logs[0], position.clone())));
    logs.iter().for_each(|log| positions.set(log, position.clone()));
    group.bench_function("save the positions of 40 logs", |b| {
        b.iter(|| {
            positions.set(&logs[0], position.clone());
            positions.save().expect("saved");
        });
    });
    group.finish();
}

criterion_group!(verification, entries, proofs, precerts, state);
criterion_main!(verification);
