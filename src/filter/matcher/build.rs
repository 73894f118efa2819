//! Builds a matcher.

use super::clauses::Clauses;
use super::lists::Lists;
use super::rules::RuleIndex;
use super::search::{FilterId, Matcher};
use super::table::TextTable;
use crate::filter::lookalike::Target;
use crate::filter::model::{Filter, Values};
use crate::filter::parameter::Parameter;
use crate::filter::texts::Texts;
use enum_map::EnumMap;
use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value of `contains` with fewer bytes is in too many names to wait for.
const SHORT: usize = 4;

/// The work that a filter is in a matcher's building.
pub(in crate::filter) fn weight(filter: &Filter) -> usize {
    filter.values() + 1
}

impl Matcher {
    /// Builds the matcher of these filters. Of those with the same id the last one is kept. `None` if they are too
    /// large, gigabytes.
    pub(in crate::filter) fn build(filters: impl Iterator<Item = (FilterId, Arc<Filter>)>) -> Option<Self> {
        let filters: BTreeMap<_, _> = filters.collect();
        let mut builder = Builder::default();
        for (slot, filter) in (0..).zip(filters.values()) {
            builder.add(slot, filter)?;
        }
        let weight = filters.values().map(|filter| weight(filter)).sum();
        let (ids, filters) = filters.into_iter().unzip();
        builder.finish(ids, filters, weight)
    }
}

#[derive(Default)]
struct Builder {
    tables: EnumMap<Parameter, TextTable>,
    /// By number of the value of `regex`.
    regexes: Vec<Regex>,
    /// By number of the value of `lookalike`.
    targets: Vec<Arc<Target>>,
    clauses: Clauses,
    /// The rule that is waited for, and the slot that waits.
    triggers: EnumMap<Parameter, Vec<(u32, u32)>>,
    untriggered: Vec<u32>,
    /// Number of filters that wait for a rule about names.
    waiting_for_names: usize,
    /// How many of them want a value of a parameter about the entry.
    wanting: EnumMap<Parameter, usize>,
}

impl Builder {
    fn add(&mut self, slot: u32, filter: &Filter) -> Option<()> {
        let trigger = trigger(filter);
        for (parameter, condition) in &filter.conditions {
            let parameter = *parameter;
            let mut wanted = self.number(parameter, &condition.wanted)?;
            if trigger == Some(parameter) {
                self.triggers[parameter].extend(wanted.iter().map(|rule| (*rule, slot)));
            }
            let mut excluded = self.number(parameter, &condition.excluded)?;
            for (excludes, rules) in [(false, &mut wanted), (true, &mut excluded)] {
                if !rules.is_empty() {
                    self.clauses.push(parameter, excludes, rules);
                }
            }
        }
        self.clauses.end_filter();
        match trigger {
            None => self.untriggered.push(slot),
            Some(trigger) if trigger.is_about_names() => {
                self.waiting_for_names += 1;
                for (parameter, condition) in &filter.conditions {
                    self.wanting[*parameter] += usize::from(!condition.wanted.is_empty());
                }
            }
            Some(_) => {}
        }
        Some(())
    }

    /// The numbers of values, in the values' order.
    fn number(&mut self, parameter: Parameter, values: &Values) -> Option<Vec<u32>> {
        let table = &mut self.tables[parameter];
        let (mut compiled, mut targets) = (values.compiled.iter(), values.targets.iter());
        let mut number = |text: &str| {
            let number = table.insert(text)?;
            if let Some(regex) = compiled.next()
                && number as usize == self.regexes.len()
            {
                self.regexes.push(regex.clone());
            }
            if let Some(target) = targets.next()
                && number as usize == self.targets.len()
            {
                self.targets.push(target.clone());
            }
            Some(number)
        };
        values.texts.iter().map(&mut number).collect()
    }

    fn finish(mut self, ids: Vec<FilterId>, filters: Vec<Arc<Filter>>, weight: usize) -> Option<Matcher> {
        let counts = self.tables.map(|_, table| (table.len(), table));
        let mut triggers = EnumMap::default();
        let mut tables = EnumMap::default();
        for (parameter, (count, table)) in counts {
            triggers[parameter] = Lists::new(count, &self.triggers[parameter]);
            tables[parameter] = table;
        }
        let waiting = self.waiting_for_names;
        let gates = self
            .wanting
            .iter()
            .filter(|(parameter, wanting)| !parameter.is_about_names() && **wanting == waiting);
        self.clauses.shrink();
        Some(Matcher {
            ids,
            filters,
            gates: gates.map(|(parameter, _)| parameter).collect(),
            rules: RuleIndex::new(tables, self.regexes, self.targets)?,
            clauses: self.clauses,
            triggers,
            untriggered: self.untriggered,
            has_name_triggers: waiting > 0,
            weight,
        })
    }
}

/// The parameter whose wanted values a filter waits for. `None` if it only excludes.
fn trigger(filter: &Filter) -> Option<Parameter> {
    let wanted = filter.conditions.iter().filter(|(_, condition)| !condition.wanted.is_empty());
    let frequencies =
        wanted.map(|(parameter, condition)| (frequency(*parameter, &condition.wanted.texts), *parameter));
    frequencies.min().map(|(_, parameter)| parameter)
}

/// How often one of the values that a filter waits for is probably met, as a rank. The last one is that of a filter that
/// only excludes.
pub(in crate::filter) fn trigger_frequency(filter: &Filter) -> u8 {
    let wanted = filter.conditions.iter().filter(|(_, condition)| !condition.wanted.is_empty());
    wanted
        .map(|(parameter, condition)| frequency(*parameter, &condition.wanted.texts))
        .min()
        .unwrap_or(u8::MAX)
}

/// How often one of these values is probably met, as a rank.
fn frequency(parameter: Parameter, values: &Texts) -> u8 {
    match parameter {
        Parameter::Lookalike => 0,
        Parameter::Domain if values.iter().all(|domain| domain.contains('.')) => 1,
        Parameter::Contains if values.iter().all(|text| text.len() >= SHORT) => 2,
        Parameter::Regex => 3,
        Parameter::Log => 4,
        Parameter::Contains => 5,
        Parameter::Domain => 6,
        Parameter::Operator => 7,
        Parameter::Issuer => 8,
        Parameter::Type => 9,
    }
}
