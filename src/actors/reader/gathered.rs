//! Small units from the journal on their way to a connection. They are joined, because waking a connection costs as much as
//! reading a block. Pure: the time is an argument.

use super::shared::SharedFrames;
use super::tail::Unit;
use crate::message::Frames;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes from which on units are not held back.
pub(super) const ENOUGH: usize = 64 * 1024;
/// Longest time that a unit is held back while more are read.
pub(super) const LONGEST: Duration = Duration::from_millis(10);

/// Units that follow each other; see the module documentation.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    parts: Vec<Arc<SharedFrames>>,
    bytes: usize,
    end_seq: u64,
    since: Option<Instant>,
}

impl Gathered {
    /// Adds the next unit.
    pub(super) fn add(&mut self, unit: Unit, now: Instant) {
        self.end_seq = unit.end_seq;
        self.since.get_or_insert(now);
        self.bytes += unit.shared.frames().bytes().len();
        if !unit.shared.frames().is_empty() {
            self.parts.push(unit.shared);
        }
    }

    /// Whether no unit was added.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Whether the connection should get the units now.
    pub(super) fn is_enough(&self, now: Instant) -> bool {
        let is_old = |since| now.saturating_duration_since(since) >= LONGEST;
        self.bytes >= ENOUGH || self.since.is_some_and(is_old)
    }

    /// Returns all units as one, and begins anew.
    pub(super) fn take(&mut self) -> Option<Unit> {
        self.since?;
        let Gathered { parts, end_seq, .. } = mem::take(self);
        let shared = match parts.as_slice() {
            [only] => only.clone(),
            parts => {
                let frames: Vec<_> = parts.iter().map(|shared| shared.frames_shared()).collect();
                Arc::new(Frames::joined(&frames).into())
            }
        };
        Some(Unit { shared, end_seq })
    }
}
