//! Tests with simulated operators.

use super::*;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// An operator that accepts `rate` requests per second and a burst of `burst`.
struct Operator {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Operator {
    fn new(rate: f64, burst: f64, at: Instant) -> Self {
        Operator { rate, burst, tokens: burst, at }
    }

    fn accepts(&mut self, now: Instant) -> bool {
        self.tokens = (self.tokens + self.rate * (now - self.at).as_secs_f64()).min(self.burst);
        self.at = now;
        let accepts = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(accepts));
        accepts
    }
}

/// Sends requests whenever they are due, for `seconds`. Returns the accepted and the refused ones.
fn run(pace: &mut Pace, operator: &mut Operator, from: Instant, seconds: f64) -> (u32, u32) {
    let (mut now, mut counts) = (from, (0, 0));
    while now < from + secs(seconds) {
        now = now.max(pace.due());
        pace.sent(now);
        let answered = now + secs(0.02);
        if operator.accepts(now) {
            pace.accepted(now, true);
            counts.0 += 1;
        } else {
            pace.refused(now, false, None, answered);
            counts.1 += 1;
        }
        now = answered;
    }
    counts
}

#[test]
fn nothing_is_slower_than_configured_until_something_is_refused() {
    let begin = Instant::now() + secs(100.0);
    let mut pace = Pace::new(10.0, None, begin - secs(60.0));
    let mut sent = 0;
    while pace.due() <= begin {
        pace.sent(begin);
        pace.accepted(begin, true);
        sent += 1;
    }
    assert_eq!((sent, pace.learned()), (11, None), "the requests of one second are free after a pause");
    pace.sent(begin);
    assert_eq!(pace.due(), begin + secs(0.2));
}

#[test]
fn a_limit_that_nobody_states_is_found_and_used() {
    for (rate, burst) in [(2.0, 1.0), (2.0, 2.0), (2.0, 20.0), (0.5, 1.0), (20.0, 20.0)] {
        let begin = Instant::now();
        let (mut pace, mut operator) = (Pace::new(50.0, None, begin), Operator::new(rate, burst, begin));
        let (_, refused) = run(&mut pace, &mut operator, begin, 300.0);
        assert!(refused <= 20, "{rate}/s, burst {burst}: {refused} refused at first");
        let (accepted, refused) = run(&mut pace, &mut operator, begin + secs(300.0), 600.0);
        let used = f64::from(accepted) / 600.0 / rate;
        let share = f64::from(refused) / f64::from(accepted + refused);
        assert!(used >= 0.85 && share <= 0.05, "{rate}/s, burst {burst}: {used:.3} used, {share:.3} refused");
    }
}

#[test]
fn a_limit_that_is_raised_or_lifted_is_noticed() {
    let begin = Instant::now();
    let (mut pace, mut operator) = (Pace::new(50.0, None, begin), Operator::new(2.0, 2.0, begin));
    run(&mut pace, &mut operator, begin, 300.0);
    operator.rate = 1000.0;
    operator.burst = 1000.0;
    run(&mut pace, &mut operator, begin + secs(300.0), 400.0);
    assert_eq!(pace.learned(), None);
}

#[test]
fn a_limit_that_is_lowered_is_noticed() {
    let begin = Instant::now();
    let (mut pace, mut operator) = (Pace::new(50.0, None, begin), Operator::new(20.0, 2.0, begin));
    run(&mut pace, &mut operator, begin, 300.0);
    operator.rate = 1.0;
    run(&mut pace, &mut operator, begin + secs(300.0), 300.0);
    let (accepted, refused) = run(&mut pace, &mut operator, begin + secs(600.0), 600.0);
    assert!(accepted >= 510 && refused <= 30, "{accepted} accepted, {refused} refused");
}

#[test]
fn requests_that_were_under_way_lower_the_rate_once() {
    let begin = Instant::now();
    let mut pace = Pace::new(40.0, None, begin);
    for _ in 0..8 {
        pace.refused(begin, false, None, begin + secs(0.1));
    }
    assert_eq!(pace.learned(), Some(LearnedRate { rate: 20.0, refused_at: 40.0 }));
    pace.accepted(begin, true);
    assert_eq!(pace.rate(), 20.0, "nor do they raise it");
    pace.refused(begin + secs(0.2), false, None, begin + secs(0.3));
    assert_eq!(pace.rate(), 10.0);
}

#[test]
fn retry_after_is_a_pause_within_reason() {
    let begin = Instant::now();
    let mut pace = Pace::new(40.0, None, begin);
    pace.refused(begin, false, Some(secs(30.0)), begin);
    assert_eq!(pace.due(), begin + secs(30.0));
    pace.refused(begin + secs(1.0), false, Some(secs(3600.0)), begin + secs(1.0));
    assert_eq!(pace.due(), begin + secs(1.0) + LONGEST_PAUSE);
    pace.sent(pace.due());
    assert_eq!(pace.due(), begin + secs(1.1) + LONGEST_PAUSE, "no burst follows");
}

#[test]
fn the_rate_ends_at_a_lowest_one() {
    let begin = Instant::now();
    let mut pace = Pace::new(40.0, None, begin);
    (0..100).for_each(|n| pace.refused(begin + secs(f64::from(n)), false, None, begin + secs(f64::from(n))));
    assert_eq!(pace.rate(), LOWEST);
}

#[test]
fn only_a_sensible_rate_is_taken_over() {
    let begin = Instant::now();
    let start = |rate, refused_at| Pace::new(10.0, Some(LearnedRate { rate, refused_at }), begin).rate();
    assert_eq!(start(2.0, 2.2), 2.0);
    for (rate, refused_at) in [(10.0, 11.0), (0.0, 1.0), (-1.0, 1.0), (f64::NAN, 1.0), (2.0, f64::NAN)] {
        assert_eq!(start(rate, refused_at), 10.0, "{rate}");
    }
}

/// Refuses everything for an hour, as a log's watcher then asks.
fn outage(pace: &mut Pace, from: Instant) -> Instant {
    for minute in 0..60 {
        let now = pace.due().max(from + secs(f64::from(minute) * 60.0));
        pace.sent(now);
        pace.refused(now, false, None, now + secs(0.02));
    }
    from + secs(3600.0)
}

#[test]
fn the_rate_is_found_again_soon_after_an_outage() {
    for before in [30.0, 0.0] {
        let begin = Instant::now();
        let (mut pace, mut operator) = (Pace::new(50.0, None, begin), Operator::new(1000.0, 1000.0, begin));
        run(&mut pace, &mut operator, begin, before);
        let back = outage(&mut pace, begin + secs(before));
        run(&mut pace, &mut operator, back, 300.0);
        assert!(pace.rate() >= 5.0, "{} requests per second", pace.rate());
    }
}

#[test]
fn a_log_that_is_out_of_order_does_not_slow_down_the_others() {
    let begin = Instant::now();
    let mut pace = Pace::new(50.0, None, begin);
    pace.refused(begin, false, None, begin);
    pace.refused(begin + secs(0.1), true, None, begin + secs(0.1));
    let rate = pace.rate();
    for minute in 1..60 {
        let now = begin + secs(f64::from(minute) * 60.0);
        pace.accepted(now, false);
        pace.refused(now, true, Some(secs(60.0)), now);
        assert_eq!(pace.rate(), rate);
        assert!(pace.due() <= now, "nor do they wait for it");
    }
}
