//! Why a filter wants an entry.

use super::facts::Facts;
use super::lookalike::{Labels, Likeness};
use super::model::{Filter, Values};
use super::parameter::Parameter;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A wanted value that holds for an entry. In JSON: `{"domain": "example.com", "how": "below", "name": "www.example.com"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
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
            let of_value = |values: &Values, index, parameter| how_of_name(values, index, parameter, name);
            self.push_reasons(|parameter| parameter.is_about_names(), of_value, written, &mut reasons);
        }
        let of_value = |values: &Values, index, parameter| {
            values.is_of_entry(index, parameter, facts).then_some(How::Equal)
        };
        self.push_reasons(|parameter| !parameter.is_about_names(), of_value, None, &mut reasons);
        Some(reasons)
    }

    /// Adds the first value of each parameter for which `how` says how it holds.
    fn push_reasons(
        &self,
        of: impl Fn(Parameter) -> bool,
        how: impl Fn(&Values, usize, Parameter) -> Option<How>,
        name: Option<String>,
        reasons: &mut Vec<Reason>,
    ) {
        for (parameter, condition) in self.conditions_where(of) {
            let mut held = condition
                .wanted
                .texts
                .iter()
                .enumerate()
                .filter_map(|(index, value)| Some((value, how(&condition.wanted, index, parameter)?)));
            if let Some((value, how)) = held.next() {
                let (parameter, value) = (parameter.name(), value.into());
                reasons.push(Reason { parameter, value, how, name: name.clone() });
            }
        }
    }
}

fn how_of_name(values: &Values, index: usize, parameter: Parameter, name: &str) -> Option<How> {
    if !values.is_of_name(index, parameter, name) {
        return None;
    }
    Some(match parameter {
        Parameter::Domain if values.texts.get(index) != Some(name) => How::Below,
        Parameter::Contains => How::Contains,
        Parameter::Regex => How::Regex,
        Parameter::Lookalike => How::Like(values.targets.get(index)?.likeness(&Labels::new(name))?),
        _ => How::Equal,
    })
}
