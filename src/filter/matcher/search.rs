//! The search for the filters that want an entry.

use super::clauses::Clauses;
use super::fired::{Fired, Marks};
use super::lists::Lists;
use super::rules::RuleIndex;
use crate::filter::facts::Facts;
use crate::filter::model::Filter;
use crate::filter::parameter::Parameter;
use enum_map::EnumMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a filter, which its owner chooses. At any time no two filters have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(pub u64);

impl FilterId {
    /// An id that this function has not given within this run.
    pub fn unused() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        FilterId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Many filters that are matched at once. It does not change. Filters have a *slot* in it, in the order of their ids.
pub(in crate::filter) struct Matcher {
    pub(super) ids: Vec<FilterId>,
    pub(super) filters: Vec<Arc<Filter>>,
    pub(super) rules: RuleIndex,
    pub(super) clauses: Clauses,
    /// By rule, the slots of the filters that wait for it.
    pub(super) triggers: EnumMap<Parameter, Lists>,
    /// The filters that want no value, and therefore wait for nothing.
    pub(super) untriggered: Vec<u32>,
    /// Whether any filter waits for a rule about names.
    pub(super) has_name_triggers: bool,
    /// Parameters about the entry of which all filters that wait for a rule about names want a value.
    pub(super) gates: Vec<Parameter>,
    pub(super) weight: usize,
}

/// Memory that is used again for each entry.
#[derive(Default)]
pub struct Scratch {
    fired: Fired,
    matched_slots: Marks,
    matched: Vec<FilterId>,
}

impl Scratch {
    pub(in crate::filter) fn clear(&mut self) {
        self.matched.clear();
    }

    pub(in crate::filter) fn add(&mut self, id: FilterId) {
        self.matched.push(id);
    }

    /// The ids that were found, in ascending order.
    pub(in crate::filter) fn sorted(&mut self) -> &[FilterId] {
        self.matched.sort_unstable();
        &self.matched
    }
}

impl Matcher {
    /// Number of filters.
    pub(in crate::filter) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The work of building it, in values and filters.
    pub(in crate::filter) fn weight(&self) -> usize {
        self.weight
    }

    /// The slot of a filter.
    pub(in crate::filter) fn slot(&self, id: FilterId) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// The filters in the order of their slots.
    pub(in crate::filter) fn filters(&self) -> impl Iterator<Item = (FilterId, &Arc<Filter>)> {
        self.ids.iter().copied().zip(&self.filters)
    }

    /// Memory beside the filters themselves, in bytes. Compiled regular expressions are not counted.
    pub(in crate::filter) fn bytes(&self) -> usize {
        let slots = self.ids.len() * (size_of::<FilterId>() + size_of::<Arc<Filter>>());
        let triggers = self.triggers.values().map(Lists::bytes).sum::<usize>();
        slots + self.rules.bytes() + self.clauses.bytes() + triggers
    }

    /// Adds the ids of the filters that want the entry and whose slots are not `removed` to those that `scratch` has.
    pub(in crate::filter) fn find(
        &self,
        facts: &Facts<'_>,
        removed: impl Fn(usize) -> bool,
        scratch: &mut Scratch,
    ) {
        let Scratch { fired, matched_slots, matched } = scratch;
        fired.begin();
        matched_slots.begin(self.ids.len());
        let mut search = Search { matcher: self, facts, fired, matched_slots, matched, removed };
        self.rules.find_in_entry(facts, search.fired);
        search.triggered_by_entry();
        search.triggered_by_names();
    }
}

/// The search for one entry.
struct Search<'s, 'f, R> {
    matcher: &'s Matcher,
    facts: &'s Facts<'f>,
    fired: &'s mut Fired,
    matched_slots: &'s mut Marks,
    matched: &'s mut Vec<FilterId>,
    removed: R,
}

impl<R: Fn(usize) -> bool> Search<'_, '_, R> {
    /// Tries the filters that wait for rules about the entry, or for nothing.
    fn triggered_by_entry(&mut self) {
        let matcher = self.matcher;
        for at in 0..self.fired.entry().len() {
            let Some(rule) = self.fired.entry().get(at).copied() else { continue };
            let slots = matcher.triggers[rule.parameter].get(rule.number);
            slots.iter().for_each(|slot| self.try_all_names(*slot));
        }
        matcher.untriggered.iter().for_each(|slot| self.try_all_names(*slot));
    }

    fn try_all_names(&mut self, slot: u32) {
        if self.is_decided(slot) || !self.matcher.clauses.hold_for_entry(slot, self.fired.entry()) {
            return;
        }
        let is_wanted = !self.matcher.clauses.are_about_names(slot) || {
            self.find_names();
            (0..self.fired.names()).any(|name| self.wants_name(slot, name))
        };
        if is_wanted {
            self.add(slot);
        }
    }

    /// Tries the filters that wait for rules about names.
    fn triggered_by_names(&mut self) {
        let matcher = self.matcher;
        let has_fired = |parameter| self.fired.entry().iter().any(|rule| rule.parameter == parameter);
        if !matcher.has_name_triggers || !matcher.gates.iter().all(|gate| has_fired(*gate)) {
            return;
        }
        self.find_names();
        for name in 0..self.fired.names() {
            for at in 0..self.fired.of_name(name).len() {
                let Some(rule) = self.fired.of_name(name).get(at).copied() else { continue };
                for slot in matcher.triggers[rule.parameter].get(rule.number) {
                    self.try_name(*slot, name);
                }
            }
        }
    }

    fn try_name(&mut self, slot: u32, name: usize) {
        if !self.is_decided(slot)
            && self.matcher.clauses.hold_for_entry(slot, self.fired.entry())
            && self.wants_name(slot, name)
        {
            self.add(slot);
        }
    }

    fn find_names(&mut self) {
        if !self.fired.has_names() {
            self.matcher.rules.find_in_names(self.facts.names(), self.fired);
        }
    }

    fn wants_name(&self, slot: u32, name: usize) -> bool {
        self.matcher.clauses.hold_for_name(slot, self.fired.of_name(name))
    }

    fn is_decided(&self, slot: u32) -> bool {
        self.matched_slots.is_marked(slot) || (self.removed)(slot as usize)
    }

    fn add(&mut self, slot: u32) {
        self.matched_slots.mark(slot);
        self.matched.extend(self.matcher.ids.get(slot as usize));
    }
}
