//! Requests entries again that the log did not serve, ever more rarely, while the other stages go on behind them.

use super::log_requests::LogRequests;
use super::missing_board::{MissingBoard, request};
use super::report::Reporter;
use super::unverified::{DecodedEntry, UnverifiedEntries, VerifiedBatch, decode};
use crate::digest::Topic;
use crate::log_client::{AnswerMemory, MemoryPart};
use crate::state::MissingRange;
use log::Level;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

/// Entries that were missing and are verified, in batches that are published one by one.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) range: MissingRange,
    pub(super) batches: Vec<VerifiedBatch>,
    /// Counts their memory until they are published.
    pub(super) _memory: MemoryPart,
}

/// Retrieves the missing entries of one log.
pub(super) struct Retriever<L> {
    pub(super) log: Rc<L>,
    pub(super) missing: Rc<MissingBoard>,
    pub(super) reporter: Rc<Reporter>,
    pub(super) memory: Arc<AnswerMemory>,
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
            Ok(recovered) => {
                self.missing.came(range.start);
                // The Publisher owns the receiver, and both end together.
                let _ = self.recovered.send(recovered).await;
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
    async fn fetch(&self, range: &MissingRange) -> Result<Recovered, String> {
        let page = self.log.entries(request(range)).await.map_err(|error| {
            self.reporter.status().failed(&error);
            error.to_string()
        })?;
        let entries: Vec<_> = decode(request(range), page, &self.reporter).into_iter().flatten().collect();
        if entries.len() as u64 != range.count() {
            return Err(format!("the log served {} of {} entries", entries.len(), range.count()));
        }
        let mut memory = self.memory.part();
        memory.set(entries.iter().map(DecodedEntry::bytes).sum());
        let before = range.between.as_ref().map(|between| between.before.clone());
        let mut unverified = UnverifiedEntries::after(before, range.start);
        let unhashable = entries.into_iter().find_map(|entry| unverified.push(entry));
        let leads = match (&range.between, unverified.tree()) {
            (Some(between), Some(tree)) => unhashable.is_none() && tree.root() == between.root_after,
            _ => true,
        };
        if !leads {
            return Err("what the log serves is not what its tree contains".into());
        }
        Ok(Recovered { range: range.clone(), batches: unverified.take_proven(), _memory: memory })
    }
}

/// The range in the words of log lines.
pub(super) fn named(range: &MissingRange) -> String {
    match range.count() {
        1 => format!("entry {} is", range.start),
        _ => format!("entries {} to {} are", range.start, range.end_exclusive - 1),
    }
}
