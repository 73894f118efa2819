//! The list that is in force.

use crate::ct::log_list::LogList;
use chrono::{DateTime, Utc};
use std::fmt;
use std::path::PathBuf;

/// The list that is in force, and its origin.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// The list with its logs.
    pub list: LogList,
    /// The origin of the list.
    pub origin: Origin,
}

/// The origin of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The publisher's server sent the list, or confirmed that it is still the newest.
    Fetched {
        /// When it was sent or confirmed.
        at: DateTime<Utc>,
    },
    /// The list was saved on disk.
    Saved {
        /// The file's path.
        path: PathBuf,
        /// When the publisher's server sent it.
        fetched: DateTime<Utc>,
    },
    /// The list was built into the binary.
    BuiltIn {
        /// When its publisher created it.
        made: Option<DateTime<Utc>>,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: &str = "%Y-%m-%d %H:%M UTC";
        match self {
            Origin::Fetched { at } => write!(f, "fetched {}", at.format(MINUTE)),
            Origin::Saved { path, fetched } => {
                write!(f, "saved in {}, fetched {}", path.display(), fetched.format(MINUTE))
            }
            Origin::BuiltIn { made: Some(made) } => write!(f, "built in, of {}", made.format("%Y-%m-%d")),
            Origin::BuiltIn { made: None } => f.write_str("built in"),
        }
    }
}
