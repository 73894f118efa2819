//! One value of a parameter: checked, and in its normal form.

use super::error::Fault;
use super::lookalike::Target;
use super::names::{lower_case, to_a_labels, to_u_labels};
use super::parameter::Parameter;
use crate::ct::entry::LogEntryType;
use crate::ct::source::bare_url;
use regex::bytes::{Regex, RegexBuilder};
use std::borrow::Cow;

/// The values of `type`.
pub(super) const TYPES: [&str; 2] = ["precert", "x509"];

/// Maximum number of bytes of a domain (RFC 1035 section 2.3.4).
pub(super) const MAX_DOMAIN: usize = 253;
/// Maximum number of bytes of a label.
const MAX_LABEL: usize = 63;

/// The value of `type` for an entry.
pub(super) fn type_name(entry_type: LogEntryType) -> &'static str {
    match entry_type {
        LogEntryType::Precert => "precert",
        LogEntryType::X509 => "x509",
    }
}

/// The normal form of a value without its `!`. A compiled regular expression may have `regex_bytes`.
pub(super) fn normal_form(parameter: Parameter, text: &str, regex_bytes: usize) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::ControlCharacter);
    }
    match parameter {
        Parameter::Domain => domain(text),
        Parameter::Contains if text.is_ascii() => Ok(text.to_ascii_lowercase()),
        Parameter::Contains => Ok(to_u_labels(text).into_owned()),
        Parameter::Lookalike => lookalike(text),
        Parameter::Regex => regex(text, regex_bytes).map(|_| text.into()),
        Parameter::Issuer | Parameter::Operator => Ok(lower_case(text).into_owned()),
        Parameter::Log => Ok(log(text)),
        Parameter::Type => {
            let text = text.to_ascii_lowercase();
            if TYPES.contains(&text.as_str()) { Ok(text) } else { Err(Fault::UnknownType) }
        }
    }
}

/// A domain in A-labels. What is no domain but shows which one is meant is refused with it: a filter must never select
/// something else than what was meant.
fn domain(text: &str) -> Result<String, Fault> {
    if let Some(fault) = other_than_domain(text) {
        return Err(fault);
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let domain = to_a_labels(text).ok_or(Fault::NoDomain("UTS 46 does not allow it"))?;
    if domain.len() > MAX_DOMAIN {
        return Err(Fault::NoDomain("it has more than 253 bytes"));
    }
    domain.split('.').try_for_each(check_label)?;
    Ok(domain.into_owned())
}

/// A domain that names can be compared with.
fn lookalike(text: &str) -> Result<String, Fault> {
    let domain = domain(text)?;
    if Target::new(&domain).is_none() { Err(Fault::NotRegistrable) } else { Ok(domain) }
}

/// What `text` is instead of a domain, with the domain that is probably meant.
fn other_than_domain(text: &str) -> Option<Fault> {
    let until = |text: &str, end: &[char]| text.split(end).next().unwrap_or_default().to_string();
    let (what, meant) = if let Some((_scheme, rest)) = text.split_once("://") {
        let host = until(rest, &['/', '?', '#']);
        ("is a URL", until(host.rsplit('@').next()?, &[':']))
    } else if text.contains(['/', '?']) {
        ("is a URL", until(text, &['/', '?', ':']))
    } else if let Some((_mailbox, domain)) = text.rsplit_once('@') {
        ("is an e-mail address", domain.into())
    } else if let Some(domain) = without_port(text) {
        ("has a port", domain.into())
    } else if let Some(domain) = text.strip_prefix("*.") {
        ("has a wildcard, but names below it are included anyway", domain.into())
    } else {
        let domain = text.strip_prefix('.').filter(|domain| !domain.is_empty())?;
        ("begins with a dot, but names below it are included anyway", domain.into())
    };
    Some(Fault::OtherThanDomain { what, meant })
}

fn without_port(text: &str) -> Option<&str> {
    let (domain, port) = text.rsplit_once(':')?;
    (!domain.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(domain)
}

/// Labels of host names, and those with an underscore, which certificates have too.
fn check_label(label: &str) -> Result<(), Fault> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.is_empty() {
        return Err(Fault::NoDomain("a label is empty"));
    }
    if label.len() > MAX_LABEL {
        return Err(Fault::NoDomain("a label has more than 63 bytes"));
    }
    if !label.bytes().all(is_allowed) {
        return Err(Fault::NoDomain(
            "a label has other characters than letters, digits, hyphens and underscores",
        ));
    }
    Ok(())
}

/// Compiles a regular expression, which matches without case. It is searched in A-labels, so `\w`, `\d` and `.` are
/// ASCII, which keeps it small.
pub(super) fn regex(text: &str, max_bytes: usize) -> Result<Regex, Fault> {
    let syntax = regex_syntax::ParserBuilder::new()
        .case_insensitive(true)
        .unicode(false)
        .utf8(false)
        .nest_limit(MAX_NESTING)
        .build()
        .parse(text);
    if let Err(error) = syntax {
        let (what, span) = match &error {
            regex_syntax::Error::Parse(error) => (error.kind().to_string(), Some(error.span())),
            regex_syntax::Error::Translate(error) => (error.kind().to_string(), Some(error.span())),
            _ => (error.to_string(), None),
        };
        let before = span.and_then(|span| text.get(..span.start.offset)).unwrap_or_default();
        return Err(Fault::Regex { what, position: before.chars().count() + 1 });
    }
    builder(text, max_bytes).build().map_err(|_| Fault::LargeRegex { limit: max_bytes })
}

/// Deeper expressions are refused.
const MAX_NESTING: u32 = 50;

fn builder(text: &str, max_bytes: usize) -> RegexBuilder {
    let mut builder = RegexBuilder::new(text);
    builder
        .case_insensitive(true)
        .unicode(false)
        .nest_limit(MAX_NESTING)
        .size_limit(max_bytes)
        // The lazy automaton's cache; a search that fills it falls back to a slower one, also in linear time.
        .dfa_size_limit(max_bytes);
    builder
}

/// Characters of a log's id in base64.
const LOG_ID: usize = 44;

/// A log by its id in base64, its URL or its name. An id that was not percent-encoded has spaces for plus signs, of
/// which those at its beginning are lost.
fn log(text: &str) -> String {
    if (LOG_ID - 2..=LOG_ID).contains(&text.len()) {
        let id = format!("{:+>LOG_ID$}", text.replace(' ', "+"));
        if base64_simd::STANDARD.decode_to_vec(&id).is_ok_and(|id| id.len() == 32) {
            return id;
        }
    }
    log_key(text).into_owned()
}

/// The form in which the URLs and names of logs are compared.
pub(super) fn log_key(text: &str) -> Cow<'_, str> {
    match lower_case(text) {
        Cow::Borrowed(text) => Cow::Borrowed(bare_url(text)),
        Cow::Owned(text) => Cow::Owned(bare_url(&text).into()),
    }
}
