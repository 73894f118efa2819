//! Errors in a configuration.

use crate::filter::{is_parameter, suggestion};
use crate::printable::{MAX_CHARS, escaped};

/// An error on one line: its origin, the key, the problem, and the expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", part(.origin), part(.key), escaped(.problem, MAX_PROBLEM_CHARS))]
pub struct ConfigError {
    /// The file or the environment variable. Empty if the error belongs to neither.
    pub origin: String,
    /// The key with its section, such as `clients.ring_bytes`. Empty if the error concerns no single key.
    pub key: String,
    /// The problem, and the expected value.
    pub problem: String,
}

/// Maximum number of characters of a problem that are shown. Some problems list every key of a section.
pub(crate) const MAX_PROBLEM_CHARS: usize = 2000;

/// Errors quote parts of a file, and files may contain control characters, so the text is escaped.
fn part(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{}: ", escaped(text, MAX_CHARS)) }
}

impl ConfigError {
    /// Creates an error about a whole file or an environment variable.
    pub fn of(origin: impl ToString, problem: impl ToString) -> Self {
        ConfigError {
            origin: origin.to_string(),
            key: String::new(),
            problem: one_line(&problem.to_string()),
        }
    }
}

/// The problem with an unknown key, with what was probably meant. Other problems are returned as they are.
pub(super) fn explained(key: &str, problem: &str) -> String {
    let Some((unknown, known)) =
        problem.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "))
    else {
        return problem.into();
    };
    if key.starts_with("outputs[") && is_parameter(unknown) {
        return format!("unknown field `{unknown}`; a filter is written as filter = \"{unknown}=...\"");
    }
    // Each name is in backticks.
    match suggestion(unknown, known.split('`').skip(1).step_by(2)) {
        Some(meant) => format!("unknown field `{unknown}`; did you mean `{meant}`?"),
        None => problem.into(),
    }
}

/// Reduces a parser's error to one line. Parsers use several lines to point at the error, and mention Rust's
/// types.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let numbers = ["expected usize", "expected u64", "expected i64"];
    numbers.iter().fold(line, |line, number| line.replace(number, "expected a whole number"))
}
