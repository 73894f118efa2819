//! Checks that several keys share.

use super::super::error::ConfigError;
use super::super::read::Sources;
use super::super::values::Span;
use std::time::Duration;

pub(super) fn positive(sources: &Sources, key: &str, span: Span) -> Result<Duration, ConfigError> {
    if span.0.is_zero() { Err(sources.error(key, "expected more than 0s")) } else { Ok(span.0) }
}

pub(super) fn at_least_one(sources: &Sources, key: &str, n: usize) -> Result<usize, ConfigError> {
    if n == 0 { Err(sources.error(key, "expected at least 1")) } else { Ok(n) }
}
