//! Creates the initial inputs of the fuzz targets: certificates and entries from the same sources as these
//! tests.

use crate::der;
use crate::rare;
use crate::sources::{self, Recorded};
use certstream_server::certificate::Issuer;
use certstream_server::ct::consistency::proof_ranges;
use certstream_server::ct::entry::{self, LogEntry, LogEntryType};
use certstream_server::ct::proof_json;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum length of an input, in bytes. The fuzzer truncates longer ones.
const MAX_LEN: usize = 4096;
/// Number of entries from each source, evenly distributed: enough for variety, and fast to load.
const ENTRIES: usize = 300;

/// Filters, a line each, and names that some of them want.
const FILTERS: [&str; 4] = [
    "domain=example.com,!www.example.com\ncontains=exam&contains=!ple.org\n\nwww.example.com\na.example.com",
    "lookalike=paypal.com&domain=!paypal.me\nlookalike=b%C3%BCcher.example\nlookalike=apple.com,ebay.com\n\n\
     paypa1.com\nxn--bcher-kva.example\nlogin-paypal.net\npaypal.com.evil.test\nmyappleid.com\nebaylogin.test",
    "regex=^(mail|mx)[0-9]+\\.&type=!x509\nregex=a.*b&domain=test\nregex=^$\n\nmail7.test\nacb.test\n*.a.test",
    "issuer=Let's%20Encrypt&operator=An%20operator\nlog=ct.example&type=precert\nlog=!A%20log\ncontains=%C3%BC\n\n\
     B\u{dc}CHER.example\n..\nxn--a\n",
];

/// The extensions in the order of the fuzz target `extensions`.
const EXTENSIONS: [&str; 46] = [
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.16",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.19",
    "2.5.29.20",
    "2.5.29.21",
    "2.5.29.27",
    "2.5.29.28",
    "2.5.29.29",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.35",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.46",
    "2.5.29.54",
    "1.3.6.1.5.5.7.1.1",
    "1.3.6.1.5.5.7.1.7",
    "1.3.6.1.5.5.7.1.8",
    "1.3.6.1.5.5.7.1.11",
    "1.3.6.1.5.5.7.1.14",
    "1.3.6.1.5.5.7.1.24",
    "1.3.6.1.5.5.7.48.1.3",
    "1.3.6.1.5.5.7.48.1.4",
    "1.3.6.1.5.5.7.48.1.5",
    "1.3.6.1.5.5.7.48.1.7",
    "1.3.6.1.4.1.11129.2.4.2",
    "1.3.6.1.4.1.11129.2.4.3",
    "1.3.6.1.4.1.11129.2.4.5",
    "2.16.840.1.113730.1.1",
    "2.16.840.1.113730.1.2",
    "2.16.840.1.113730.1.3",
    "2.16.840.1.113730.1.4",
    "2.16.840.1.113730.1.7",
    "2.16.840.1.113730.1.8",
    "2.16.840.1.113730.1.12",
    "2.16.840.1.113730.1.13",
    "1.3.101.1.4.1",
    "1.3.36.8.3.3",
    "2.5.29.24",
    "1.3.6.1.5.5.7.1.3",
    "1.2.3.4",
];

#[test]
fn every_extension_that_is_tested_is_fuzzed() {
    // Extensions with a name but no printer.
    const WITHOUT_WORDS: [&str; 9] = [
        "2.5.29.23",
        "2.5.29.9",
        "2.5.29.55",
        "2.5.29.56",
        "1.2.643.100.112",
        "1.2.643.100.111",
        "2.5.4.3",
        "1.3.6.1.5.5.7.48.1.2",
        "1.3.6.1.5.5.7.48.1.6",
    ];
    let tested: HashSet<_> = rare::all().iter().map(|(dotted, _)| dotted.as_str()).collect();
    let known: HashSet<_> = EXTENSIONS.into_iter().chain(WITHOUT_WORDS).collect();
    assert_eq!(tested.symmetric_difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
#[ignore = "writes the seeds of the fuzz targets into the folder that FUZZ_SEEDS names: scripts/fuzz.sh runs it"]
fn fuzz_seeds() {
    let folder = PathBuf::from(std::env::var("FUZZ_SEEDS").expect("FUZZ_SEEDS"));
    let mut seeds = Seeds { folder, written: BTreeMap::new() };
    let recorded = ["live", "pyca", "crafted", "limbo"].into_iter().filter_map(sources::conformance);
    for entries in recorded.chain([sources::demo(50)]) {
        let step = entries.len().div_ceil(ENTRIES);
        entries.iter().step_by(step).for_each(|entry| seeds.add_entry(entry));
    }
    for (dotted, value) in rare::all() {
        let der = der::Certificate::with_extension(dotted, value).der();
        seeds.add("certificate", &der);
        if let Some(place) = EXTENSIONS.iter().position(|extension| extension == dotted) {
            seeds.add("extensions", &[&[place as u8], value.as_slice()].concat());
        }
    }
    seeds.add_proofs();
    FILTERS.iter().for_each(|seed| seeds.add("filters", seed.as_bytes()));
    println!("{:?}", seeds.written);
    assert_eq!(seeds.written.len(), 7, "seeds for every target");
}

struct Seeds {
    folder: PathBuf,
    written: BTreeMap<&'static str, usize>,
}

impl Seeds {
    fn add_entry(&mut self, recorded: &Recorded) {
        let page = serde_json::json!({ "entries":
            [{ "leaf_input": recorded.leaf_input, "extra_data": recorded.extra_data }] });
        self.add("get_entries_page", page.to_string().as_bytes());
        let Some((leaf_input, extra_data)) = recorded.bytes() else { return };
        let length = u16::try_from(leaf_input.len()).unwrap_or(u16::MAX).to_be_bytes();
        self.add("log_entry", &[&length[..], &leaf_input, &extra_data].concat());
        if let Ok(entry) = entry::decode(&leaf_input, &extra_data, Issuer::unshared) {
            self.add("certificate", &entry.certificate);
            self.add_tile_leaf(&leaf_input, &entry);
        }
    }

    /// Adds the TileLeaf of static-ct-api for the MerkleTreeLeaf, with one issuer.
    fn add_tile_leaf(&mut self, leaf_input: &[u8], entry: &LogEntry) {
        let Some(signed) = leaf_input.get(2..leaf_input.len() - 2) else { return };
        let extensions = [0, 8, 0 /* leaf_index */, 0, 5, 0, 0, 0, 0, 7];
        let mut leaf = [signed, &extensions].concat();
        if entry.entry_type == LogEntryType::Precert {
            leaf.extend_from_slice(&(entry.certificate.len() as u32).to_be_bytes()[1..]);
            leaf.extend_from_slice(&entry.certificate);
        }
        leaf.extend_from_slice(&[0, 32]);
        leaf.extend_from_slice(&[0xAA; 32]);
        self.add("tile", &leaf);
    }

    /// Adds proofs of the right length between various sizes, with hashes that lead to no root.
    fn add_proofs(&mut self) {
        for (first, second) in
            [(0, 9), (1, 2), (6, 7), (8, 300), (9, 9), (1_000, 1 << 40), (5, u64::MAX), (9, 5)]
        {
            let proof = vec![[0xAA; 32]; proof_ranges(first, second).len()];
            let roots = [[1; 32], [2; 32]].concat();
            let sizes = [first.to_be_bytes(), second.to_be_bytes()].concat();
            self.add("consistency", &[sizes, roots, proof.concat()].concat());
            self.add("consistency", proof_json::to_json(&proof).as_bytes());
        }
    }

    fn add(&mut self, target: &'static str, seed: &[u8]) {
        if seed.len() > MAX_LEN {
            return;
        }
        let folder: &Path = &self.folder.join(target);
        fs::create_dir_all(folder).expect("a folder");
        let name: String = openssl::sha::sha1(seed).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.join(name), seed).expect("a file");
        *self.written.entry(target).or_default() += 1;
    }
}
