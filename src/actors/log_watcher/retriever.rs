//! Requests entries again that the log did not serve, ever more rarely, while the other stages go on behind them.

use super::log_requests::LogRequests;
use super::missing_board::{MissingBoard, request};
use super::report::Reporter;
use super::unverified::{DecodedEntry, decode};
use crate::digest::Topic;
use crate::state::{Between, MissingRange};
use log::Level;
use std::rc::Rc;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

/// Entries that were missing and are verified.
#[derive(Debug)]
pub(super) struct Recovered {
    /// The first index of the range.
    pub(super) start: u64,
    pub(super) entries: Vec<DecodedEntry>,
}

/// Retrieves the missing entries of one log.
pub(super) struct Retriever<L> {
    pub(super) log: Rc<L>,
    pub(super) missing: Rc<MissingBoard>,
    pub(super) reporter: Rc<Reporter>,
    pub(super) recovered: mpsc::Sender<Recovered>,
}

impl<L: LogRequests> Retriever<L> {
    /// Runs forever.
    pub(super) async fn run(&mut self) {
        loop {
            let (due, range) = self.missing.next().await;
            tokio::select! {
                () = sleep_until(due) => self.retrieve(&range).await,
                () = self.missing.changed() => {}
            }
        }
    }

    async fn retrieve(&mut self, range: &MissingRange) {
        match self.fetch(range).await {
            Ok(entries) => {
                self.missing.came(range.start);
                // The Publisher owns the receiver, and both end together.
                let _ = self.recovered.send(Recovered { start: range.start, entries }).await;
            }
            Err(problem) => {
                self.missing.failed(range.start);
                let topic = Topic { about: "entry", problem: "still missing" };
                self.reporter
                    .tell(Level::Warn, topic, |name| format!("{name}: {} missing: {problem}", named(range)));
            }
        }
    }

    /// Fetches and verifies the entries of `range`, or says what is wrong.
    async fn fetch(&self, range: &MissingRange) -> Result<Vec<DecodedEntry>, String> {
        let page = self.log.entries(request(range)).await.map_err(|error| {
            self.reporter.status().failed(&error);
            error.to_string()
        })?;
        let entries: Vec<_> = decode(request(range), page, &self.reporter).into_iter().flatten().collect();
        if entries.len() as u64 != range.count() {
            return Err(format!("the log served {} of {} entries", entries.len(), range.count()));
        }
        match &range.between {
            Some(between) if !leads(between, &entries) => {
                Err("what the log serves is not what its tree contains".into())
            }
            _ => Ok(entries),
        }
    }
}

/// Whether `entries` lead from the tree before them to the one behind them.
fn leads(between: &Between, entries: &[DecodedEntry]) -> bool {
    let mut tree = between.before.clone();
    for entry in entries {
        let Some(leaf_hash) = entry.leaf_hash else { return false };
        tree.push(leaf_hash);
    }
    tree.root() == between.root_after
}

/// The range in the words of log lines.
pub(super) fn named(range: &MissingRange) -> String {
    match range.count() {
        1 => format!("entry {} is", range.start),
        _ => format!("entries {} to {} are", range.start, range.end_exclusive - 1),
    }
}
