//! Selects the logs of a list to watch.

use super::{ListedLog, LogId, LogList, LogState, UnknownState};
use crate::ct::source::bare_url;
use std::collections::BTreeSet;
use std::str::FromStr;

/// The operator's selection criteria for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The states in which a log is watched.
    pub states: BTreeSet<LogState>,
    /// If not empty, only logs that match one of these rules are watched. A rule by URL, log id or state
    /// overrides `states`; a rule by operator does not.
    pub include: Vec<Rule>,
    /// Logs that match one of these rules are not watched. Takes precedence over everything else.
    pub exclude: Vec<Rule>,
}

impl Default for Selection {
    /// All logs that browsers trust and that can be read.
    fn default() -> Self {
        let states = BTreeSet::from([LogState::Qualified, LogState::Usable, LogState::Readonly]);
        Selection { states, include: Vec::new(), exclude: Vec::new() }
    }
}

/// A rule that matches logs. Its text form is `operator:Google`, `url:https://ct.example.com/2026`,
/// `log_id:<base64>` or `state:pending`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All logs of the operator with this name. Case is ignored.
    Operator(String),
    /// The log with this monitoring or submission URL, or all logs whose URLs are below this one. Scheme,
    /// case and trailing slashes are ignored.
    Url(String),
    /// The log with this id.
    LogId(LogId),
    /// All logs in this state.
    State(LogState),
}

impl Rule {
    fn fits(&self, log: &ListedLog) -> bool {
        match self {
            Rule::Operator(name) => name.to_lowercase() == log.operator.to_lowercase(),
            Rule::Url(prefix) => log.endpoint.urls().any(|url| is_below(url, prefix)),
            Rule::LogId(id) => *id == log.log_id,
            Rule::State(state) => *state == log.state,
        }
    }
}

fn is_below(url: &str, prefix: &str) -> bool {
    let (url, prefix) = (bare_url(url).to_ascii_lowercase(), bare_url(prefix).to_ascii_lowercase());
    url.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Selection {
    /// The logs to watch at `now_unix_s`, in the order of the list.
    ///
    /// Test logs and logs that are [over](ListedLog::is_over) are never selected. Logs whose interval has not
    /// begun are selected: the interval is about expiry dates, and certificates that expire next year are
    /// logged now.
    pub fn select<'a>(&self, list: &'a LogList, now_unix_s: i64) -> Vec<&'a ListedLog> {
        list.logs
            .iter()
            .filter(|log| !log.test && !log.is_over(now_unix_s))
            .filter(|log| !self.exclude.iter().any(|rule| rule.fits(log)))
            .filter(|log| self.includes(log))
            .collect()
    }

    fn includes(&self, log: &ListedLog) -> bool {
        let mut fitting = self.include.iter().filter(|rule| rule.fits(log)).peekable();
        let considered = self.include.is_empty() || fitting.peek().is_some();
        let named = fitting.any(|rule| !matches!(rule, Rule::Operator(_)));
        considered && (named || self.states.contains(&log.state))
    }
}

/// Why a rule is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error(
        "rule {0:?} is none of \"operator:NAME\", \"url:URL\", \"log_id:BASE64\", \"state:STATE\", or says nothing"
    )]
    Kind(String),
    #[error("rule {0:?}: a log id is 32 bytes in base64")]
    LogId(String),
    #[error("rule {rule:?}: {error}")]
    State { rule: String, error: UnknownState },
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(rule: &str) -> Result<Self, RuleError> {
        let (kind, value) = rule.split_once(':').unwrap_or((rule, ""));
        let value = value.trim();
        match kind.trim() {
            // An empty prefix would match every log.
            "url" if !bare_url(value).is_empty() => Ok(Rule::Url(value.into())),
            "operator" if !value.is_empty() => Ok(Rule::Operator(value.into())),
            "log_id" => {
                let id = base64_simd::STANDARD.decode_to_vec(value).ok();
                let id = id.and_then(|id| id.try_into().ok());
                id.map(Rule::LogId).ok_or_else(|| RuleError::LogId(rule.into()))
            }
            "state" => {
                let state = value.parse().map_err(|error| RuleError::State { rule: rule.into(), error });
                state.map(Rule::State)
            }
            _ => Err(RuleError::Kind(rule.into())),
        }
    }
}
