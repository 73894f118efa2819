//! The indexes of rules: which hold for an entry or for a name.

use super::fired::Fired;
use super::lists::Lists;
use super::literal;
use super::patterns::Patterns;
use super::substrings::Substrings;
use super::table::TextTable;
use crate::filter::facts::{Facts, Names};
use crate::filter::lookalike::{Labels, Lookalikes, Target};
use crate::filter::names::{has_punycode, to_u_labels, with_parents};
use crate::filter::parameter::Parameter;
use enum_map::EnumMap;
use regex::bytes::Regex;
use std::sync::Arc;

/// The rules of all filters, numbered by parameter.
pub(super) struct RuleIndex {
    /// The values of the parameters that are compared as a whole, of the others nothing.
    tables: EnumMap<Parameter, TextTable>,
    /// The values of `contains` by number, and then the texts that regular expressions require.
    substrings: Substrings,
    /// Number of values of `contains`.
    contains: u32,
    /// The values of `contains` that are looked for in U-labels, in ascending order.
    in_u_labels: Vec<u32>,
    /// By required text, the indexes of expressions in `guarded`.
    guards: Lists,
    /// The expressions that are only tried if the name has the text that they require.
    guarded: Vec<(u32, Regex)>,
    /// The others.
    patterns: Patterns,
    lookalikes: Lookalikes,
    has_any_about_names: bool,
}

impl RuleIndex {
    /// Builds the indexes of the values in `tables`, with what was made of those of `regex` and `lookalike`, by number.
    /// `None` if they are too large, gigabytes.
    pub(super) fn new(
        mut tables: EnumMap<Parameter, TextTable>,
        regexes: Vec<Regex>,
        targets: Vec<Arc<Target>>,
    ) -> Option<Self> {
        let has_any_about_names =
            tables.iter().any(|(parameter, table)| parameter.is_about_names() && !table.is_empty());
        let contains = std::mem::take(&mut tables[Parameter::Contains]);
        for parameter in [Parameter::Regex, Parameter::Lookalike] {
            drop(std::mem::take(&mut tables[parameter]));
        }
        let (mut required, mut pairs) = (TextTable::default(), Vec::new());
        let (mut guarded, mut unguarded) = (Vec::new(), Vec::new());
        for (number, regex) in (0..).zip(regexes) {
            match literal::required(regex.as_str()) {
                Some(text) => {
                    pairs.push((required.insert(&text)?, u32::try_from(guarded.len()).ok()?));
                    guarded.push((number, regex));
                }
                None => unguarded.push((number, regex)),
            }
        }
        tables.values_mut().for_each(TextTable::shrink);
        Some(RuleIndex {
            tables,
            substrings: Substrings::new(contains.iter().chain(required.iter()))?,
            contains: u32::try_from(contains.len()).ok()?,
            in_u_labels: (0..)
                .zip(contains.iter())
                .filter(|(_, text)| !text.is_ascii())
                .map(|(n, _)| n)
                .collect(),
            guards: Lists::new(required.len(), &pairs),
            guarded,
            patterns: Patterns::new(&unguarded),
            lookalikes: Lookalikes::new(targets)?,
            has_any_about_names,
        })
    }

    /// Memory, in bytes. Compiled regular expressions are not counted.
    pub(super) fn bytes(&self) -> usize {
        let tables = self.tables.values().map(TextTable::bytes).sum::<usize>();
        let guarded = self.guarded.len() * size_of::<(u32, Regex)>();
        tables + self.substrings.bytes() + self.guards.bytes() + guarded + self.lookalikes.bytes()
    }

    /// Finds the rules that hold for the entry, apart from its names.
    pub(super) fn find_in_entry(&self, facts: &Facts<'_>, fired: &mut Fired) {
        let mut find = |parameter: Parameter, text: &str| {
            if let Some(number) = self.tables[parameter].find(text) {
                fired.push_for_entry(parameter, number);
            }
        };
        // The certificate is only read if a filter asks for its issuer.
        if !self.tables[Parameter::Issuer].is_empty() {
            facts.issuer().iter().for_each(|issuer| find(Parameter::Issuer, issuer));
        }
        facts.log().iter().for_each(|log| find(Parameter::Log, log));
        find(Parameter::Operator, facts.operator());
        facts.entry_type().into_iter().for_each(|entry_type| find(Parameter::Type, entry_type));
    }

    /// Finds the rules that hold for each name.
    pub(super) fn find_in_names(&self, names: &Names, fired: &mut Fired) {
        for name in names.iter() {
            if self.has_any_about_names {
                self.find_domains(name, fired);
                self.find_substrings(name, fired);
                self.find_lookalikes(name, fired);
                self.patterns.find(name, |number| fired.push_for_name(Parameter::Regex, number));
            }
            fired.end_name();
        }
        fired.end_names();
    }

    fn find_domains(&self, name: &str, fired: &mut Fired) {
        let table = &self.tables[Parameter::Domain];
        if table.is_empty() {
            return;
        }
        let found = with_parents(name, table.longest()).filter_map(|domain| table.find(domain));
        found.for_each(|number| fired.push_for_name(Parameter::Domain, number));
    }

    /// Finds values of `contains`, and regular expressions that require a text.
    fn find_substrings(&self, name: &str, fired: &mut Fired) {
        if self.substrings.is_empty() {
            return;
        }
        fired.seen.begin(self.contains as usize + self.guarded.len());
        for number in self.substrings.find(name) {
            match number.checked_sub(self.contains) {
                None if self.is_in_u_labels(number) => {}
                None => self.push_contains(number, fired),
                Some(text) => {
                    self.guards.get(text).iter().for_each(|index| self.try_guarded(*index, name, fired))
                }
            }
        }
        if !self.in_u_labels.is_empty() && (has_punycode(name) || !name.is_ascii()) {
            let name = to_u_labels(name);
            let found = self.substrings.find(&name).filter(|number| self.is_in_u_labels(*number));
            found.for_each(|number| self.push_contains(number, fired));
        }
    }

    fn find_lookalikes(&self, name: &str, fired: &mut Fired) {
        if self.lookalikes.is_empty() {
            return;
        }
        fired.seen.begin(self.lookalikes.len());
        let labels = Labels::new(name);
        self.lookalikes.propose(&labels, |number| {
            if fired.seen.mark(number) && self.lookalikes.is_like(number, &labels) {
                fired.push_for_name(Parameter::Lookalike, number);
            }
        });
    }

    fn is_in_u_labels(&self, number: u32) -> bool {
        self.in_u_labels.binary_search(&number).is_ok()
    }

    fn push_contains(&self, number: u32, fired: &mut Fired) {
        if fired.seen.mark(number) {
            fired.push_for_name(Parameter::Contains, number);
        }
    }

    fn try_guarded(&self, index: u32, name: &str, fired: &mut Fired) {
        let Some((number, regex)) = self.guarded.get(index as usize) else { return };
        if fired.seen.mark(self.contains + index) && regex.is_match(name.as_bytes()) {
            fired.push_for_name(Parameter::Regex, *number);
        }
    }
}
