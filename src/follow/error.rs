//! Why following ends, or a connection does.

use super::output::OutputError;
use std::io;
use std::time::Duration;

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("{url}: {refusal}")]
    Refused { url: String, refusal: Refusal },
    #[error("{url}: the server's certificate is not accepted: {problem}")]
    Certificate { url: String, problem: String },
    #[error(
        "{url}: this server gives its messages no numbers (seq), so --cursor-file cannot resume; leave it out, and what is \
         logged while there is no connection is missed"
    )]
    NoNumbers { url: String },
    #[error(
        "{url}: this server does not understand filters and would send everything; leave the filter out, and filter the \
         output"
    )]
    NoFilters { url: String },
    #[error("{0}")]
    Output(#[source] OutputError),
    #[error("the output cannot be opened: {0}")]
    NoOutput(#[source] io::Error),
}

impl FollowError {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            FollowError::Output(_) | FollowError::NoOutput(_) => 1,
            FollowError::Refused { .. }
            | FollowError::Certificate { .. }
            | FollowError::NoNumbers { .. }
            | FollowError::NoFilters { .. } => 2,
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectFailure {
    /// The connection failed, or broke.
    Lost(String),
    /// The server's certificate is not accepted.
    Certificate(String),
    /// The server answered something else than the upgrade.
    Refused(Refusal),
}

impl From<crate::http_client::ConnectProblem> for ConnectFailure {
    fn from(problem: crate::http_client::ConnectProblem) -> Self {
        use crate::http_client::ConnectProblem;
        match problem {
            ConnectProblem::Certificate(problem) => ConnectFailure::Certificate(problem),
            ConnectProblem::Other(problem) => ConnectFailure::Lost(problem),
        }
    }
}

/// A response other than the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<String>,
    /// What the server says about it.
    pub(super) message: String,
}

impl Refusal {
    /// Whether the same request may succeed later: the server is overloaded or away.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server answered {}", self.status)?;
        match (&self.location, self.message.as_str()) {
            (Some(location), _) if (300..400).contains(&self.status) => {
                write!(f, " and refers to {location}; give that URL, if you trust it")
            }
            _ if (200..300).contains(&self.status) => write!(f, "; this is not a WebSocket stream"),
            (_, "") => Ok(()),
            (_, message) if message.starts_with("cursor: ") => write!(
                f,
                ": {message}; a cursor is valid only for the server that gave it: to begin anew, leave it out, or delete \
                 the cursor file"
            ),
            (_, message) => write!(f, ": {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, location: Option<&str>, message: &str) -> Refusal {
        let location = location.map(String::from);
        Refusal { status, retry_after: None, location, message: message.into() }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (refusal, text) in [
            (refusal(404, None, ""), "the server answered 404"),
            (
                refusal(400, None, "domian: no such parameter"),
                "the server answered 400: domian: no such parameter",
            ),
            (refusal(200, None, "<html>"), "the server answered 200; this is not a WebSocket stream"),
            (
                refusal(301, Some("https://x/"), "moved"),
                "the server answered 301 and refers to https://x/; give that URL, if you trust it",
            ),
        ] {
            assert_eq!(refusal.to_string(), text);
        }
        assert!(refusal(400, None, "cursor: 9 is not given").to_string().ends_with("delete the cursor file"));
    }

    #[test]
    fn only_what_may_pass_is_temporary() {
        assert!(
            [408, 425, 429, 500, 502, 503, 504]
                .iter()
                .all(|status| refusal(*status, None, "").is_temporary())
        );
        assert!(
            ![200, 301, 400, 401, 403, 404, 410]
                .iter()
                .any(|status| refusal(*status, None, "").is_temporary())
        );
    }
}
