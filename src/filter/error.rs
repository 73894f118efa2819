//! Why a filter is refused.

use super::parameter::Parameter;
use crate::printable;

/// Maximum number of characters of a value that an error shows.
const MAX_SHOWN: usize = 80;

/// A parameter of a filter that cannot be accepted. The text says which value, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {fault}", shown(.parameter, .value))]
pub struct FilterError {
    parameter: String,
    value: String,
    fault: Fault,
}

fn shown(parameter: &str, value: &str) -> String {
    if value.is_empty() {
        return parameter.to_string();
    }
    format!("{parameter}={}", printable::escaped(value, MAX_SHOWN))
}

impl FilterError {
    pub(super) fn new(parameter: Parameter, value: &str, fault: Fault) -> Self {
        FilterError { parameter: parameter.name().into(), value: value.into(), fault }
    }

    pub(super) fn unknown(name: &str) -> Self {
        let fault = Fault::Unknown {
            suggestion: super::parameter::suggestion(name, Parameter::ALL.map(Parameter::name))
                .map(|meant| format!("; did you mean {meant}?"))
                .unwrap_or_default(),
        };
        FilterError { parameter: printable::escaped(name, MAX_SHOWN).into(), value: String::new(), fault }
    }

    /// A fault of a text as a whole.
    pub(super) fn of_body(fault: Fault) -> Self {
        FilterError { parameter: "body".into(), value: String::new(), fault }
    }

    /// The name of the parameter; `body` if the fault is that of a whole text.
    pub fn parameter(&self) -> &str {
        &self.parameter
    }

    /// The value as it was given. Empty if the fault is not that of one value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// What is wrong. The texts continue `parameter=value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("is no parameter of filters{suggestion}")]
    Unknown { suggestion: String },
    #[error("has an empty value")]
    Empty,
    #[error("has a comma, which separates values of {parameter}")]
    Comma { parameter: &'static str },
    #[error("has a control character")]
    ControlCharacter,
    #[error("{what}; write {meant}")]
    OtherThanDomain { what: &'static str, meant: String },
    #[error("is not a domain: {0}")]
    NoDomain(&'static str),
    #[error("has no registrable domain; write one such as lookalike=example.com")]
    NotRegistrable,
    #[error("is unknown; type is precert or x509")]
    UnknownType,
    #[error("is not a regular expression: {what}, at character {position}")]
    Regex { what: String, position: usize },
    #[error("is too large a regular expression: compiled, it has more than {limit} bytes")]
    LargeRegex { limit: usize },
    #[error("has {length} bytes, at most {limit} are allowed")]
    TooLong { length: usize, limit: usize },
    #[error("has more than {limit} values")]
    TooMany { limit: usize },
    #[error("makes more than {limit} values of all parameters together")]
    TooManyTogether { limit: usize },
    #[error("is both wanted and excluded")]
    Contradiction,
    #[error("lies below {excluded}, which is excluded")]
    BelowExcluded { excluded: String },
    #[error("excludes every type")]
    NoTypeLeft,
    #[error("is not JSON: {what}")]
    NoJson { what: String },
    #[error("is not an object with a list of values for each parameter")]
    NoObject,
    #[error("is not a list of texts")]
    NoList,
    #[error("has no values; leave it out")]
    EmptyList,
    #[error("is there twice")]
    Repeated,
    #[error("has no values: such a filter would want every entry")]
    NoFilter,
}

impl Fault {
    /// Completes what is probably meant to a parameter: `domain=!` in front of the domain.
    pub(super) fn with_prefix(self, prefix: &str) -> Self {
        match self {
            Fault::OtherThanDomain { what, meant } => {
                Fault::OtherThanDomain { what, meant: format!("{prefix}{meant}") }
            }
            other => other,
        }
    }
}
