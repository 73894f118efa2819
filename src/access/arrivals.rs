//! How many connections an address may open per second.

use super::LimitKey;
use crate::rate::{Rate, TokenBucket};
use core::net::IpAddr;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Seconds' worth of new connections that an address may open at once: all of a network's clients come back in one moment
/// after a restart.
pub(crate) const BURST_SECONDS: u32 = 20;
/// Addresses that are remembered for certain; at most twice as many are.
pub(crate) const REMEMBERED: usize = 10_000;

/// When each address opened connections.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<Buckets>);

/// The addresses that came last, and those before them. An address is forgotten when [`REMEMBERED`] others have come.
#[derive(Debug, Default)]
struct Buckets {
    /// What `new` and `old` are measured by.
    per_second: u32,
    new: HashMap<LimitKey, TokenBucket>,
    old: HashMap<LimitKey, TokenBucket>,
}

impl Arrivals {
    /// How long one more connection from `address` is to wait, if each address (of IPv6: each /64) may open `per_second`,
    /// or any number if that is 0; `None` if it would have to wait for more than `longest`.
    pub fn wait(
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

    /// How many connections of `address` are let in at `now`, and how many of these at once.
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
