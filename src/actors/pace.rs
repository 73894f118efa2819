//! Backpressure from the clients to the watchers. Pure: the time is an argument.
//!
//! A tree head can bring more entries at once than a client's queue can hold, and catching up brings them without a
//! break. In both cases the watchers wait until the clients have drained part of their queues. They wait only for
//! clients that read, only if many queues fill up or a client kept up until now, and only for a limited time. A single
//! slow client delays nobody.

use super::send_queue::Filling;
use std::time::{Duration, Instant};

/// Longest time that one batch waits.
const MAX_AT_ONCE: Duration = Duration::from_millis(500);
/// Longest total wait within one [`WINDOW`]: the logs keep growing in the meantime.
const MOST: Duration = Duration::from_secs(8);
const WINDOW: Duration = Duration::from_secs(10);

/// Number of clients that may be slow without delaying the watchers.
const A_FEW: usize = 16;

/// The time waited in the current window.
#[derive(Debug)]
pub(super) struct Pace {
    window_since: Instant,
    waited: Duration,
}

/// The load on the client queues.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// Number of clients that read from their queues.
    pub(super) taking: usize,
    /// Number of these whose queue fills up.
    pub(super) filling: usize,
    /// Number of these that kept up until a moment ago.
    pub(super) suddenly: usize,
}

impl FromIterator<Filling> for Load {
    fn from_iter<I: IntoIterator<Item = Filling>>(clients: I) -> Self {
        clients.into_iter().fold(Load::default(), |load, filling| Load {
            taking: load.taking + 1,
            filling: load.filling + usize::from(filling != Filling::No),
            suddenly: load.suddenly + usize::from(filling == Filling::Suddenly),
        })
    }
}

impl Load {
    /// Whether the queues of many clients fill up: more than half of them, or more than both [`A_FEW`] and a fifth of
    /// them. In that case the server sends too fast. The same holds if a client whose queue was empty a moment ago is
    /// more than half full.
    fn is_heavy(self) -> bool {
        let many = self.filling * 2 > self.taking || self.filling > A_FEW && self.filling * 5 > self.taking;
        many || self.suddenly > 0
    }
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Pace { window_since: now, waited: Duration::ZERO }
    }

    /// Whether a batch that has waited since `since` has to wait longer.
    pub(super) fn holds(&mut self, load: Load, since: Instant, now: Instant) -> bool {
        if now.saturating_duration_since(self.window_since) >= WINDOW {
            *self = Pace::new(now);
        }
        let waiting = now.saturating_duration_since(since);
        load.is_heavy() && waiting < MAX_AT_ONCE && self.waited + waiting < MOST
    }

    /// Records that batches waited from `since` to `now`.
    pub(super) fn waited(&mut self, since: Instant, now: Instant) {
        self.waited += now.saturating_duration_since(since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_while_the_queues_of_most_who_take_are_filling() {
        let now = Instant::now();
        let holds = |taking, filling| Pace::new(now).holds(Load { taking, filling, suddenly: 0 }, now, now);
        assert!(holds(1, 1) && holds(3, 2));
        assert!(!holds(0, 0) && !holds(2, 1) && !holds(10, 1));
        assert!(holds(80, 17) && !holds(80, 16) && !holds(85, 17));
    }

    #[test]
    fn it_holds_for_one_that_kept_up_until_now() {
        let now = Instant::now();
        let load = |last| [Filling::No, Filling::No, Filling::No, last].into_iter().collect::<Load>();
        assert!(Pace::new(now).holds(load(Filling::Suddenly), now, now));
        assert!(!Pace::new(now).holds(load(Filling::Yes), now, now));
    }

    #[test]
    fn it_does_not_hold_for_long() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let (mut pace, filling) = (Pace::new(begin), Load { taking: 1, filling: 1, suddenly: 0 });
        assert!(pace.holds(filling, at(0), at(499)) && !pace.holds(filling, at(0), at(500)));
        (0..16).for_each(|i| pace.waited(at(i * 500), at(i * 500 + 500)));
        assert!(!pace.holds(filling, at(9000), at(9001)), "it has waited enough in this window");
        assert!(pace.holds(filling, at(10_000), at(10_001)));
    }
}
