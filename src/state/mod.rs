//! The data that is stored on disk.

pub(crate) mod evidence;
mod foreign;
mod ledger;
mod lock;
pub(crate) mod positions;
pub(crate) mod undecodable;
mod usage;

pub use evidence::EvidenceFolder;
pub use foreign::{ForeignPositions, NotForeign, parse as foreign_positions};
pub use ledger::{Ledger, OutOfTurn};
pub use lock::{StateLock, StateLockError};
pub use positions::{Position, Positions, PositionsError};
pub use undecodable::{UndecodableEntry, UndecodableFolder};
pub(crate) use usage::Usage;
