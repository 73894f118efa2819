//! The rules that hold for one entry and its names.

use crate::filter::parameter::Parameter;

/// A value of a parameter: its number among the values of all filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub parameter: Parameter,
    pub number: u32,
}

/// The rules that hold for the entry, and for each name.
#[derive(Default)]
pub(super) struct Fired {
    entry: Vec<Rule>,
    names: Vec<Rule>,
    /// Where the rules of each name end.
    ends: Vec<usize>,
    has_names: bool,
    /// Texts that were already found in the current name.
    pub seen: Marks,
}

impl Fired {
    /// Forgets the previous entry.
    pub(super) fn begin(&mut self) {
        self.entry.clear();
        self.names.clear();
        self.ends.clear();
        self.has_names = false;
    }

    pub(super) fn push_for_entry(&mut self, parameter: Parameter, number: u32) {
        let rule = Rule { parameter, number };
        if !self.entry.contains(&rule) {
            self.entry.push(rule);
        }
    }

    /// Adds a rule for the current name. Each may be added once.
    pub(super) fn push_for_name(&mut self, parameter: Parameter, number: u32) {
        self.names.push(Rule { parameter, number });
    }

    /// Goes on with the next name.
    pub(super) fn end_name(&mut self) {
        self.ends.push(self.names.len());
    }

    /// Notes that the rules of all names are known.
    pub(super) fn end_names(&mut self) {
        self.has_names = true;
    }

    pub(super) fn has_names(&self) -> bool {
        self.has_names
    }

    pub(super) fn entry(&self) -> &[Rule] {
        &self.entry
    }

    /// Number of names.
    pub(super) fn names(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn of_name(&self, name: usize) -> &[Rule] {
        let start = name.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(name).and_then(|end| self.names.get(start..*end)).unwrap_or_default()
    }
}

/// A set of numbers that is emptied at no cost.
#[derive(Default)]
pub(super) struct Marks {
    round: u32,
    marks: Vec<u32>,
}

impl Marks {
    /// Empties the set. From then on it may contain numbers below `count`.
    pub(super) fn begin(&mut self, count: usize) {
        if self.round == u32::MAX {
            self.marks.clear();
            self.round = 0;
        }
        self.round += 1;
        if self.marks.len() < count {
            self.marks.resize(count, 0);
        }
    }

    /// Adds a number. Returns whether it is new.
    pub(super) fn mark(&mut self, number: u32) -> bool {
        let round = self.round;
        self.marks.get_mut(number as usize).is_some_and(|mark| std::mem::replace(mark, round) != round)
    }

    pub(super) fn is_marked(&self, number: u32) -> bool {
        self.marks.get(number as usize) == Some(&self.round)
    }
}
