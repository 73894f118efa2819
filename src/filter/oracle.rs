//! The definition of what a filter wants, written as simply as possible. The matcher has to agree with it.

use super::facts::Facts;
use super::lookalike::Labels;
use super::model::{Condition, Filter, Values};
use super::names::{to_u_labels, with_parents};
use super::parameter::Parameter;
use super::value::MAX_DOMAIN;

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
            condition.holds(|values| values.first_of_entry(parameter, facts).is_some())
        })
    }

    /// Whether it says anything about names.
    pub(super) fn is_about_names(&self) -> bool {
        self.conditions.iter().any(|(parameter, _)| parameter.is_about_names())
    }

    /// Whether all conditions about names hold for this one.
    pub(super) fn wants_name(&self, name: &str) -> bool {
        self.conditions_where(Parameter::is_about_names).all(|(parameter, condition)| {
            condition.holds(|values| values.first_of_name(parameter, name).is_some())
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
    /// The index of the first value that holds for the entry.
    pub(super) fn first_of_entry(&self, parameter: Parameter, facts: &Facts<'_>) -> Option<usize> {
        let first =
            |texts: &mut dyn Iterator<Item = &str>| texts.filter_map(|text| self.texts.index_of(text)).min();
        match parameter {
            Parameter::Issuer => first(&mut facts.issuer().iter().map(String::as_str)),
            Parameter::Log => first(&mut facts.log().iter().map(String::as_str)),
            Parameter::Operator => self.texts.index_of(facts.operator()),
            Parameter::Type => facts.entry_type().and_then(|name| self.texts.index_of(name)),
            Parameter::Domain | Parameter::Contains | Parameter::Regex | Parameter::Lookalike => None,
        }
    }

    /// The index of the first value that holds for a name. A list of domains is not walked through, because it may be long.
    pub(super) fn first_of_name(&self, parameter: Parameter, name: &str) -> Option<usize> {
        match parameter {
            Parameter::Domain => {
                with_parents(name, MAX_DOMAIN).filter_map(|domain| self.texts.index_of(domain)).min()
            }
            Parameter::Contains => self.texts.iter().position(|value| contains(name, value)),
            Parameter::Regex => self.compiled.iter().position(|regex| regex.is_match(name.as_bytes())),
            Parameter::Lookalike => {
                let labels = Labels::new(name);
                self.targets.iter().position(|target| target.likeness(&labels).is_some())
            }
            Parameter::Issuer | Parameter::Log | Parameter::Operator | Parameter::Type => None,
        }
    }
}

/// Whether a value of `contains` is in a name. One with other characters than ASCII is looked for in the name's
/// U-labels.
fn contains(name: &str, value: &str) -> bool {
    if value.is_ascii() { name.contains(value) } else { to_u_labels(name).contains(value) }
}
