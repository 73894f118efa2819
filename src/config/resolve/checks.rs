//! Checks that several keys share.

use super::super::error::ConfigError;
use super::super::read::Sources;
use super::super::values::Span;
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn positive(sources: &Sources, key: &str, span: Span) -> Result<Duration, ConfigError> {
    if span.0.is_zero() { Err(sources.error(key, "expected more than 0s")) } else { Ok(span.0) }
}

pub(super) fn at_least_one(sources: &Sources, key: &str, n: usize) -> Result<usize, ConfigError> {
    if n == 0 { Err(sources.error(key, "expected at least 1")) } else { Ok(n) }
}

/// The files of a certificate and its private key, of which both or none are given.
pub(super) fn identity(
    sources: &Sources,
    key: &dyn Fn(&str) -> String,
    certificate: &str,
    private: &str,
) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let missing = |missing: &str, set: &str| {
        let problem = format!("expected a PEM file, because {} is set", key(set));
        Err(sources.error(&key(missing), problem))
    };
    match (certificate, private) {
        ("", "") => Ok(None),
        ("", _) => missing("tls_certificate", "tls_key"),
        (_, "") => missing("tls_key", "tls_certificate"),
        (certificate, private) => Ok(Some((certificate.into(), private.into()))),
    }
}
