//! Why a filter wants an entry.

use super::facts::Facts;
use super::lookalike::{Labels, Likeness};
use super::model::{Filter, Values};
use super::parameter::Parameter;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::sync::Arc;

/// A wanted value that holds for an entry. In JSON: `{"domain": "example.com", "how": "below", "name": "www.example.com"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The name of the filter, if it has one.
    pub filter: Option<Arc<str>>,
    /// The name of the parameter.
    pub parameter: &'static str,
    /// The value in its normal form. If several hold, the first one in order.
    pub value: String,
    /// How it holds.
    pub how: How,
    /// Of a parameter about names: the name for which it holds, as messages show it.
    pub name: Option<String>,
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        if let Some(filter) = &self.filter {
            object.serialize_entry("filter", &**filter)?;
        }
        object.serialize_entry(self.parameter, &self.value)?;
        object.serialize_entry("how", &self.how)?;
        if let Some(name) = &self.name {
            object.serialize_entry("name", name)?;
        }
        object.end()
    }
}

/// How a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The name, issuer, log, operator or type is it.
    Equal,
    /// The name lies below it.
    Below,
    /// The name contains it.
    Contains,
    /// The name matches the expression.
    Regex,
    /// The name looks like it.
    #[serde(untagged)]
    Like(Likeness),
}

impl Filter {
    /// Why the filter wants the entry: for each parameter of which it wants a value, the one that holds. Those about
    /// names hold for the same name, the first one that there is. Empty if the filter only excludes. `None` if it does
    /// not want the entry.
    pub fn explain(&self, facts: &Facts<'_>) -> Option<Vec<Reason>> {
        if !self.wants_entry(facts) {
            return None;
        }
        let mut reasons = Vec::new();
        if self.is_about_names() {
            let mut names = facts.names().iter().enumerate();
            let (index, name) = names.find(|(_, name)| self.wants_name(name))?;
            let written = facts.written_name(index);
            let first = |values: &Values, parameter| first_of_name(values, parameter, name);
            self.push_reasons(|parameter| parameter.is_about_names(), first, written, &mut reasons);
        }
        let first = |values: &Values, parameter| Some((values.first_of_entry(parameter, facts)?, How::Equal));
        self.push_reasons(|parameter| !parameter.is_about_names(), first, None, &mut reasons);
        Some(reasons)
    }

    /// Adds for each parameter the value that `first` finds, and how it holds.
    fn push_reasons(
        &self,
        of: impl Fn(Parameter) -> bool,
        first: impl Fn(&Values, Parameter) -> Option<(usize, How)>,
        name: Option<String>,
        reasons: &mut Vec<Reason>,
    ) {
        for (parameter, condition) in self.conditions_where(of) {
            if let Some((index, how)) = first(&condition.wanted, parameter)
                && let Some(value) = condition.wanted.texts.get(index)
            {
                let (parameter, value) = (parameter.name(), value.into());
                reasons.push(Reason { filter: None, parameter, value, how, name: name.clone() });
            }
        }
    }
}

/// The first value that holds for a name, and how.
fn first_of_name(values: &Values, parameter: Parameter, name: &str) -> Option<(usize, How)> {
    let index = values.first_of_name(parameter, name)?;
    let how = match parameter {
        Parameter::Domain if values.texts.get(index) != Some(name) => How::Below,
        Parameter::Contains => How::Contains,
        Parameter::Regex => How::Regex,
        Parameter::Lookalike => How::Like(values.targets.get(index)?.likeness(&Labels::new(name))?),
        _ => How::Equal,
    };
    Some((index, how))
}
