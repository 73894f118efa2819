//! The parameters of a filter, and what is suggested for a name that is none.

/// A parameter of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, enum_map::Enum)]
pub enum Parameter {
    /// A name that is a domain or lies below it.
    Domain,
    /// Characters anywhere in a name.
    Contains,
    /// A regular expression that a name matches.
    Regex,
    /// A domain that a name is made to look like.
    Lookalike,
    /// The O or CN of the issuer.
    Issuer,
    /// The log, by id, URL or name.
    Log,
    /// The operator of the log.
    Operator,
    /// The type of the entry.
    Type,
}

impl Parameter {
    /// All parameters, in the order of their discriminants.
    pub const ALL: [Parameter; 8] = [
        Parameter::Domain,
        Parameter::Contains,
        Parameter::Regex,
        Parameter::Lookalike,
        Parameter::Issuer,
        Parameter::Log,
        Parameter::Operator,
        Parameter::Type,
    ];

    /// Its name in query strings and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Domain => "domain",
            Parameter::Contains => "contains",
            Parameter::Regex => "regex",
            Parameter::Lookalike => "lookalike",
            Parameter::Issuer => "issuer",
            Parameter::Log => "log",
            Parameter::Operator => "operator",
            Parameter::Type => "type",
        }
    }

    /// The parameter with this name. `None` if a filter has no such parameter.
    pub fn from_name(name: &str) -> Option<Self> {
        Parameter::ALL.into_iter().find(|parameter| parameter.name() == name)
    }

    /// Whether it is about a name of the certificate. The others are about the entry.
    pub(super) fn is_about_names(self) -> bool {
        match self {
            Parameter::Domain | Parameter::Contains | Parameter::Regex | Parameter::Lookalike => true,
            Parameter::Issuer | Parameter::Log | Parameter::Operator | Parameter::Type => false,
        }
    }

    /// Whether its values are domains, which have no commas.
    pub(super) fn is_domain(self) -> bool {
        matches!(self, Parameter::Domain | Parameter::Lookalike)
    }

    /// Whether a comma in a query string separates values. In the others it is a part of the value.
    pub(super) fn splits_at_commas(self) -> bool {
        match self {
            Parameter::Domain | Parameter::Lookalike | Parameter::Log | Parameter::Operator => true,
            Parameter::Contains | Parameter::Regex | Parameter::Issuer | Parameter::Type => false,
        }
    }
}

/// Whether `name` is a parameter of filters.
pub fn is_parameter(name: &str) -> bool {
    Parameter::from_name(name).is_some()
}

/// Longer names are no misspelt parameters, in bytes.
const MAX_NAME: usize = 32;

/// The one of `known` that was probably meant by `name`: at most two edits away, and less than half of `name` is
/// changed. Used for "no such parameter; did you mean domain?".
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let name = name.to_lowercase();
    let distances = known.into_iter().map(|known| (strsim::osa_distance(&name, known), known));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && 2 * distance < name.chars().count()).then_some(nearest)
}
