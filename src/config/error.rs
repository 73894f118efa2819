//! What is wrong with a configuration.

use crate::printable::{MAX_CHARS, escaped};

/// One line: where, which key, what is wrong and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", part(.origin), part(.key), escaped(.problem, MAX_PROBLEM_CHARS))]
pub struct ConfigError {
    /// The file or the environment variable; empty when it is neither.
    pub origin: String,
    /// The key with its sections, `clients.queue_bytes`; empty when no key is to blame.
    pub key: String,
    /// What is wrong, and what was expected.
    pub problem: String,
}

/// Characters of a problem that are shown: some name every key of a section.
pub(crate) const MAX_PROBLEM_CHARS: usize = 2000;

/// Parts of a file are quoted, and files may hold what terminals act on.
fn part(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{}: ", escaped(text, MAX_CHARS)) }
}

impl ConfigError {
    /// An error of a whole file or of an environment variable.
    pub fn of(origin: impl ToString, problem: impl ToString) -> Self {
        ConfigError {
            origin: origin.to_string(),
            key: String::new(),
            problem: one_line(&problem.to_string()),
        }
    }
}

/// Parsers draw pictures over several lines, and name Rust's types.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let numbers = ["expected usize", "expected u64", "expected i64"];
    numbers.iter().fold(line, |line, number| line.replace(number, "expected a whole number"))
}
