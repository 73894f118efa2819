//! How large the filters of clients may be: of all, and of those with a token.

use super::values::Size;
use crate::filter::Limits;
use serde::{Deserialize, Serialize};

/// `[filter_limits]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterLimits {
    /// Values of all parameters together.
    pub values: usize,
    /// Bytes of one value.
    pub value_bytes: usize,
    /// Values of `contains`.
    pub contains: usize,
    /// Values of `lookalike`.
    pub lookalike: usize,
    /// Values of `regex`.
    pub regex: usize,
    /// Memory of one compiled regular expression, in bytes.
    pub regex_bytes: Size,
}

impl Default for FilterLimits {
    fn default() -> Self {
        let Limits { values, value_bytes, contains, lookalikes, regexes, regex_bytes } = Limits::DEFAULT;
        let (lookalike, regex, regex_bytes) = (lookalikes, regexes, Size(regex_bytes));
        FilterLimits { values, value_bytes, contains, lookalike, regex, regex_bytes }
    }
}

/// `filter_limits` of one of `[[tokens]]`. What is not set is as in `[filter_limits]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFilterLimits {
    /// Values of all parameters together.
    pub values: Option<usize>,
    /// Bytes of one value.
    pub value_bytes: Option<usize>,
    /// Values of `contains`.
    pub contains: Option<usize>,
    /// Values of `lookalike`.
    pub lookalike: Option<usize>,
    /// Values of `regex`.
    pub regex: Option<usize>,
    /// Memory of one compiled regular expression, in bytes.
    pub regex_bytes: Option<Size>,
}

impl TokenFilterLimits {
    /// These limits, and those of `all` where these are not set.
    pub(super) fn or(&self, all: &FilterLimits) -> FilterLimits {
        FilterLimits {
            values: self.values.unwrap_or(all.values),
            value_bytes: self.value_bytes.unwrap_or(all.value_bytes),
            contains: self.contains.unwrap_or(all.contains),
            lookalike: self.lookalike.unwrap_or(all.lookalike),
            regex: self.regex.unwrap_or(all.regex),
            regex_bytes: self.regex_bytes.unwrap_or(all.regex_bytes),
        }
    }
}

impl FilterLimits {
    /// The limits.
    ///
    /// # Errors
    /// The first key that is out of its range, and what is expected.
    pub(super) fn resolve(&self) -> Result<Limits, (&'static str, String)> {
        let most = Limits::LARGEST;
        let smallest_regex = Limits::SMALLEST_REGEX_BYTES;
        let number = |key, value: usize, least: usize, most: usize| match value {
            value if (least..=most).contains(&value) => Ok(value),
            _ => Err((key, format!("expected from {least} to {most}"))),
        };
        let regex_bytes = self.regex_bytes.0;
        if !(smallest_regex..=most.regex_bytes).contains(&regex_bytes) {
            let (least, most) = (Size(smallest_regex), Size(most.regex_bytes));
            return Err(("regex_bytes", format!("expected from {least} to {most}")));
        }
        Ok(Limits {
            values: number("values", self.values, 1, most.values)?,
            value_bytes: number("value_bytes", self.value_bytes, 1, most.value_bytes)?,
            contains: number("contains", self.contains, 0, most.contains)?,
            lookalikes: number("lookalike", self.lookalike, 0, most.lookalikes)?,
            regexes: number("regex", self.regex, 0, most.regexes)?,
            regex_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(toml: &str) -> Result<Limits, (&'static str, String)> {
        toml::from_str::<FilterLimits>(toml).expect("limits").resolve()
    }

    #[test]
    fn what_is_not_set_is_as_for_everybody() {
        let all = toml::from_str::<FilterLimits>("values = 7\nregex = 0").expect("limits");
        let token =
            toml::from_str::<TokenFilterLimits>("regex = 200\nregex_bytes = '1 KiB'").expect("limits");
        let limits = token.or(&all).resolve().expect("limits in their ranges");
        assert_eq!(limits, Limits { values: 7, regexes: 200, regex_bytes: 1024, ..Limits::DEFAULT });
        assert_eq!(TokenFilterLimits::default().or(&all), all);
        assert_eq!(resolved(""), Ok(Limits::DEFAULT));
    }

    #[test]
    fn each_limit_has_a_range() {
        for (toml, expected) in [
            ("values = 0", ("values", "expected from 1 to 200000")),
            ("values = 200001", ("values", "expected from 1 to 200000")),
            ("value_bytes = 0", ("value_bytes", "expected from 1 to 4096")),
            ("contains = 100001", ("contains", "expected from 0 to 100000")),
            ("lookalike = 10001", ("lookalike", "expected from 0 to 10000")),
            ("regex = 1001", ("regex", "expected from 0 to 1000")),
            ("regex_bytes = 1023", ("regex_bytes", "expected from 1 KiB to 128 KiB")),
            ("regex_bytes = '129 KiB'", ("regex_bytes", "expected from 1 KiB to 128 KiB")),
        ] {
            assert_eq!(resolved(toml), Err((expected.0, expected.1.to_string())), "{toml}");
        }
        let largest =
            "values = 200000\nvalue_bytes = 4096\ncontains = 100000\nlookalike = 10000\nregex = 1000";
        assert_eq!(resolved(largest), Ok(Limits::LARGEST));
        assert!(resolved("values = 1\nvalue_bytes = 1\ncontains = 0\nlookalike = 0\nregex = 0").is_ok());
    }
}
