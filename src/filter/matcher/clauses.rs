//! What each filter says, in the numbers of rules.

use super::fired::Rule;
use crate::filter::parameter::Parameter;

/// The wanted or excluded values of one parameter of a filter.
struct Clause {
    parameter: Parameter,
    excludes: bool,
    /// Where its rules end. They begin where those of the clause before it end.
    end: u32,
}

/// The clauses of all filters, by slot.
#[derive(Default)]
pub(super) struct Clauses {
    clauses: Vec<Clause>,
    /// The end of each filter's clauses.
    ends: Vec<u32>,
    /// In ascending order in each clause.
    rules: Vec<u32>,
}

impl Clauses {
    /// Adds a clause to the filter whose clauses are being added.
    pub(super) fn push(&mut self, parameter: Parameter, excludes: bool, rules: &mut [u32]) {
        rules.sort_unstable();
        self.rules.extend_from_slice(rules);
        self.clauses.push(Clause { parameter, excludes, end: self.rules.len() as u32 });
    }

    /// Goes on with the next filter.
    pub(super) fn end_filter(&mut self) {
        self.ends.push(self.clauses.len() as u32);
    }

    /// Gives back memory that was only needed to add clauses.
    pub(super) fn shrink(&mut self) {
        self.clauses.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.rules.shrink_to_fit();
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.clauses.len() * size_of::<Clause>() + (self.ends.len() + self.rules.len()) * size_of::<u32>()
    }

    /// Whether a filter holds for an entry for which the rules `fired` hold, apart from its names.
    pub(super) fn hold_for_entry(&self, slot: u32, fired: &[Rule]) -> bool {
        self.of(slot).all(|(clause, rules)| clause.parameter.is_about_names() || clause.holds(rules, fired))
    }

    /// Whether what a filter says about names holds for a name for which the rules `fired` hold.
    pub(super) fn hold_for_name(&self, slot: u32, fired: &[Rule]) -> bool {
        self.of(slot).all(|(clause, rules)| !clause.parameter.is_about_names() || clause.holds(rules, fired))
    }

    /// Whether a filter says anything about names.
    pub(super) fn are_about_names(&self, slot: u32) -> bool {
        self.of(slot).any(|(clause, _)| clause.parameter.is_about_names())
    }

    fn of(&self, slot: u32) -> impl Iterator<Item = (&Clause, &[u32])> {
        let end_of = |slot: usize| self.ends.get(slot).map(|end| *end as usize);
        let start = (slot as usize).checked_sub(1).and_then(end_of).unwrap_or(0);
        let clauses = end_of(slot as usize).and_then(|end| self.clauses.get(start..end)).unwrap_or_default();
        let before = start.checked_sub(1).and_then(|before| self.clauses.get(before));
        let mut first_rule = before.map_or(0, |clause| clause.end as usize);
        clauses.iter().map(move |clause| {
            let end = clause.end as usize;
            (clause, self.rules.get(std::mem::replace(&mut first_rule, end)..end).unwrap_or_default())
        })
    }
}

impl Clause {
    fn holds(&self, rules: &[u32], fired: &[Rule]) -> bool {
        let is_of_it =
            |rule: &Rule| rule.parameter == self.parameter && rules.binary_search(&rule.number).is_ok();
        fired.iter().any(is_of_it) != self.excludes
    }
}
