//! Why a list could not be refreshed.

use super::source::Unbelievable;
use crate::ct::log_list::MostAreGone;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A failed refresh. The previous list stays in force. All of these errors can be retried later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// The response was not complete within the timeout.
    #[error("failed to fetch {url}: no complete response within {timeout:?}")]
    Timeout {
        /// The requested URL.
        url: String,
        /// The timeout.
        timeout: Duration,
    },
    /// The connection failed, or no response arrived on it.
    #[error("failed to fetch {url}: {reason}")]
    Send {
        /// The requested URL.
        url: String,
        /// The error.
        reason: String,
    },
    /// A status other than 200, or other than 304 for a conditional request.
    #[error("failed to fetch {url}: status {status}")]
    Status {
        /// The requested URL.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("failed to fetch {url}: not following its redirect to {location:?}: {reason}")]
    Redirect {
        /// The requested URL.
        url: String,
        /// The target of the redirect.
        location: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// The response body ended early.
    #[error("failed to fetch {url}: the response ended early: {reason}")]
    BrokeOff {
        /// The requested URL.
        url: String,
        /// The position or the reason.
        reason: String,
    },
    /// The response is larger than any valid list.
    #[error("failed to fetch {url}: the response is larger than {limit} bytes")]
    TooLarge {
        /// The requested URL.
        url: String,
        /// The limit that was exceeded, in bytes.
        limit: usize,
    },
    /// The signature is not valid, or the body is not a log list.
    #[error("failed to use the log list at {url}: {error}")]
    Unbelievable {
        /// The list's URL.
        url: String,
        /// The error.
        #[source]
        error: Unbelievable,
    },
    /// The list is older than the one in force, as a stale cache might return.
    #[error(
        "failed to use the log list at {url}: it is from {made}, older than the one in use, from {in_force}"
    )]
    Older {
        /// The list's URL.
        url: String,
        /// When the list was created.
        made: DateTime<Utc>,
        /// When the list in force was created.
        in_force: DateTime<Utc>,
    },
    /// The list would stop most watchers.
    #[error(
        "failed to use the log list at {url}: {error}; if that is intended, delete the saved list ({saved}) and restart"
    )]
    MostAreGone {
        /// The list's URL.
        url: String,
        /// The path of the saved previous list.
        saved: String,
        /// The numbers of logs.
        #[source]
        error: MostAreGone,
    },
}
