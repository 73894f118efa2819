//! What one subscriber wants.

use super::lookalike::Target;
use super::parameter::Parameter;
use super::texts::Texts;
use super::value::type_name;
use crate::ct::entry::LogEntryType;
use regex::bytes::Regex;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What one subscriber wants. Filters with the same values are equal, whatever order, case and repeats they were
/// written with. An empty filter wants every entry.
///
/// The values of one parameter are alternatives, different parameters all have to hold, and those about names have to
/// hold for one and the same name. An excluded value must not hold: for that same name, or for the entry. So a filter
/// that only excludes names wants the entries that have a name which is not excluded.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that have values, in the order of their parameters.
    pub(super) conditions: Vec<(Parameter, Condition)>,
}

/// What a filter says about one parameter.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    /// Alternatives: if there are any, one of them has to hold.
    pub wanted: Values,
    /// None of them may hold.
    pub excluded: Values,
}

/// Values in their normal form.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    pub texts: Texts,
    /// Of `regex`: each value, compiled.
    pub compiled: Box<[Regex]>,
    /// Of `lookalike`: each value, prepared.
    pub targets: Box<[Arc<Target>]>,
}

/// Memory that one value of any parameter takes in a matcher, in bytes; measured: 79 on average.
const VALUE_BYTES: usize = 128;
/// The same for a look-alike, with its variants.
const TARGET_BYTES: usize = 2 * 1024;
/// The same for a regular expression: compiled, and its cache in each of two threads, all at their limits.
const REGEX_BYTES: usize = 3 * super::limits::REGEX_BYTES;

impl Values {
    fn made_bytes(&self) -> usize {
        VALUE_BYTES * self.texts.len() + TARGET_BYTES * self.targets.len() + REGEX_BYTES * self.compiled.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

impl Filter {
    /// Whether every entry is wanted.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether it has values of this parameter.
    pub fn looks_at(&self, parameter: Parameter) -> bool {
        self.conditions.iter().any(|(other, _)| *other == parameter)
    }

    /// Whether its values of `type` let entries of this type through.
    pub fn wants_type(&self, entry_type: LogEntryType) -> bool {
        let name = type_name(entry_type);
        let of_type = self.conditions.iter().find(|(parameter, _)| *parameter == Parameter::Type);
        of_type.is_none_or(|(_, Condition { wanted, excluded })| {
            (wanted.is_empty() || wanted.texts.contains(name)) && !excluded.texts.contains(name)
        })
    }

    /// Number of values, each counted once.
    pub fn values(&self) -> usize {
        self.all_values().map(|values| values.texts.len()).sum()
    }

    /// Memory of the values, in bytes. What is made of a regular expression and a look-alike is not counted.
    pub fn bytes(&self) -> usize {
        let conditions = size_of::<Filter>() + self.conditions.len() * size_of::<(Parameter, Condition)>();
        conditions + self.all_values().map(|values| values.texts.bytes()).sum::<usize>()
    }

    /// Memory of the filter with all that is made of it, in bytes: an estimate, which is rather too large. An empty filter
    /// takes none.
    pub fn memory(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let made: usize = self.all_values().map(Values::made_bytes).sum();
        self.bytes() + made
    }

    /// What makes filters equal.
    fn texts(&self) -> impl Iterator<Item = (Parameter, &Texts, &Texts)> {
        let conditions = self.conditions.iter();
        conditions
            .map(|(parameter, condition)| (*parameter, &condition.wanted.texts, &condition.excluded.texts))
    }

    fn all_values(&self) -> impl Iterator<Item = &Values> {
        self.conditions.iter().flat_map(|(_, condition)| [&condition.wanted, &condition.excluded])
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.texts().eq(other.texts())
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts().for_each(|texts| texts.hash(state));
    }
}
