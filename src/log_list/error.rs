//! Why a list could not be refreshed.

use super::source::Unbelievable;
use crate::ct::log_list::MostAreGone;
use crate::http_client::HttpError;
use chrono::{DateTime, Utc};

/// A failed refresh. The previous list stays in force. All of these errors can be retried later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// There is no complete response.
    #[error("failed to fetch {url}: {error}")]
    Http {
        /// The requested URL.
        url: String,
        /// The error.
        #[source]
        error: HttpError,
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
