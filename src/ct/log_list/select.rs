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
        list.logs.iter().filter(|log| self.judge(log, now_unix_s).is_ok()).collect()
    }

    /// The logs that are not watched at `now_unix_s`, and why, in the order of the list.
    pub fn left_out<'a>(&self, list: &'a LogList, now_unix_s: i64) -> Vec<(&'a ListedLog, NotSelected)> {
        list.logs.iter().filter_map(|log| Some((log, self.judge(log, now_unix_s).err()?))).collect()
    }

    fn judge(&self, log: &ListedLog, now_unix_s: i64) -> Result<(), NotSelected> {
        if log.test {
            return Err(NotSelected::Test);
        }
        if log.is_over(now_unix_s) {
            return Err(NotSelected::Over);
        }
        if self.exclude.iter().any(|rule| rule.fits(log)) {
            return Err(NotSelected::Excluded);
        }
        let mut fitting = self.include.iter().filter(|rule| rule.fits(log)).peekable();
        if !self.include.is_empty() && fitting.peek().is_none() {
            return Err(NotSelected::NotIncluded);
        }
        let named = fitting.any(|rule| !matches!(rule, Rule::Operator(_)));
        if named || self.states.contains(&log.state) { Ok(()) } else { Err(NotSelected::State) }
    }
}

/// Why a log of a list is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotSelected {
    /// It is a test log.
    #[error("a test log")]
    Test,
    /// It accepts certificates that expire in an interval that is over.
    #[error("its interval is over")]
    Over,
    /// A rule excludes it.
    #[error("excluded by log_list.exclude")]
    Excluded,
    /// No rule includes it.
    #[error("not in log_list.include")]
    NotIncluded,
    /// Its state is not among the selected ones.
    #[error("its state is not in log_list.states")]
    State,
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
