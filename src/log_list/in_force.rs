//! The list that is in force.

use crate::ct::log_list::LogList;
use chrono::{DateTime, Utc};
use std::fmt;
use std::path::PathBuf;

/// The list that is in force, and where it is from.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Its logs.
    pub list: LogList,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a list is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its publisher sent it, or said that it is still the newest.
    Fetched {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was kept on disk.
    Saved {
        /// The file.
        path: PathBuf,
        /// When its publisher sent it.
        fetched: DateTime<Utc>,
    },
    /// It was built into the binary.
    BuiltIn {
        /// When its publisher made it.
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
