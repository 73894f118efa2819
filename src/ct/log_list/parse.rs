//! Parses a list's JSON to [`LogList`].
//!
//! Fields that are not needed may be present, missing or of another type. An error in one log affects only
//! that log, and is returned with the list.

use super::{Endpoint, ListedLog, LogList, LogState, TemporalInterval};
use crate::ct::json_kind::kind_of;
use crate::printable::escaped;
use base64_simd::STANDARD;
use chrono::{DateTime, Utc};
use openssl::pkey::PKey;
use openssl::sha::sha256;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;

/// Maximum size of a log list, in bytes. Chrome's list of all logs has 160 kB, Apple's 150 kB.
pub const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of logs in a list. About 250 logs have existed so far.
pub(crate) const MAX_LOGS: usize = 5_000;
/// Maximum number of JSON values in a list, counted by the characters that begin or separate them. A log has about 30.
pub(crate) const MAX_VALUES: usize = 200_000;
/// Maximum length of a name or URL, in characters. An RSA key of 4096 bits has 736 characters of base64.
const MAX_TEXT_CHARS: usize = 2_048;
/// Maximum number of characters of an invalid value that are logged.
const MAX_SHOWN_CHARS: usize = 80;
/// Maximum merge delay of nearly all RFC 6962 logs. It is the default for lists that do not contain it.
const DEFAULT_MMD_S: u64 = 24 * 3600;

/// A parsed list, and the logs in it that could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedList {
    /// The parsed logs; there is at least one.
    pub list: LogList,
    /// The logs that could not be parsed.
    pub broken: Vec<BrokenLog>,
}

/// Why some bytes are not a usable list.
#[derive(Debug, thiserror::Error)]
pub enum LogListError {
    #[error("it is {length} bytes long; a log list may have {MAX_LIST_BYTES}")]
    TooLarge { length: usize },
    #[error("it has more than {MAX_VALUES} values")]
    TooManyValues,
    #[error("it is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error("it is {found}, not a JSON object")]
    NotAnObject { found: &'static str },
    #[error("it has no array \"operators\"")]
    NoOperators,
    #[error("it names {count} logs, more than {MAX_LOGS}")]
    TooManyLogs { count: usize },
    #[error("it has no logs, only {operators} operators")]
    Empty { operators: usize },
    #[error("none of its {count} logs can be read; the first: {first}")]
    AllBroken { count: usize, first: Box<BrokenLog> },
}

/// A log of a list that could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLog {
    /// The operator's name in the list; empty if it has none.
    pub operator: String,
    /// The log's name in the list, or its index among the operator's logs.
    pub description: String,
    /// The error.
    pub fault: LogFault,
}

impl fmt::Display for BrokenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {:?} of {:?}: {}", self.description, self.operator, self.fault)
    }
}

/// The error in one log of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    #[error("it is {found}, not a JSON object")]
    NotAnObject { found: &'static str },
    #[error("it has no {field:?}")]
    Missing { field: &'static str },
    #[error("its {field:?} is {found}, not {expected}")]
    WrongType { field: &'static str, found: &'static str, expected: &'static str },
    #[error("its {field:?} has {length} bytes, more than {MAX_TEXT_CHARS}")]
    TooLong { field: &'static str, length: usize },
    #[error("its {field:?} is empty or has control characters: {found:?}")]
    NotAName { field: &'static str, found: String },
    #[error("its {field:?} is not standard padded base64: {found:?}")]
    NotBase64 { field: &'static str, found: String },
    #[error("its \"log_id\" is {log_id:?}, but its key has the id {of_key:?}")]
    WrongLogId { log_id: String, of_key: String },
    #[error("its \"key\" of {length} bytes is not a SubjectPublicKeyInfo")]
    NotAKey { length: usize },
    #[error("its {field:?} is not the URL of a log: {found:?}")]
    NotAUrl { field: &'static str, found: String },
    #[error("its state is unknown: {found:?}")]
    UnknownState { found: String },
    #[error("its {field:?} is not an RFC 3339 time: {found:?}")]
    NotATime { field: &'static str, found: String },
    #[error("its temporal interval ends at {end:?}, which is not after its start, {start:?}")]
    EmptyInterval { start: String, end: String },
    #[error("it has the log id of {first:?}, which stands before it")]
    Twice { first: String },
}

/// Parses a list of Chrome or Apple.
///
/// # Errors
/// If the list has no usable log; see [`LogListError`].
pub fn parse(json: &[u8]) -> Result<ParsedList, LogListError> {
    if json.len() > MAX_LIST_BYTES {
        return Err(LogListError::TooLarge { length: json.len() });
    }
    // Seven bytes of JSON can take 640 of memory, also in members that nobody reads.
    if json.iter().filter(|byte| matches!(byte, b'{' | b'[' | b',')).count() > MAX_VALUES {
        return Err(LogListError::TooManyValues);
    }
    let root = match serde_json::from_slice(json).map_err(LogListError::NotJson)? {
        Value::Object(root) => root,
        other => return Err(LogListError::NotAnObject { found: kind_of(&other) }),
    };
    let operators = root.get("operators").and_then(Value::as_array).ok_or(LogListError::NoOperators)?;
    let mut logs: Vec<ListedLog> = Vec::new();
    let mut broken = Vec::new();
    let mut places = HashMap::new();
    for entry in operators.iter().flat_map(entries_of) {
        if logs.len() + broken.len() >= MAX_LOGS {
            return Err(LogListError::TooManyLogs { count: operators.iter().flat_map(entries_of).count() });
        }
        let read = entry.read().and_then(|log| match places.get(&log.log_id) {
            Some(first) => Err(LogFault::Twice { first: String::clone(first) }),
            None => Ok(log),
        });
        match read {
            Ok(log) => {
                places.insert(log.log_id, log.description.clone());
                logs.push(log);
            }
            Err(fault) => broken.push(entry.broken(fault)),
        }
    }
    if logs.is_empty() {
        let count = broken.len();
        return Err(match broken.into_iter().next() {
            Some(first) => LogListError::AllBroken { count, first: first.into() },
            None => LogListError::Empty { operators: operators.len() },
        });
    }
    let list = LogList { version: version(&root), timestamp: timestamp(&root), logs };
    Ok(ParsedList { list, broken })
}

/// An operator's array of logs. It determines the protocol of the logs.
#[derive(Clone, Copy)]
enum Array {
    Logs,
    TiledLogs,
}

/// A log as JSON.
struct Entry<'a> {
    operator: Option<&'a str>,
    array: Array,
    /// Index within the operator's array, from 0.
    place: usize,
    json: &'a Value,
}

fn entries_of(operator: &Value) -> impl Iterator<Item = Entry<'_>> {
    let name = operator.get("name").and_then(Value::as_str);
    [("logs", Array::Logs), ("tiled_logs", Array::TiledLogs)].into_iter().flat_map(move |(field, array)| {
        let logs = operator.get(field).and_then(Value::as_array).into_iter().flatten();
        logs.enumerate().map(move |(place, json)| Entry { operator: name, array, place, json })
    })
}

impl Entry<'_> {
    fn read(&self) -> Result<ListedLog, LogFault> {
        let operator = checked_name("name", self.operator.ok_or(LogFault::Missing { field: "name" })?)?;
        let found = kind_of(self.json);
        let log = self.json.as_object().ok_or(LogFault::NotAnObject { found })?;
        let description = checked_name("description", text(log, "description")?)?;
        let key = base64(log, "key")?;
        let (log_id, of_key) = (base64(log, "log_id")?, sha256(&key));
        if log_id != of_key {
            let [log_id, of_key] = [log_id.as_slice(), &of_key].map(|id| STANDARD.encode_to_string(id));
            return Err(LogFault::WrongLogId { log_id: shown(&log_id), of_key });
        }
        if PKey::public_key_from_der(&key).is_err() {
            return Err(LogFault::NotAKey { length: key.len() });
        }
        let endpoint = match self.array {
            Array::Logs => Endpoint::Rfc6962 { url: url(log, "url")? },
            Array::TiledLogs => Endpoint::StaticCt {
                submission_url: url(log, "submission_url")?,
                monitoring_url: url(log, "monitoring_url")?,
            },
        };
        Ok(ListedLog {
            operator,
            description,
            log_id: of_key,
            key,
            endpoint,
            state: state(log)?,
            mmd_s: log.get("mmd").and_then(Value::as_u64).unwrap_or(DEFAULT_MMD_S),
            temporal_interval: temporal_interval(log)?,
            test: log.get("log_type").and_then(Value::as_str) == Some("test"),
            vouched_for: false,
        })
    }

    fn broken(&self, fault: LogFault) -> BrokenLog {
        let description = self.json.get("description").and_then(Value::as_str);
        let array = match self.array {
            Array::Logs => "logs",
            Array::TiledLogs => "tiled_logs",
        };
        BrokenLog {
            operator: shown(self.operator.unwrap_or_default()),
            description: description.map_or_else(|| format!("{array}[{}]", self.place), shown),
            fault,
        }
    }
}

/// Parses the state: an object with one key, which is the name of the state. Its value is not needed.
fn state(log: &Map<String, Value>) -> Result<LogState, LogFault> {
    let states = match log.get("state") {
        None | Some(Value::Null) => return Ok(LogState::Undecided),
        Some(Value::Object(states)) => states,
        Some(other) => {
            let found = kind_of(other);
            return Err(LogFault::WrongType { field: "state", found, expected: "an object" });
        }
    };
    let mut names = states.keys();
    match (names.next(), names.next()) {
        (None, _) => Ok(LogState::Undecided),
        (Some(name), None) => name.parse().map_err(|_| LogFault::UnknownState { found: shown(name) }),
        _ => {
            let names: Vec<&str> = states.keys().map(String::as_str).collect();
            Err(LogFault::UnknownState { found: shown(&names.join(", ")) })
        }
    }
}

fn temporal_interval(log: &Map<String, Value>) -> Result<Option<TemporalInterval>, LogFault> {
    let interval = match log.get("temporal_interval") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(interval)) => interval,
        Some(other) => {
            let found = kind_of(other);
            return Err(LogFault::WrongType { field: "temporal_interval", found, expected: "an object" });
        }
    };
    let time = |field| {
        let text = text(interval, field)?;
        let time = time(text).ok_or_else(|| LogFault::NotATime { field, found: shown(text) })?;
        Ok((text, time.timestamp()))
    };
    let ((start, start_unix_s), (end, end_unix_s)) = (time("start_inclusive")?, time("end_exclusive")?);
    if start_unix_s >= end_unix_s {
        return Err(LogFault::EmptyInterval { start: shown(start), end: shown(end) });
    }
    Ok(Some(TemporalInterval { start_unix_s, end_unix_s }))
}

fn url(log: &Map<String, Value>, field: &'static str) -> Result<String, LogFault> {
    let text = text(log, field)?;
    let after_scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = after_scheme.and_then(|rest| rest.split('/').next());
    // Request URLs are built by appending to this URL, so it must not contain a character that ends a path.
    let bare = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte));
    match host {
        Some(host) if bare && !host.is_empty() && !host.contains('@') => Ok(text.into()),
        _ => Err(LogFault::NotAUrl { field, found: shown(text) }),
    }
}

fn base64(log: &Map<String, Value>, field: &'static str) -> Result<Vec<u8>, LogFault> {
    let text = text(log, field)?;
    STANDARD.decode_to_vec(text).map_err(|_| LogFault::NotBase64 { field, found: shown(text) })
}

fn text<'a>(object: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, LogFault> {
    let value = object.get(field).ok_or(LogFault::Missing { field })?;
    let found = kind_of(value);
    let text = value.as_str().ok_or(LogFault::WrongType { field, found, expected: "a string" })?;
    if text.len() > MAX_TEXT_CHARS {
        return Err(LogFault::TooLong { field, length: text.len() });
    }
    Ok(text)
}

/// Names are copied unchanged into messages and pages, so they must not contain characters that look like
/// others.
fn checked_name(field: &'static str, name: &str) -> Result<String, LogFault> {
    if name.len() > MAX_TEXT_CHARS {
        return Err(LogFault::TooLong { field, length: name.len() });
    }
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(LogFault::NotAName { field, found: shown(name) });
    }
    Ok(escaped(name, MAX_TEXT_CHARS).into())
}

fn version(root: &Map<String, Value>) -> String {
    match root.get("version") {
        Some(Value::String(version)) => shown(version),
        Some(Value::Number(version)) => version.to_string(),
        _ => String::new(),
    }
}

fn timestamp(root: &Map<String, Value>) -> Option<DateTime<Utc>> {
    time(root.get("log_list_timestamp")?.as_str()?)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}
