//! The data that is stored on disk.

mod bounded_folder;
pub(crate) mod evidence;
mod filter_folder;
mod foreign;
mod ledger;
mod lock;
mod output_positions;
mod output_store;
mod position;
pub(crate) mod positions;
mod rates;
pub(crate) mod skipped;
pub(crate) mod undecodable;

pub use bounded_folder::FolderError;
pub(crate) use bounded_folder::{BoundedFolder, FolderLimits};
pub use evidence::EvidenceFolder;
pub(crate) use filter_folder::FilterFolder;
pub use foreign::{ForeignPositions, NotForeign, parse as foreign_positions};
pub use ledger::{Ledger, OutOfTurn};
pub use lock::{StateLock, StateLockError};
pub use output_positions::OutputPositionError;
pub(crate) use output_positions::{FilePlace, OutputPosition, OutputPositionFile};
pub(crate) use output_store::{OutputPositions, SharedPosition};
pub use position::{Between, Decision, MissingRange, Position, Skip};
#[cfg(feature = "cluster")]
pub(crate) use positions::log_identifier;
pub use positions::{Positions, PositionsError};
pub(crate) use positions::{encode_position, parse_position};
pub(crate) use rates::{LearnedRate, RatesFile};
pub(crate) use skipped::{SkipRecord, SkippedFolder};
pub use undecodable::{UndecodableEntry, UndecodableFolder};
