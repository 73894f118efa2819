//! What one subscriber wants.

use super::parameter::Parameter;
use super::texts::Texts;
use enum_map::EnumMap;
use regex::bytes::Regex;
use std::hash::{Hash, Hasher};

/// What one subscriber wants. Filters with the same values are equal, whatever order, case and repeats they were written
/// with. An empty filter wants every entry.
///
/// The values of one parameter are alternatives, different parameters all have to hold, and those about names have to hold
/// for one and the same name. An excluded value must not hold: for that same name, or for the entry. So a filter that only
/// excludes names wants the entries that have a name which is not excluded.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub(super) conditions: EnumMap<Parameter, Condition>,
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
}

impl Values {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

impl Filter {
    /// Whether every entry is wanted.
    pub fn is_empty(&self) -> bool {
        self.conditions.values().all(|condition| condition.wanted.is_empty() && condition.excluded.is_empty())
    }

    /// Number of values, each counted once.
    pub fn values(&self) -> usize {
        self.all_values().map(|values| values.texts.len()).sum()
    }

    /// Memory of the values, in bytes. Of a compiled regular expression only its text is counted.
    pub fn bytes(&self) -> usize {
        size_of::<Filter>() + self.all_values().map(|values| values.texts.bytes()).sum::<usize>()
    }

    fn all_values(&self) -> impl Iterator<Item = &Values> {
        self.conditions.values().flat_map(|condition| [&condition.wanted, &condition.excluded])
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.all_values().map(|values| &values.texts).eq(other.all_values().map(|values| &values.texts))
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.all_values().for_each(|values| values.texts.hash(state));
    }
}
