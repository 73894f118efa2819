//! What happens in a test, with times. Printed when the test fails.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A record of events. Its clones are handles of the same record.
#[derive(Clone)]
pub struct Story {
    begin: Instant,
    events: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Story {
    pub fn begin() -> Self {
        Story { begin: Instant::now(), events: Arc::default() }
    }

    pub fn tell(&self, event: impl Into<String>) {
        self.events.lock().expect("no panic").push((self.begin.elapsed(), event.into()));
    }

    pub fn print(&self) {
        for (at, event) in self.events.lock().expect("no panic").iter() {
            eprintln!("{:9.3} {event}", at.as_secs_f64());
        }
    }
}
