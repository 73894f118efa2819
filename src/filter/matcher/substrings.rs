//! Many texts searched in a name at once: the values of `contains`, and the texts that regular expressions require.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// An automaton for many texts, which are numbered from 0. Its size is proportional to them.
#[derive(Default)]
pub(super) struct Substrings(Option<AhoCorasick>);

impl Substrings {
    /// Builds the automaton. `None` if the texts together are too large for it, 2 GiB.
    pub(super) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            return Some(Substrings(None));
        }
        let mut builder = AhoCorasick::builder();
        // The smallest of the kinds that can be searched quickly.
        builder.kind(Some(AhoCorasickKind::ContiguousNFA)).match_kind(MatchKind::Standard);
        Some(Substrings(Some(builder.build(texts).ok()?)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The numbers of the texts in `name`, one for each occurrence.
    pub(super) fn find(&self, name: &str) -> impl Iterator<Item = u32> {
        let found = self.0.iter().flat_map(move |automaton| automaton.find_overlapping_iter(name));
        found.map(|found| found.pattern().as_u32())
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}
