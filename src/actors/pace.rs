//! How fast entries are let through to the clients. Pure: the time comes as an argument.
//!
//! A tree head can bring more at once than fits into a client's queue, and catching up brings no end of it. Then the
//! watchers wait until the clients have taken some of it: but only for clients that do take, only while these are many
//! or have kept up until now, and not for long. Nobody waits for a slow client.

use super::send_queue::Filling;
use std::time::{Duration, Instant};

/// Longest time that one batch waits.
const MAX_AT_ONCE: Duration = Duration::from_millis(500);
/// Longest time that batches wait altogether within [`WINDOW`]: the logs grow meanwhile.
const MOST: Duration = Duration::from_secs(8);
const WINDOW: Duration = Duration::from_secs(10);

/// As many clients may be slow by themselves.
const A_FEW: usize = 16;

/// What has been waited for so far.
#[derive(Debug)]
pub(super) struct Pace {
    window_since: Instant,
    waited: Duration,
}

/// How the clients are doing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// Clients that take what is queued for them.
    pub(super) taking: usize,
    /// Those of them whose queue fills up.
    pub(super) filling: usize,
    /// Those of them who kept up until a moment ago.
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
    /// Whether the queues of many fill up: of more than half, or, where a fifth are more than a few, of that many. For
    /// them it is us who are slow, and likewise for one that had nothing to take a moment ago.
    fn is_heavy(self) -> bool {
        let many = self.filling * 2 > self.taking || self.filling > A_FEW && self.filling * 5 > self.taking;
        many || self.suddenly > 0
    }
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Pace { window_since: now, waited: Duration::ZERO }
    }

    /// Whether a batch that has been waiting since `since` is to wait on.
    pub(super) fn holds(&mut self, load: Load, since: Instant, now: Instant) -> bool {
        if now.saturating_duration_since(self.window_since) >= WINDOW {
            *self = Pace::new(now);
        }
        let waiting = now.saturating_duration_since(since);
        load.is_heavy() && waiting < MAX_AT_ONCE && self.waited + waiting < MOST
    }

    /// Batches waited from `since` to `now`.
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
