//! The rate limit for new connections per address.

use super::LimitKey;
use crate::rate::{Rate, TokenBucket};
use core::net::IpAddr;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Burst of new connections per address, in seconds of its rate: after a restart, all clients of a network reconnect at
/// the same moment.
pub(crate) const BURST_SECONDS: u32 = 20;
/// Number of addresses that are remembered for certain; at most twice as many are.
pub(crate) const REMEMBERED: usize = 10_000;

/// The new connections of each address.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<Buckets>);

/// A token bucket for each recent address, in two generations. An address is forgotten after [`REMEMBERED`] others have
/// connected.
#[derive(Debug, Default)]
struct Buckets {
    /// The rate that the buckets were created for.
    per_second: u32,
    new: HashMap<LimitKey, TokenBucket>,
    old: HashMap<LimitKey, TokenBucket>,
}

impl Arrivals {
    /// The delay for a new connection from `address` under a rate limit of `per_second` for each address (for IPv6,
    /// each /64). A limit of 0 means none. `None` if the delay would exceed `longest`.
    pub(crate) fn wait(
        &self,
        address: IpAddr,
        per_second: u32,
        now: Instant,
        longest: Duration,
    ) -> Option<Duration> {
        if per_second == 0 {
            return Some(Duration::ZERO);
        }
        let mut buckets = self.0.lock();
        buckets.of(LimitKey::at(address), per_second, now).take_within(1, now, longest)
    }
}

impl Buckets {
    fn of(&mut self, holder: LimitKey, per_second: u32, now: Instant) -> &mut TokenBucket {
        if self.per_second != per_second {
            *self = Buckets { per_second, ..Buckets::default() };
        }
        if self.new.len() >= REMEMBERED && !self.new.contains_key(&holder) {
            self.old = std::mem::take(&mut self.new);
        }
        let rate = Rate { per_second, burst: per_second.saturating_mul(BURST_SECONDS) };
        let old = &mut self.old;
        self.new
            .entry(holder)
            .or_insert_with(|| old.remove(&holder).unwrap_or_else(|| TokenBucket::new(rate, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const LONGEST: Duration = Duration::from_secs(1);

    fn v4(n: usize) -> IpAddr {
        Ipv4Addr::from_bits(u32::try_from(n).unwrap()).into()
    }

    /// The number of connections of `address` that are admitted at `now`, and the number of these without delay.
    fn let_in(arrivals: &Arrivals, address: &str, now: Instant) -> (usize, usize) {
        let address = address.parse().unwrap();
        let waits: Vec<_> = std::iter::from_fn(|| arrivals.wait(address, 5, now, LONGEST)).collect();
        (waits.len(), waits.iter().filter(|wait| wait.is_zero()).count())
    }

    #[test]
    fn each_address_has_a_rate_of_its_own() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        assert_eq!(let_in(&arrivals, "192.0.2.1", now), (105, 100));
        assert_eq!(let_in(&arrivals, "::ffff:192.0.2.1", now), (0, 0), "the same address");
        assert_eq!(let_in(&arrivals, "192.0.2.2", now), (105, 100));
        assert_eq!(let_in(&arrivals, "2001:db8::1", now), (105, 100));
        assert_eq!(let_in(&arrivals, "2001:db8::2", now), (0, 0), "the same /64");
        assert_eq!(let_in(&arrivals, "192.0.2.1", now + LONGEST), (5, 0));
    }

    #[test]
    fn without_a_limit_nobody_waits_and_another_limit_holds_at_once() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        assert!((0..100_000).all(|_| arrivals.wait(v4(1), 0, now, LONGEST) == Some(Duration::ZERO)));
        assert_eq!(let_in(&arrivals, "0.0.0.1", now), (105, 100));
        assert_eq!(arrivals.wait(v4(1), 10, now, LONGEST), Some(Duration::ZERO));
    }

    #[test]
    fn an_address_is_remembered_until_many_others_have_come_and_memory_is_bounded() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        let_in(&arrivals, "0.0.0.0", now);
        let come = |n| assert!(arrivals.wait(v4(n), 5, now, LONGEST).is_some());
        (1..=REMEMBERED).for_each(come);
        assert_eq!(let_in(&arrivals, "0.0.0.0", now), (0, 0));
        (1..5 * REMEMBERED).for_each(come);
        let buckets = arrivals.0.lock();
        assert!(buckets.new.len() + buckets.old.len() <= 2 * REMEMBERED);
    }
}
