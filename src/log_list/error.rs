//! Why a list could not be brought up to date.

use super::source::Unbelievable;
use crate::ct::log_list::MostAreGone;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A failed refresh. The list that was in force still is, and all of these are worth another try later.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// No complete answer in time.
    #[error("failed to fetch {url}: no complete answer within {timeout:?}")]
    Timeout {
        /// What was asked for.
        url: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// No connection, or no answer on it.
    #[error("failed to fetch {url}: {reason}")]
    Send {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// Another status than 200, or 304 where that was possible.
    #[error("failed to fetch {url}: status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("failed to fetch {url}: not following its redirect to {location:?}: {reason}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where it sent us.
        location: String,
        /// Why we do not go.
        reason: &'static str,
    },
    /// The answer's body broke off.
    #[error("failed to fetch {url}: answer broke off: {reason}")]
    BrokeOff {
        /// What was asked for.
        url: String,
        /// Where, or why.
        reason: String,
    },
    /// More bytes than any honest list has.
    #[error("failed to fetch {url}: answer is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// Its signature does not hold, or it is no log list.
    #[error("failed to use the log list at {url}: {error}")]
    Unbelievable {
        /// The list.
        url: String,
        /// What is wrong with it.
        #[source]
        error: Unbelievable,
    },
    /// An older list than the one in force, as a cache that lags behind would send.
    #[error(
        "failed to use the log list at {url}: it is of {made}, older than the one in force, of {in_force}"
    )]
    Older {
        /// The list.
        url: String,
        /// When it was made.
        made: DateTime<Utc>,
        /// When the list in force was made.
        in_force: DateTime<Utc>,
    },
    /// A list that would stop most watchers.
    #[error(
        "failed to use the log list at {url}: {error}; if that is meant, delete the saved list ({saved}) and restart"
    )]
    MostAreGone {
        /// The list.
        url: String,
        /// The file of the previous list.
        saved: String,
        /// Both counts.
        #[source]
        error: MostAreGone,
    },
}
