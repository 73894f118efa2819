//! Many targets at once. Each index only proposes targets, and the definition decides, so a proposal too many costs
//! time and no more.

use super::edits::{self, Hashes};
use super::labels::{Labels, PartKind};
use super::letters::shape;
use super::target::Target;
use super::words;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Targets, numbered from 0.
pub(in crate::filter) struct Lookalikes {
    targets: Vec<Arc<Target>>,
    hashes: Hashes,
    /// Letters of whole parts, and of long targets also without one of their characters.
    letters: Proposals,
    /// Shapes of long targets.
    shapes: Proposals,
    /// Letters of long targets, searched in those of labels.
    inside: Option<AhoCorasick>,
    /// The target of each text of `inside`.
    inside_targets: Vec<u32>,
    has_short: bool,
}

/// Targets by the hash of a text.
#[derive(Default)]
struct Proposals(HashTable<(u64, u32)>);

impl Proposals {
    fn add(&mut self, hash: u64, target: u32) {
        self.0.insert_unique(hash, (hash, target), |(hash, _)| *hash);
    }

    fn find(&self, hash: u64) -> impl Iterator<Item = u32> {
        self.0.iter_hash(hash).filter(move |(other, _)| *other == hash).map(|(_, target)| *target)
    }
}

impl Lookalikes {
    /// Builds the index. `None` if the targets are too large together, gigabytes.
    pub(in crate::filter) fn new(targets: Vec<Arc<Target>>) -> Option<Self> {
        let hashes = Hashes::new(RandomState::new().hash_one("look-alikes"));
        let (mut letters, mut shapes) = (Proposals::default(), Proposals::default());
        for (number, target) in (0..).zip(&targets) {
            target.with_suffix().into_iter().for_each(|text| letters.add(hashes.whole(text), number));
            if target.is_long() {
                hashes.visit(target.chars(), |hash| letters.add(hash, number));
                shapes.add(hashes.whole(target.shape()), number);
            } else {
                letters.add(hashes.whole(target.letters()), number);
            }
        }
        let long = (0..).zip(&targets).filter(|(_, target)| target.is_long());
        let (inside_targets, texts): (Vec<u32>, Vec<&str>) =
            long.map(|(number, t)| (number, t.letters())).unzip();
        let mut builder = AhoCorasick::builder();
        builder.kind(Some(AhoCorasickKind::ContiguousNFA));
        let inside = if texts.is_empty() { None } else { Some(builder.build(texts).ok()?) };
        let has_short = targets.iter().any(|target| !target.is_long());
        Some(Lookalikes { targets, hashes, letters, shapes, inside, inside_targets, has_short })
    }

    pub(in crate::filter) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Number of targets.
    pub(in crate::filter) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Memory, in bytes.
    pub(in crate::filter) fn bytes(&self) -> usize {
        let tables = self.letters.0.allocation_size() + self.shapes.0.allocation_size();
        let inside = self.inside.as_ref().map_or(0, AhoCorasick::memory_usage);
        tables
            + inside
            + self.inside_targets.len() * 4
            + self.targets.iter().map(|target| target.bytes()).sum::<usize>()
    }

    /// Whether a name looks like a target.
    pub(in crate::filter) fn is_like(&self, number: u32, labels: &Labels<'_>) -> bool {
        self.targets.get(number as usize).is_some_and(|target| target.likeness(labels).is_some())
    }

    /// Passes the numbers of all targets that a name may look like to `propose`, some more than once.
    pub(in crate::filter) fn propose(&self, labels: &Labels<'_>, mut propose: impl FnMut(u32)) {
        for part in labels.parts() {
            if let Some(chars) = edits::chars(part.letters) {
                self.hashes.visit(&chars, |hash| self.letters.find(hash).for_each(&mut propose));
            }
            self.shapes.find(self.hashes.whole(&shape(part.letters))).for_each(&mut propose);
            if self.has_short {
                let labels = words::without_added(part.letters).map(|label| self.hashes.whole(label));
                labels.for_each(|hash| self.letters.find(hash).for_each(&mut propose));
            }
            if part.kind != PartKind::Token
                && let Some(inside) = &self.inside
            {
                let found = inside.find_overlapping_iter(part.letters);
                let targets = found.filter_map(|found| self.inside_targets.get(found.pattern().as_usize()));
                targets.for_each(|number| propose(*number));
            }
        }
        if let Some(letters) = labels.joined() {
            self.letters.find(self.hashes.whole(&letters)).for_each(&mut propose);
        }
    }
}
