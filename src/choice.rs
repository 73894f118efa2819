//! Which messages of a stream are wanted: the part of a query string that clients and outputs have in common.

use crate::filter::{Filter, FilterError, Limits, Parameter, is_parameter, suggestion};
use crate::printable::escaped;
use crate::unique::{Differs, Kind, Unique};
use std::borrow::Cow;
use std::sync::Arc;

/// The value of [`Choice::sample`] that leaves out nothing.
pub(crate) const EVERY: u64 = 1;
/// Largest value of `sample`.
const MAX_SAMPLE: u64 = 1_000_000;
/// Maximum number of characters of a parameter's name that an error shows.
const MAX_SHOWN: usize = 80;

/// The parameters beside those of filters.
pub(crate) const PARAMETERS: [&str; 4] = ["filter", "explain", "sample", "unique"];

/// Which messages of a stream are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What a message has to be like.
    pub(crate) filter: Filter,
    /// The name of a filter that has to want it as well.
    pub(crate) named: Option<String>,
    /// Of those, the ones whose number is a multiple of this, which is at least 1.
    pub(crate) sample: u64,
    /// Of those, the first one of each of these.
    pub(crate) unique: Option<Kind>,
    /// Whether each message says why the filter wants it.
    pub(crate) explains: bool,
}

/// Everything.
impl Default for Choice {
    fn default() -> Self {
        Choice { filter: Filter::default(), named: None, sample: EVERY, unique: None, explains: false }
    }
}

/// A parameter that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub(crate) struct InvalidParameter {
    /// Its name, escaped.
    pub(crate) parameter: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// Refuses `parameter`; `message` says why.
pub(crate) fn invalid(parameter: &str, message: &str) -> InvalidParameter {
    InvalidParameter { parameter: escaped(parameter, MAX_SHOWN).to_string(), message: message.into() }
}

impl From<FilterError> for InvalidParameter {
    fn from(error: FilterError) -> Self {
        invalid(error.parameter(), &error.to_string())
    }
}

impl Choice {
    /// Whether the parameter `name` is part of a choice.
    pub(crate) fn has(name: &str) -> bool {
        PARAMETERS.contains(&name) || is_parameter(name)
    }

    /// Takes the decoded parameters `pairs`, whose filter has `limits`.
    ///
    /// # Errors
    /// At the first parameter that is unknown, given twice, or invalid.
    pub(crate) fn parse<'t>(
        pairs: impl IntoIterator<Item = (Cow<'t, str>, Cow<'t, str>)>,
        limits: Limits,
    ) -> Result<Self, InvalidParameter> {
        let (mut choice, mut given, mut of_filter) = (Choice::default(), Vec::new(), Vec::new());
        let mut unique = None;
        for (name, value) in pairs {
            if is_parameter(&name) {
                of_filter.push((name, value));
                continue;
            }
            match known(&name, PARAMETERS, &mut given)? {
                "filter" => choice.named = Some(value.into()),
                "explain" => choice.explains = flag("explain", &value)?,
                "sample" => choice.sample = count("sample", &value, MAX_SAMPLE)?,
                _ => unique = Some(Unique::from_name(&value).ok_or_else(|| not_unique(&value))?),
            }
        }
        choice.filter = Filter::parse(of_filter, limits)?;
        choice.unique = unique.map(|unique| choice.kind(unique, &[])).transpose()?;
        Ok(choice)
    }

    /// What it wants the first of each of, if the filters `named` have to hold beside its own.
    ///
    /// # Errors
    /// If one of them looks at what the first of each says nothing about.
    pub(crate) fn kind_with(&self, named: &[Arc<Filter>]) -> Result<Option<Kind>, InvalidParameter> {
        self.unique.map(|kind| self.kind(kind.unique(), named)).transpose()
    }

    /// What `unique` means together with all filters.
    fn kind(&self, unique: Unique, named: &[Arc<Filter>]) -> Result<Kind, InvalidParameter> {
        if self.sample > EVERY {
            let message = "cannot be combined with sample, which may leave out the first of each";
            return Err(invalid("unique", message));
        }
        let filters = std::iter::once(&self.filter).chain(named.iter().map(|filter| &**filter));
        Kind::of(unique, filters).map_err(|Differs(parameter)| {
            let message = "sends the first of each in all logs, so it cannot be combined with";
            invalid("unique", &format!("{message} {}", parameter.name()))
        })
    }
}

/// The one of `names` that `name` is, which is then among those `given`.
///
/// # Errors
/// If it is none of them, or was given before.
pub(crate) fn known(
    name: &str,
    names: impl IntoIterator<Item = &'static str> + Clone,
    given: &mut Vec<&'static str>,
) -> Result<&'static str, InvalidParameter> {
    let Some(known) = names.clone().into_iter().find(|known| *known == name) else {
        let all = names.into_iter().chain(Parameter::ALL.map(Parameter::name));
        let meant = suggestion(name, all).map(|meant| format!("; did you mean {meant}?"));
        return Err(invalid(name, &format!("no such parameter{}", meant.unwrap_or_default())));
    };
    if given.contains(&known) {
        return Err(invalid(known, "is given more than once"));
    }
    given.push(known);
    Ok(known)
}

fn not_unique(value: &str) -> InvalidParameter {
    invalid("unique", &format!("expected issuance or certificate, found {value:?}"))
}

/// The value of a parameter that is a number from 1 to `max`.
///
/// # Errors
/// If it is none.
pub(crate) fn count(parameter: &'static str, value: &str, max: u64) -> Result<u64, InvalidParameter> {
    let count = value.parse().ok().filter(|count| (1..=max).contains(count));
    count.ok_or_else(|| invalid(parameter, &format!("expected a number from 1 to {max}, found {value:?}")))
}

/// The value of a parameter that is 0 or 1.
///
/// # Errors
/// If it is neither.
pub(crate) fn flag(parameter: &'static str, value: &str) -> Result<bool, InvalidParameter> {
    match value {
        "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        _ => Err(invalid(parameter, &format!("expected 0 or 1, found {value:?}"))),
    }
}
