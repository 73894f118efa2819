//! Logs with regular, changing and misleading intervals, on a simulated clock.

use super::*;

/// Simulates a log whose heads become visible at the given intervals, over a network that takes 10 ms each way.
/// Returns, for each head, how late it was observed and how many requests were made for it and those observed with it.
fn met(heads: usize, mut interval: impl FnMut(usize) -> Duration) -> Vec<(Duration, u32)> {
    let start = Instant::now();
    let mut schedule = PollSchedule::new(start, Duration::from_millis(100));
    let trip = Duration::from_millis(10);
    let mut visible = vec![start];
    while visible.len() <= heads {
        visible.push(*visible.last().unwrap() + interval(visible.len()));
    }
    let (mut met, mut requests, mut free): (Vec<(Duration, u32)>, _, _) = (Vec::new(), 0, start);
    while met.len() <= heads {
        let asked = schedule.next().max(free);
        let answered = asked + trip;
        free = answered + trip;
        let newest = visible.partition_point(|v| *v <= answered);
        requests += 1;
        if newest > met.len() {
            for v in &visible[met.len()..newest] {
                met.push((free - *v, std::mem::take(&mut requests)));
            }
            schedule.grew(asked, 5_000_000 + (visible[newest - 1] - start).as_millis() as u64);
        } else {
            schedule.unchanged(asked);
        }
    }
    met
}

/// Requests per head, and the median and 99th percentile of the delays, without the first third of the heads.
fn run(heads: usize, interval: impl FnMut(usize) -> Duration) -> (f64, Duration, Duration) {
    let met = met(heads, interval).split_off(heads / 3);
    let requests = met.iter().map(|(_, requests)| f64::from(*requests)).sum::<f64>() / met.len() as f64;
    let mut delays: Vec<_> = met.into_iter().map(|(late, _)| late).collect();
    delays.sort_unstable();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    (requests, at(0.5), at(0.99))
}

#[test]
fn a_log_that_begins_to_grow_is_met_soon_and_its_beat_known_from_the_second_head_on() {
    for pause_ms in [500, 1900, 2700, 3800] {
        for interval_ms in [100, 250, 1000] {
            let met = met(24, |i| Duration::from_millis(if i == 1 { pause_ms } else { interval_ms }));
            // If several heads are observed together, the oldest one counts.
            let first = met.iter().filter(|(_, requests)| *requests > 0);
            let late: Vec<_> = first.map(|(late, _)| late.as_millis() as u64).collect();
            let requests: u32 = met.iter().map(|(_, requests)| requests).sum();
            assert!(late[1] < 220 + pause_ms / 8, "{pause_ms}, {interval_ms}: {late:?}");
            assert!(late[2] < 130 + interval_ms * 3 / 10, "{pause_ms}, {interval_ms}: {late:?}");
            assert!(late[3..].iter().all(|late| *late < 160), "{pause_ms}, {interval_ms}: {late:?}");
            assert!(requests < 70, "{pause_ms}, {interval_ms}: {requests} requests");
        }
    }
}

#[test]
fn a_steady_log_is_asked_little_more_than_once_a_head_and_just_after_it() {
    for ms in [200, 500, 1000, 1700, 5000, 30_000] {
        let (requests, median, most) = run(300, |_| Duration::from_millis(ms));
        let late = Duration::from_millis(40 + ms / 20);
        assert!(requests < 2.2, "{ms}: {requests} requests per head");
        assert!(median < late, "{ms}: {median:?} late");
        assert!(most < late * 2 + Duration::from_millis(ms / 10), "{ms}: {most:?} late at worst");
    }
}

/// Deterministic pseudo-random numbers below 2^31.
fn random() -> impl FnMut() -> u64 {
    let mut state = 7u64;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    }
}

#[test]
fn a_beat_that_wavers_is_followed_too() {
    let mut random = random();
    let (requests, median, most) = run(400, |_| Duration::from_millis(970 + random() % 60));
    assert!(requests < 2.2, "{requests} requests per head");
    assert!(median < Duration::from_millis(80) && most < Duration::from_millis(250), "{median:?} {most:?}");
}

#[test]
fn a_log_without_a_beat_is_not_asked_more_than_is_allowed_for() {
    let mut random = random();
    let (requests, _, _) = run(400, |_| Duration::from_millis(100 + random() % 4000));
    assert!(requests < 2.4, "{requests} requests per head");
}

#[test]
fn a_log_that_becomes_faster_or_slower_is_followed() {
    let change = |from, to| move |i| Duration::from_millis(if i < 100 { from } else { to });
    for (from, to) in [(4000, 500), (500, 4000)] {
        let (requests, median, _) = run(300, change(from, to));
        assert!(requests < 2.2, "{from} to {to}: {requests} requests per head");
        assert!(median < Duration::from_millis(40 + to / 20), "{from} to {to}: {median:?} late");
    }
}

#[test]
fn a_log_that_begins_to_grow_after_a_pause_is_followed_at_its_beat() {
    for pause_ms in [300, 1300, 2700, 4300, 6300, 10_300, 30_000] {
        let interval = |i| Duration::from_millis(if i == 1 { pause_ms } else { 1000 });
        let (requests, median, most) = run(90, interval);
        assert!(requests < 2.2, "{pause_ms}: {requests} requests per head");
        let late = Duration::from_millis(90);
        assert!(median < late && most < late * 2, "{pause_ms}: {median:?}, {most:?} at worst");
    }
}

#[test]
fn an_idle_log_is_asked_ever_more_rarely_down_to_once_a_minute() {
    let mut now = Instant::now();
    let mut schedule = PollSchedule::new(now, Duration::from_millis(100));
    let end = now + Duration::from_secs(3600);
    let mut requests = 0;
    while now < end {
        schedule.unchanged(now);
        now = schedule.next();
        requests += 1;
    }
    assert!(requests < 60 + 40, "{requests} requests in an hour");
}

/// Simulates a log that signs its tree at every interval, first `phase_ms` after the start, and grows from head number
/// `grows_from` on. Returns how late each head after that was observed, in milliseconds, and the number of requests up
/// to the last one.
fn met_of_beating(phase_ms: u64, interval_ms: u64, grows_from: u64, heads: u64) -> (Vec<u64>, u32) {
    let start = Instant::now();
    let mut schedule = PollSchedule::new(start, Duration::from_millis(100));
    let (mut late, mut requests, mut known) = (Vec::new(), 0, 0);
    while known < heads {
        let asked = schedule.next();
        let now = (asked - start).as_millis() as u64;
        requests += 1;
        let newest = (now + interval_ms - phase_ms.min(now + interval_ms)) / interval_ms;
        let signed_ms = 5_000_000 + phase_ms + newest * interval_ms;
        if newest > known.max(grows_from) {
            late.push(now + interval_ms - phase_ms - newest * interval_ms);
            known = newest;
            schedule.grew(asked, signed_ms);
        } else {
            known = newest;
            schedule.stayed(asked, signed_ms);
        }
    }
    (late, requests)
}

#[test]
fn a_tree_that_is_signed_anew_gives_its_beat_away_before_it_grows() {
    for phase_ms in (0..1000).step_by(37) {
        for idle in [3, 4, 6, 9] {
            let (late, requests) = met_of_beating(phase_ms, 1000, idle, idle + 24);
            assert!(late.len() >= 23, "{phase_ms}, {idle}: {} of 24 heads", late.len());
            assert!(late.iter().all(|late| *late < 120), "{phase_ms}, {idle}: {late:?}");
            assert!(requests < 66, "{phase_ms}, {idle}: {requests} requests");
        }
    }
}

#[test]
fn an_idle_log_that_is_signed_anew_is_asked_ever_more_rarely_too() {
    for interval_ms in [1, 100, 1000, 5000] {
        let now = Instant::now();
        let mut schedule = PollSchedule::new(now, Duration::from_millis(100));
        let mut requests = 0;
        while schedule.next() < now + Duration::from_secs(3600) {
            let asked = schedule.next();
            let interval = (asked - now).as_millis() as u64 / interval_ms;
            schedule.stayed(asked, 5_000_000 + interval * interval_ms);
            requests += 1;
        }
        assert!(requests < 60 + 90, "{interval_ms}: {requests} requests in an hour");
    }
}

#[test]
fn a_log_that_signs_for_whoever_asks_is_not_asked_more_for_it() {
    let now = Instant::now();
    for growth_ms in [2000, 7000] {
        let mut schedule = PollSchedule::new(now, Duration::from_millis(100));
        let (mut requests, mut grown, heads) = (0, 0, 200);
        while grown < heads {
            let asked = schedule.next();
            let ms = (asked - now).as_millis() as u64;
            if ms / growth_ms > grown {
                grown = ms / growth_ms;
                schedule.grew(asked, 5_000_000 + ms);
            } else {
                schedule.stayed(asked, 5_000_000 + ms);
            }
            requests += 1;
        }
        assert!(requests < heads * 6, "{growth_ms}: {requests} requests for {heads} heads");
    }
}

#[test]
fn a_wrong_time_of_signature_does_not_mislead_for_long() {
    let now = Instant::now();
    for wrong_ms in [0, 4_000_000, 5_600_000, u64::MAX] {
        let mut schedule = PollSchedule::new(now, Duration::from_millis(100));
        let mut known = 0;
        let mut late = Vec::new();
        while known < 120 {
            let asked = schedule.next();
            let ms = (asked - now).as_millis() as u64;
            let newest = (ms + 300) / 1000;
            if newest > known {
                late.push(ms + 300 - newest * 1000);
                known = newest;
                schedule.grew(asked, if newest == 20 { wrong_ms } else { 5_000_000 + newest * 1000 });
            } else {
                schedule.unchanged(asked);
            }
        }
        assert!(late.len() > 100, "{wrong_ms}: {} of 120 heads", late.len());
        assert!(late[late.len() - 50..].iter().all(|late| *late < 150), "{wrong_ms}: {late:?}");
    }
}
