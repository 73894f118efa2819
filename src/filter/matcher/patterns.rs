//! Many regular expressions.

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

/// Expressions that are searched together. More would need a larger automaton than the cache of one search holds.
const SET: usize = 32;
/// Memory of the cache of one such search, in bytes.
const CACHE: usize = 2 * 1024 * 1024;

/// Regular expressions, numbered by their caller. All have been accepted alone.
#[derive(Default)]
pub(super) struct Patterns {
    sets: Vec<Set>,
}

struct Set {
    numbers: Vec<u32>,
    together: Option<RegexSet>,
    alone: Vec<Regex>,
}

impl Patterns {
    /// Builds the sets of expressions with their numbers.
    pub(super) fn new(regexes: &[(u32, Regex)]) -> Self {
        Patterns { sets: regexes.chunks(SET).map(Set::new).collect() }
    }

    /// Passes the numbers of the expressions that match `name` to `found`.
    pub(super) fn find(&self, name: &str, mut found: impl FnMut(u32)) {
        self.sets.iter().for_each(|set| set.find(name.as_bytes(), &mut found));
    }
}

impl Set {
    fn new(regexes: &[(u32, Regex)]) -> Self {
        let texts = regexes.iter().map(|(_, regex)| regex.as_str());
        let together = RegexSetBuilder::new(texts)
            .case_insensitive(true)
            .unicode(false)
            .dfa_size_limit(CACHE)
            .build()
            .ok()
            .filter(|_| regexes.len() > 1);
        let alone = match together {
            Some(_) => Vec::new(),
            // Together they are too large.
            None => regexes.iter().map(|(_, regex)| regex.clone()).collect(),
        };
        Set { numbers: regexes.iter().map(|(number, _)| *number).collect(), together, alone }
    }

    fn find(&self, name: &[u8], found: &mut impl FnMut(u32)) {
        let alone = self.numbers.iter().zip(&self.alone);
        alone.filter(|(_, regex)| regex.is_match(name)).for_each(|(number, _)| found(*number));
        // It allocates nothing, unlike the search for all.
        if let Some(set) = self.together.as_ref().filter(|set| set.is_match(name)) {
            set.matches(name)
                .iter()
                .filter_map(|index| self.numbers.get(index))
                .for_each(|number| found(*number));
        }
    }
}
