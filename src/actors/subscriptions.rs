//! How clients and outputs become readers.

use super::reader::{Asked, Feeds, Reader, Subscribed, TooManyFilters};
use crate::config::WhenBehind;
use crate::counters::Counters;
use crate::journal::{FileError, SharedJournal};
use crate::unique::Uniques;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What readers read from.
#[derive(Debug, Clone)]
pub(crate) struct Subscriptions {
    /// What is read.
    pub(crate) feeds: Feeds,
    /// The journal.
    pub(crate) journal: SharedJournal,
    /// What was seen, for those who want each certificate once.
    pub(crate) uniques: Arc<Uniques>,
    /// Receives readers that need the journal.
    pub(crate) replay: Sender<Arc<Reader>>,
}

/// How a reader reads.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Whether it is told about logs.
    pub(crate) notices: bool,
    /// Whether it is told what it misses.
    pub(crate) tells_gaps: bool,
    /// What happens when its place is no longer in memory.
    pub(crate) when_behind: WhenBehind,
    /// The number before which it ends.
    pub(crate) until: Option<u64>,
    /// Where what it was sent is counted.
    pub(crate) counters: Arc<Counters>,
}

/// Why there is no reader.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSubscribed {
    /// The filters of all clients take as much memory as they may.
    #[error("the filters of all clients take as much memory as they may")]
    TooManyFilters,
    /// What was seen is not known.
    #[error("the journal cannot be read now: {0}")]
    Unreadable(#[from] FileError),
}

impl Subscriptions {
    /// A reader of what is asked for, which reads nothing before the Broker has it. All filters may take `filter_bytes` bytes
    /// together.
    ///
    /// # Errors
    /// See [`NotSubscribed`].
    pub(crate) async fn reader(
        &self,
        asked: Asked,
        manner: Manner,
        filter_bytes: usize,
        now_us: u64,
    ) -> Result<Arc<Reader>, NotSubscribed> {
        if let Some(kind) = asked.unique {
            let horizon = self.journal.seq_at(self.uniques.horizon_us(now_us)).await?;
            self.uniques.track(kind, || horizon, now_us);
        }
        let feed = self.feeds.of(asked, filter_bytes);
        let Manner { notices, tells_gaps, when_behind, until, counters } = manner;
        let feed = feed.map_err(|TooManyFilters| NotSubscribed::TooManyFilters)?;
        let subscribed = Subscribed { feed, when_behind, counters, tells_gaps };
        Ok(Reader::new(notices, subscribed, self.replay.clone(), until))
    }
}
