//! The thread that makes the log grow: it issues what is due and signs a new head, again and again.
//!
//! A thread of its own, because making a certificate costs a signature or two, and neither HTTP
//! worker nor arbiter should wait for those.

use super::log_state::LogState;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest time that is made up for in one go, after the machine slept or was too busy.
const MAX_CATCH_UP: Duration = Duration::from_secs(2);

/// Stops the thread when dropped, at the latest when the batch at hand is done.
pub struct Grower {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Grower {
    /// `head_interval`: the time from one head to the next.
    pub fn start(log: Arc<LogState>, head_interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("demo-log".into())
            .spawn(move || grow(&log, head_interval, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Stops the thread and waits for its end: `head_interval` at most, and what
    /// [`publish`](LogState::publish) elsewhere still holds it up.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            log::error!("demo log: its issuing thread panicked");
        }
    }
}

fn grow(log: &LogState, head_interval: Duration, stopped: &Receiver<()>) {
    let mut last = Instant::now();
    let mut due = 0.0;
    // Nothing is ever sent: the channel ends when the handle is dropped.
    while stopped.recv_timeout(head_interval) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        due += log.rate() * (now - last).min(MAX_CATCH_UP).as_secs_f64();
        last = now;
        // Where the machine cannot keep up with the rate, it is the rate that gives way.
        log.publish(due as u64, Some(now + head_interval));
        due = due.fract();
    }
}
