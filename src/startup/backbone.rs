//! The journal of this server: its own, or the stream of its cluster.

use super::error::StartError;
use super::journal::{JournalError, OpenJournal};
use crate::actors::broker::Alert;
use crate::actors::log_directory::{LogDirectory, LogStatuses, SharedGroups};
use crate::actors::outlet::Outlet;
use crate::config::{Config, HealthLimits, JournalConfig};
use crate::journal::{AppendBlocks, KnownIssuers, SharedJournal, Store};
use crate::named_filters::SharedFilters;
use crate::state::{Positions, SharedPosition};
use crate::unique::Uniques;
use actix::prelude::*;
use std::io;
use std::ops::Range;
use std::sync::Arc;

#[cfg(feature = "cluster")]
use {super::cluster::Membership, crate::clock};

/// The journal, and what belongs to it.
pub(super) struct Backbone {
    /// What clients read.
    pub(super) journal: SharedJournal,
    /// Where watchers append blocks.
    pub(super) appender: Arc<dyn AppendBlocks>,
    /// The journal on this server's disk.
    pub(super) store: Option<Arc<Store>>,
    /// The numbers from the first to the second one were never given.
    pub(super) not_given: Range<u64>,
    /// Where a client begins that comes back without a cursor. `None` if that is not known.
    pub(super) start_of_grace: Option<u64>,
    /// What was seen, for subscribers who want each certificate once.
    pub(super) uniques: Arc<Uniques>,
    /// `None`: this is the only server.
    #[cfg(feature = "cluster")]
    pub(super) membership: Option<Membership>,
}

impl Backbone {
    /// Opens the journal that `config` asks for, and takes `positions` over from it.
    ///
    /// # Errors
    /// If the journal cannot be used.
    pub(super) fn open(config: &Config, positions: &Positions) -> Result<Self, StartError> {
        #[cfg(feature = "cluster")]
        if let Some(role) = config.cluster.role {
            return Ok(Self::of_cluster(config, Membership::open(config, role)?));
        }
        Ok(Self::embedded(config, positions)?)
    }

    #[cfg(feature = "cluster")]
    fn of_cluster(config: &Config, membership: Membership) -> Self {
        let journal = membership.journal();
        let next_seq = journal.next_seq();
        let dir = config.keeps_positions.then(|| config.state_dir.join("unique"));
        // What was read stays in the stream, so nothing that was recorded is out of date.
        let uniques = Uniques::open(dir, config.unique, Some(u64::MAX), clock::unix_us());
        Backbone {
            journal,
            appender: membership.appender(),
            store: None,
            not_given: next_seq..next_seq,
            start_of_grace: membership.start_of_grace(),
            uniques: Arc::new(uniques),
            membership: Some(membership),
        }
    }

    fn embedded(config: &Config, positions: &Positions) -> Result<Self, JournalError> {
        let settings = journal_config(config);
        let opened = OpenJournal::open(&settings, positions)?;
        let uniques = opened.uniques(&settings, &config.state_dir, config.unique);
        Ok(Backbone {
            appender: Arc::new(opened.writer(config.journal.sync_interval.is_zero())?),
            not_given: opened.before_start..opened.store.next_seq(),
            start_of_grace: opened.start_of_grace(),
            uniques: Arc::new(uniques),
            journal: opened.store.clone(),
            store: Some(opened.store),
            #[cfg(feature = "cluster")]
            membership: None,
        })
    }
}

/// What a server of a cluster does besides. Without a cluster, there is nothing to do.
impl Backbone {
    /// Where notices about logs go, if not to this server's clients.
    pub(super) fn alerts(&self) -> Option<Recipient<Alert>> {
        #[cfg(feature = "cluster")]
        return self.membership.as_ref()?.alerts();
        #[cfg(not(feature = "cluster"))]
        None
    }

    /// The groups of logs that are shared with other servers.
    pub(super) fn groups(&self) -> Option<SharedGroups> {
        #[cfg(feature = "cluster")]
        return self.membership.as_ref()?.groups();
        #[cfg(not(feature = "cluster"))]
        None
    }

    /// The filters that clients have put at any server.
    pub(super) fn filters(&self) -> Option<Arc<dyn SharedFilters>> {
        #[cfg(feature = "cluster")]
        return self.membership.as_ref()?.filters();
        #[cfg(not(feature = "cluster"))]
        None
    }

    /// The place of the output `name`, if several servers share it.
    pub(super) fn output(&self, name: &str) -> Option<Arc<dyn SharedPosition>> {
        #[cfg(feature = "cluster")]
        return self.membership.as_ref()?.output(name);
        #[cfg(not(feature = "cluster"))]
        {
            let _ = name;
            None
        }
    }

    /// Publishes what other servers append to the clients of this one.
    ///
    /// # Errors
    /// If the operating system does not start a thread.
    pub(super) fn follow(&self, outlet: &Outlet, issuers: &Arc<KnownIssuers>) -> io::Result<()> {
        #[cfg(feature = "cluster")]
        if let Some(membership) = &self.membership {
            membership.follow(outlet.clone(), issuers.clone())?;
        }
        let _ = (outlet, issuers);
        Ok(())
    }

    /// Begins to fetch the logs that this server shares with others.
    pub(super) fn take_part(&self, directory: &Addr<LogDirectory>, logs: LogStatuses, limits: HealthLimits) {
        #[cfg(feature = "cluster")]
        if let Some(membership) = &self.membership {
            return membership.take_part(directory, logs, limits);
        }
        let _ = (directory, logs, limits);
    }

    /// Hands over to other servers, once nothing is appended any more.
    pub(super) fn close(&self) {
        #[cfg(feature = "cluster")]
        self.membership.iter().for_each(Membership::close);
    }
}

/// The settings of the journal. Without positions, it is in memory alone: the state folder is not locked.
fn journal_config(config: &Config) -> JournalConfig {
    let dir = config.journal.dir.clone().filter(|_| config.keeps_positions);
    JournalConfig { dir, ..config.journal.clone() }
}
