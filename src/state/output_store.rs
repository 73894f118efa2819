//! Where the position of an output is kept: on this server, or where several servers share it.

use super::output_positions::{OutputPosition, OutputPositionFile};
use futures_util::future::BoxFuture;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The position of an output that runs on one of several servers at a time.
pub(crate) trait SharedPosition: fmt::Debug + Send + Sync {
    /// Resolves when this server may deliver. Returns the position; `None` for a new output.
    fn acquire(&self) -> BoxFuture<'_, Option<OutputPosition>>;

    /// Whether this server may still deliver.
    fn is_held(&self) -> bool;

    /// Replaces the position. Blocks.
    ///
    /// # Errors
    /// If that is not sure, or another server delivers now.
    fn save(&self, position: &OutputPosition) -> io::Result<()>;

    /// Lets another server deliver. Blocks.
    fn release(&self);

    /// The server that delivers, as was seen last.
    fn owner(&self) -> Option<String>;

    /// The number before which everything was delivered, as was seen last.
    fn seen(&self) -> Option<u64>;
}

/// Where the position of an output is kept.
#[derive(Debug)]
pub(crate) enum OutputPositions {
    /// On this server, which alone delivers.
    Own(OutputPositionFile),
    /// Where several servers share it.
    Shared {
        /// Their place.
        place: Arc<dyn SharedPosition>,
        /// The position as this server has acquired or saved it.
        saved: Option<OutputPosition>,
    },
}

impl OutputPositions {
    /// The position. `None` for a new output, and for one that this server has not acquired yet.
    pub(crate) fn saved(&self) -> Option<&OutputPosition> {
        match self {
            OutputPositions::Own(file) => file.saved(),
            OutputPositions::Shared { saved, .. } => saved.as_ref(),
        }
    }

    /// Whether the next run of the program has the position, too.
    pub(crate) fn is_kept(&self) -> bool {
        match self {
            OutputPositions::Own(file) => file.is_kept(),
            OutputPositions::Shared { .. } => true,
        }
    }

    /// Whether this server may deliver now.
    pub(crate) fn is_held(&self) -> bool {
        match self {
            OutputPositions::Own(_) => true,
            OutputPositions::Shared { place, .. } => place.is_held(),
        }
    }

    /// Whether other servers may deliver, too.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, OutputPositions::Shared { .. })
    }

    /// Waits until this server may deliver.
    pub(crate) async fn acquire(&mut self) {
        if let OutputPositions::Shared { place, saved } = self {
            *saved = place.acquire().await;
        }
    }

    /// Replaces the position, safely when this returns. Blocks.
    ///
    /// # Errors
    /// Why it was not, or may not have been. The position is what it was then.
    pub(crate) fn save(&mut self, position: OutputPosition) -> io::Result<()> {
        match self {
            OutputPositions::Own(file) => file.save(position),
            OutputPositions::Shared { saved, .. } if saved.as_ref() == Some(&position) => Ok(()),
            OutputPositions::Shared { place, saved } => {
                place.save(&position)?;
                *saved = Some(position);
                Ok(())
            }
        }
    }

    /// Lets another server deliver. Blocks.
    pub(crate) fn release(&self) {
        if let OutputPositions::Shared { place, .. } = self {
            place.release();
        }
    }
}
