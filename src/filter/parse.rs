//! Filters from the parameters of a query string or from lists.

use super::error::{Fault, FilterError};
use super::limits::Limits;
use super::lookalike::Target;
use super::model::{Condition, Filter, Values};
use super::names::is_within;
use super::parameter::Parameter;
use super::texts::Texts;
use super::value;
use enum_map::EnumMap;
use regex::bytes::Regex;
use std::collections::HashSet;
use std::sync::Arc;

/// A value that begins with it excludes.
pub(super) const EXCLUDES: char = '!';

/// A filter to which values are added one by one.
#[derive(Debug, Default)]
pub struct FilterBuilder {
    limits: Limits,
    values: usize,
    conditions: EnumMap<Parameter, (Vec<String>, Vec<String>)>,
}

impl Filter {
    /// Parses a filter from the decoded pairs of a query string. All names have to be parameters of filters, see
    /// [`is_parameter`](super::is_parameter). No pairs give a filter that wants every entry.
    ///
    /// # Errors
    /// At the first value that is empty, not what its parameter takes, or above `limits`, and if values contradict each
    /// other.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
        limits: Limits,
    ) -> Result<Filter, FilterError> {
        let mut builder = FilterBuilder::new(limits);
        for (name, values) in pairs {
            let name = name.as_ref();
            let parameter = Parameter::from_name(name).ok_or_else(|| FilterError::unknown(name))?;
            if parameter.splits_at_commas() {
                values
                    .as_ref()
                    .split(',')
                    .try_for_each(|value| builder.add(parameter, value.trim_matches(' ')))?;
            } else {
                builder.add(parameter, values.as_ref())?;
            }
        }
        builder.build()
    }
}

impl FilterBuilder {
    /// A filter without values.
    pub fn new(limits: Limits) -> Self {
        FilterBuilder { limits, ..FilterBuilder::default() }
    }

    /// Adds one value, which may begin with `!`. It is not split at commas.
    ///
    /// # Errors
    /// If the value is empty, not what `parameter` takes, or above the limits.
    pub fn add(&mut self, parameter: Parameter, written: &str) -> Result<(), FilterError> {
        let refused = |fault| Err(FilterError::new(parameter, written, fault));
        let (excludes, text) = match written.strip_prefix(EXCLUDES) {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        if parameter.is_domain() && text.contains(',') {
            return refused(Fault::Comma { parameter: parameter.name() });
        }
        let limit = self.limits.value_bytes;
        if text.len() > limit {
            return refused(Fault::TooLong { length: text.len(), limit });
        }
        let value = match value::normal_form(parameter, text, self.limits.regex_bytes) {
            Ok(value) => value,
            Err(fault) => {
                let mark = if excludes { "!" } else { "" };
                return refused(fault.with_prefix(&format!("{}={mark}", parameter.name())));
            }
        };
        self.values += 1;
        let (wanted, excluded) = &mut self.conditions[parameter];
        if excludes {
            excluded.push(value)
        } else {
            wanted.push(value)
        }
        let limit = match parameter {
            Parameter::Contains => self.limits.contains,
            Parameter::Lookalike => self.limits.lookalikes,
            Parameter::Regex => self.limits.regexes,
            _ => usize::MAX,
        };
        if wanted.len() + excluded.len() > limit {
            return Err(FilterError::new(parameter, "", Fault::TooMany { limit }));
        }
        let limit = self.limits.values;
        if self.values > limit {
            return Err(FilterError::new(parameter, "", Fault::TooManyTogether { limit }));
        }
        Ok(())
    }

    /// The filter.
    ///
    /// # Errors
    /// If values contradict each other: one is both wanted and excluded, a wanted domain lies below an excluded one, or
    /// all types are excluded.
    pub fn build(self) -> Result<Filter, FilterError> {
        let regex_bytes = self.limits.regex_bytes;
        let mut filter = Filter::default();
        for (parameter, (wanted, excluded)) in self.conditions {
            let condition = Condition {
                wanted: values(parameter, wanted, regex_bytes),
                excluded: values(parameter, excluded, regex_bytes),
            };
            check(parameter, &condition)?;
            if !condition.wanted.is_empty() || !condition.excluded.is_empty() {
                filter.conditions.push((parameter, condition));
            }
        }
        Ok(filter)
    }
}

fn values(parameter: Parameter, texts: Vec<String>, regex_bytes: usize) -> Values {
    let texts = Texts::new(texts);
    // All were accepted when they were added.
    let targets = match parameter {
        Parameter::Lookalike => texts.iter().filter_map(Target::new).map(Arc::new).collect(),
        _ => Box::<[Arc<Target>]>::default(),
    };
    let compiled = match parameter {
        Parameter::Regex => texts.iter().filter_map(|text| value::regex(text, regex_bytes).ok()).collect(),
        _ => Box::<[Regex]>::default(),
    };
    Values { texts, compiled, targets }
}

fn check(parameter: Parameter, condition: &Condition) -> Result<(), FilterError> {
    let (wanted, excluded) = (&condition.wanted.texts, &condition.excluded.texts);
    let refused = |value: &str, fault| Err(FilterError::new(parameter, value, fault));
    if let Some(value) = wanted.iter().find(|value| excluded.contains(value)) {
        return refused(value, Fault::Contradiction);
    }
    if parameter == Parameter::Type && excluded.len() == value::TYPES.len() {
        return refused("", Fault::NoTypeLeft);
    }
    if parameter == Parameter::Domain && !excluded.is_empty() {
        return check_domains(wanted, excluded);
    }
    Ok(())
}

fn check_domains(wanted: &Texts, excluded: &Texts) -> Result<(), FilterError> {
    let all: HashSet<&str> = excluded.iter().collect();
    for domain in wanted.iter() {
        let above = super::names::with_parents(domain, usize::MAX).find(|parent| all.contains(parent));
        if let Some(excluded) = above.filter(|above| is_within(domain, above)) {
            let fault = Fault::BelowExcluded { excluded: excluded.into() };
            return Err(FilterError::new(Parameter::Domain, domain, fault));
        }
    }
    Ok(())
}
