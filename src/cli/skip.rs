//! `skip`: decides that entries of one log are not sent, and acknowledges such decisions.

use crate::ct::source::{LogIdentifier, bare_url};
use crate::printable::{MAX_CHARS, escaped};
use crate::state::{Decision, Position, Positions, PositionsError, StateLock, StateLockError};
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct SkipArgs {
    /// The log's id in base64, or its URL
    log: String,
    /// Send no entry before this index any more
    #[arg(long, value_name = "INDEX", requires = "because", required_unless_present = "acknowledge")]
    to: Option<u64>,
    /// The reason; it is written down
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// No longer show what was skipped so far in the statistics
    #[arg(long, conflicts_with = "to")]
    acknowledge: bool,
}

/// Maximum number of logs that an error names.
const MAX_NAMED: usize = 20;

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub(super) enum SkipError {
    #[error("{0}; stop the server first, or set resume_from in its configuration and reload it")]
    Lock(StateLockError),
    #[error(transparent)]
    Positions(#[from] PositionsError),
    #[error("{log:?}: no position of this log is in {}; it has those of {known}", dir.display())]
    Unknown { log: String, dir: PathBuf, known: String },
    #[error("--because: {0}")]
    Reason(&'static str),
    #[error("{url}: index {next} comes next, and nothing before index {to} is missing")]
    Nothing { url: String, next: u64, to: u64 },
    #[error("{}: cannot be written: {error}", dir.display())]
    Write { dir: PathBuf, error: io::Error },
}

/// Writes the decision into the state folder `dir`. The next start of the server applies it.
pub(super) fn skip(dir: &Path, args: &SkipArgs) -> Result<(), SkipError> {
    let _lock = StateLock::take(dir).map_err(SkipError::Lock)?;
    let positions = Positions::load(dir)?;
    let Some((log, position)) = find(&positions, &args.log) else {
        return Err(SkipError::Unknown { log: args.log.clone(), dir: dir.into(), known: known(&positions) });
    };
    let shown = escaped(&position.url, MAX_CHARS).into_owned();
    let (decided, text) = match args.to {
        Some(to) => decide(position, to, args.because.as_deref().unwrap_or_default())?,
        None => {
            let text = format!("{} skips acknowledged", position.skips.len());
            (Position { skips: Default::default(), ..position }, text)
        }
    };
    positions.set(&log, decided);
    positions.save().map_err(|error| SkipError::Write { dir: dir.into(), error })?;
    println!("{shown}: {text}");
    Ok(())
}

/// The logs that have a position, in the words of an error.
fn known(positions: &Positions) -> String {
    let all = positions.all();
    let mut named: Vec<_> = all.values().take(MAX_NAMED).map(|position| position.url.clone()).collect();
    match all.len() {
        0 => return "no log".into(),
        count if count > MAX_NAMED => named.push(format!("{} more", count - MAX_NAMED)),
        _ => {}
    }
    named.join(", ")
}

fn find(positions: &Positions, log: &str) -> Option<(LogIdentifier, Position)> {
    let is_meant = |id: &LogIdentifier, position: &Position| {
        id.to_string() == log || bare_url(&position.url) == bare_url(log)
    };
    positions.all().into_iter().find(|(id, position)| is_meant(id, position))
}

fn decide(position: Position, to: u64, because: &str) -> Result<(Position, String), SkipError> {
    let decision = Some(Decision::new(to, because).map_err(SkipError::Reason)?);
    let next = position.ledger.next;
    let missing =
        position.missing.iter().filter(|range| range.end_exclusive <= to).map(|range| range.count());
    let entries = missing.sum::<u64>() + to.saturating_sub(next);
    if entries == 0 {
        return Err(SkipError::Nothing { url: position.url, next, to });
    }
    let text = format!("the next start skips {entries} entries before index {to}");
    Ok((Position { decision, ..position }, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Ledger, MissingRange, Skip};

    fn args(log: &str, to: Option<u64>, because: &str) -> SkipArgs {
        SkipArgs { log: log.into(), to, because: Some(because.into()), acknowledge: to.is_none() }
    }

    fn log() -> LogIdentifier {
        LogIdentifier::LogId([3; 32])
    }

    fn saved(dir: &Path) -> Position {
        Positions::load(dir).unwrap().get(&log()).unwrap()
    }

    fn state() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let positions = Positions::load(dir.path()).unwrap();
        let missing = MissingRange { start: 3, end_exclusive: 5, between: None };
        let ledger = Ledger { next: 10, delivered: 8, missing: 2, ..Ledger::from(0) };
        let skip = Skip { start: 0, end_exclusive: 1, entries: 1, because: "once".into(), at_ms: 1 };
        let position = Position {
            ledger,
            missing: vec![missing].into(),
            skips: vec![skip].into(),
            ..Position::at("https://ct.example/2026", 0)
        };
        positions.set(&log(), position);
        positions.save().unwrap();
        dir
    }

    #[test]
    fn a_decision_is_left_for_the_next_start() {
        for name in [log().to_string(), "https://ct.example/2026/".into(), "ct.example/2026".into()] {
            for to in [5, 100] {
                let dir = state();
                skip(dir.path(), &args(&name, Some(to), " it is lost ")).unwrap();
                let expected = Decision { resume_from: to, because: "it is lost".into() };
                assert_eq!(saved(dir.path()).decision, Some(expected));
            }
        }
    }

    #[test]
    fn what_was_skipped_is_acknowledged() {
        let dir = state();
        skip(dir.path(), &args("ct.example/2026", None, "")).unwrap();
        assert_eq!((saved(dir.path()).skips.len(), saved(dir.path()).ledger.next), (0, 10));
    }

    #[test]
    fn a_mistake_changes_nothing() {
        let dir = state();
        for (log, to, because, problem) in [
            ("ct.example/2027", Some(100), "of that", "it has those of https://ct.example/2026"),
            (
                "ct.example/2026",
                Some(4),
                "of that",
                "index 10 comes next, and nothing before index 4 is missing",
            ),
            ("ct.example/2026", Some(100), " ", "--because: expected the reason"),
            ("ct.example/2026", Some(100), &*"x".repeat(1_001), "--because: expected at most 1,000 bytes"),
        ] {
            let error = skip(dir.path(), &args(log, to, because)).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert_eq!((saved(dir.path()).decision, saved(dir.path()).skips.len()), (None, 1));
        }
        let _lock = StateLock::take(dir.path()).unwrap();
        let error = skip(dir.path(), &args("ct.example/2026", Some(100), "of that")).unwrap_err().to_string();
        assert!(error.contains("resume_from"), "{error}");
    }
}
