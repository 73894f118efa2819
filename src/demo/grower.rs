//! The thread that makes the log grow: it repeatedly issues the due entries and signs a new head.
//!
//! It is a separate thread because a certificate needs one or two signatures, which must block neither the
//! HTTP worker nor the arbiter.

use super::log_state::LogState;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Maximum time for which missing entries are issued at once, after the machine was suspended or too busy.
const MAX_CATCH_UP: Duration = Duration::from_secs(2);

/// Stops the thread when dropped, after the current batch at the latest.
pub(super) struct Grower {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Grower {
    /// `head_interval`: the interval between heads.
    pub(super) fn start(log: Arc<LogState>, head_interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("demo-log".into())
            .spawn(move || grow(&log, head_interval, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Stops the thread and waits for its end. This takes at most `head_interval`, plus the time for which a
    /// concurrent [`publish`](LogState::publish) delays the thread.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            log::error!("demo log: its issuing thread panicked");
        }
    }
}

fn grow(log: &LogState, head_interval: Duration, stopped: &Receiver<()>) {
    let mut last = Instant::now();
    let mut due = 0.0;
    // Nothing is ever sent. The channel closes when the handle is dropped.
    while stopped.recv_timeout(head_interval) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        due += log.rate() * (now - last).min(MAX_CATCH_UP).as_secs_f64();
        last = now;
        // If the machine cannot issue at this rate, the actual rate is lower.
        log.publish(due as u64, Some(now + head_interval));
        due = due.fract();
    }
}
