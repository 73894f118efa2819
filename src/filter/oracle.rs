//! The definition of what a filter wants, written as simply as possible. The matcher has to agree with it.

use super::facts::Facts;
use super::lookalike::Labels;
use super::model::{Condition, Filter, Values};
use super::names::{is_within, to_u_labels};
use super::parameter::Parameter;

impl Filter {
    /// Whether the filter wants the entry. The work is proportional to its values, so a
    /// [`Matchers`](super::Matchers) is used for many filters.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.wants_entry(facts)
            && (!self.is_about_names() || facts.names().iter().any(|name| self.wants_name(name)))
    }

    /// Whether everything but the names is as wanted.
    pub(super) fn wants_entry(&self, facts: &Facts<'_>) -> bool {
        self.conditions_where(|parameter| !parameter.is_about_names()).all(|(parameter, condition)| {
            condition
                .holds(|values| values.indexes().any(|index| values.is_of_entry(index, parameter, facts)))
        })
    }

    /// Whether it says anything about names.
    pub(super) fn is_about_names(&self) -> bool {
        self.conditions.iter().any(|(parameter, _)| parameter.is_about_names())
    }

    /// Whether all conditions about names hold for this one.
    pub(super) fn wants_name(&self, name: &str) -> bool {
        self.conditions_where(Parameter::is_about_names).all(|(parameter, condition)| {
            condition.holds(|values| values.indexes().any(|index| values.is_of_name(index, parameter, name)))
        })
    }

    pub(super) fn conditions_where(
        &self,
        of: impl Fn(Parameter) -> bool,
    ) -> impl Iterator<Item = (Parameter, &Condition)> {
        let conditions = self.conditions.iter().map(|(parameter, condition)| (*parameter, condition));
        conditions.filter(move |(parameter, _)| of(*parameter))
    }
}

impl Condition {
    /// Whether the condition holds if `any` says whether any of its values does.
    fn holds(&self, any: impl Fn(&Values) -> bool) -> bool {
        (self.wanted.is_empty() || any(&self.wanted)) && !any(&self.excluded)
    }
}

impl Values {
    fn indexes(&self) -> std::ops::Range<usize> {
        0..self.texts.len()
    }

    /// Whether the value at `index` holds for the entry.
    pub(super) fn is_of_entry(&self, index: usize, parameter: Parameter, facts: &Facts<'_>) -> bool {
        let Some(value) = self.texts.get(index) else { return false };
        match parameter {
            Parameter::Issuer => facts.issuer().iter().any(|issuer| issuer == value),
            Parameter::Log => facts.log().iter().any(|log| log == value),
            Parameter::Operator => facts.operator() == value,
            Parameter::Type => facts.entry_type() == Some(value),
            Parameter::Domain | Parameter::Contains | Parameter::Regex | Parameter::Lookalike => false,
        }
    }

    /// Whether the value at `index` holds for a name.
    pub(super) fn is_of_name(&self, index: usize, parameter: Parameter, name: &str) -> bool {
        let Some(value) = self.texts.get(index) else { return false };
        match parameter {
            Parameter::Domain => is_within(name, value),
            Parameter::Contains => contains(name, value),
            Parameter::Regex => self.compiled.get(index).is_some_and(|regex| regex.is_match(name.as_bytes())),
            Parameter::Lookalike => {
                self.targets.get(index).is_some_and(|target| target.likeness(&Labels::new(name)).is_some())
            }
            Parameter::Issuer | Parameter::Log | Parameter::Operator | Parameter::Type => false,
        }
    }
}

/// Whether a value of `contains` is in a name. One with other characters than ASCII is looked for in the name's
/// U-labels.
fn contains(name: &str, value: &str) -> bool {
    if value.is_ascii() { name.contains(value) } else { to_u_labels(name).contains(value) }
}
