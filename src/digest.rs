//! Summarises the problems of logs in the log file. However often a kind of problem occurs, and in however many logs, a
//! new one is reported immediately, and its count is reported once a minute.
//!
//! ```text
//! new for a log     ─► one line immediately, for the first few logs; one line for all others within 5 s
//! known for a log   ─► counted; one line a minute for each kind, with the logs that have it most
//! quiet for long    ─► forgotten, so that it is new the next time
//! ```
//!
//! `Topics` is pure: the time is an argument.

use crate::printable::{MAX_CHARS, escaped};
use log::Level;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Number of logs per interval whose first problem of one kind gets a line of its own.
pub(crate) const AT_ONCE: usize = 5;
/// Time for which further logs with a new problem are collected before one line reports them.
pub(crate) const GROUP_DELAY: Duration = Duration::from_secs(5);
/// Interval between two summary lines for one kind of problem.
pub(crate) const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// Time without occurrence after which a problem of a log counts as new. A failing log is polled every five minutes.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);
/// Largest number of logs tracked by name for each kind of problem; further ones are counted together.
pub(crate) const MAX_LOGS: usize = 10_000;
/// Largest number of names in one line.
const MAX_NAMES: usize = 10;
/// Longest name in a line with several names, in characters.
const MAX_NAME_CHARS: usize = 80;

/// A kind of problem. There are about thirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Topic {
    /// The subject of the problem.
    pub about: &'static str,
    /// The problem itself.
    pub problem: &'static str,
}

/// A line for the log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// The state of all kinds of problems.
#[derive(Debug, Default)]
pub(crate) struct Topics(BTreeMap<Topic, Known>);

#[derive(Debug)]
struct Known {
    level: Level,
    /// Start of the interval that the counts cover.
    since: Instant,
    /// Number of lines for single logs in the interval.
    at_once: usize,
    /// Since when logs with a new problem have been waiting for the collective line.
    waiting_since: Option<Instant>,
    logs: HashMap<String, Occurrences>,
    /// The newest unreported occurrence.
    last: String,
}

#[derive(Debug)]
struct Occurrences {
    /// Unreported occurrences in this interval.
    count: u64,
    last_at: Instant,
    /// Whether it was reported that the log has the problem.
    told: bool,
}

impl Topics {
    /// Records a problem of `log`. Returns the line to write immediately, if any.
    pub(crate) fn note(
        &mut self,
        (topic, level): (Topic, Level),
        log: &str,
        text: impl FnOnce() -> String,
        now: Instant,
    ) -> Option<Line> {
        let known = self.0.entry(topic).or_insert_with(|| Known::new(level, now));
        let name = if known.logs.len() < MAX_LOGS || known.logs.contains_key(log) { log } else { "others" };
        let text = escaped(&text(), MAX_CHARS).into_owned();
        if let Some(occurrences) = known.logs.get_mut(name) {
            occurrences.count += 1;
            occurrences.last_at = now;
            known.last = text;
            return None;
        }
        let told = known.at_once < AT_ONCE;
        let occurrences = Occurrences { count: u64::from(!told), last_at: now, told };
        known.logs.insert(name.into(), occurrences);
        if told {
            known.at_once += 1;
            return Some(Line { level, text });
        }
        known.waiting_since.get_or_insert(now);
        known.last = text;
        None
    }

    /// The lines that are due now; all remaining ones if `at_end`.
    pub(crate) fn due(&mut self, now: Instant, at_end: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        for (topic, known) in &mut self.0 {
            let is_over = |since: Instant, time| at_end || now.saturating_duration_since(since) >= time;
            if known.waiting_since.is_some_and(|since| is_over(since, GROUP_DELAY)) {
                lines.extend(known.tell_new(*topic));
            }
            if is_over(known.since, SUMMARY_INTERVAL) {
                lines.extend(known.sum_up(*topic, now));
            }
        }
        self.0.retain(|_, known| !known.logs.is_empty());
        lines
    }
}

impl Known {
    fn new(level: Level, since: Instant) -> Self {
        Known { level, since, at_once: 0, waiting_since: None, logs: HashMap::new(), last: String::new() }
    }

    /// One line for all logs whose problem has not been reported.
    fn tell_new(&mut self, Topic { about, problem }: Topic) -> Option<Line> {
        self.waiting_since = None;
        let mut names = Vec::new();
        for (name, occurrences) in self.logs.iter_mut().filter(|(_, occurrences)| !occurrences.told) {
            occurrences.told = true;
            occurrences.count -= 1;
            names.push(name.as_str());
        }
        let count = names.len();
        names.sort_unstable();
        let (names, last) = (listed(names.into_iter().map(str::to_string), count), &self.last);
        let logs = if count == 1 { "log" } else { "logs" };
        let text = format!("{about}: {problem}: {count} more {logs}: {names}; the last: {last}");
        (count > 0).then_some(Line { level: self.level, text })
    }

    /// One line for all unreported occurrences of the interval. Starts the next interval.
    fn sum_up(&mut self, Topic { about, problem }: Topic, now: Instant) -> Option<Line> {
        let mut counts: Vec<_> = self
            .logs
            .iter()
            .filter(|(_, o)| o.told && o.count > 0)
            .map(|(name, o)| (o.count, name.clone()))
            .collect();
        counts.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then(one.cmp(other)));
        let (all, logs) = (counts.iter().map(|(count, _)| count).sum::<u64>(), counts.len());
        let seconds = now.saturating_duration_since(self.since).as_secs();
        let names = listed(counts.into_iter().map(|(count, name)| format!("{} {count}", short(&name))), logs);
        let text = format!(
            "{about}: {problem}: {all} more in the last {seconds} s, by log: {names}; the last: {}",
            self.last
        );
        // Logs whose problem has not been reported stay, for the next collective line.
        self.logs.retain(|_, o| !o.told || now.saturating_duration_since(o.last_at) < FORGET_AFTER);
        self.logs.values_mut().filter(|o| o.told).for_each(|o| o.count = 0);
        (self.since, self.at_once) = (now, 0);
        (all > 0).then_some(Line { level: self.level, text })
    }
}

fn short(name: &str) -> String {
    escaped(name, MAX_NAME_CHARS).into_owned()
}

/// Joins the first few of `count` names.
fn listed(names: impl Iterator<Item = String>, count: usize) -> String {
    let few: Vec<String> = names.take(MAX_NAMES).map(|name| short(&name)).collect();
    match count.saturating_sub(few.len()) {
        0 => few.join(", "),
        more => format!("{} and {more} others", few.join(", ")),
    }
}

/// The `Topics` that all watchers share; writes their lines to the log file.
#[derive(Debug, Default)]
pub(crate) struct Digest(Mutex<Topics>);

impl Digest {
    /// Reports a problem of `log`, immediately or in a summary.
    pub(crate) fn tell(&self, level: Level, topic: Topic, log: &str, text: impl FnOnce() -> String) {
        let line = self.topics(|topics| topics.note((topic, level), log, text, Instant::now()));
        write(line);
    }

    /// Writes the lines that are due. Must be called about every second.
    pub(crate) fn tell_due(&self) {
        write(self.topics(|topics| topics.due(Instant::now(), false)));
    }

    /// Writes everything that has not been reported.
    pub(crate) fn finish(&self) {
        write(self.topics(|topics| topics.due(Instant::now(), true)));
    }

    fn topics<T>(&self, with: impl FnOnce(&mut Topics) -> T) -> T {
        with(&mut self.0.lock())
    }
}

fn write(lines: impl IntoIterator<Item = Line>) {
    for Line { level, text } in lines {
        log::log!(level, "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOPIC: (Topic, Level) = (Topic { about: "request", problem: "no connection" }, Level::Warn);

    fn note(topics: &mut Topics, log: &str, now: Instant) -> Option<String> {
        topics.note(TOPIC, log, || format!("{log}: no address"), now).map(|line| line.text)
    }

    fn due(topics: &mut Topics, now: Instant) -> Vec<String> {
        topics.due(now, false).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_problem_of_one_log_is_told_at_once_and_then_summed_up() {
        let (mut topics, begin) = (Topics::default(), Instant::now());
        assert_eq!(note(&mut topics, "A", begin).unwrap(), "A: no address");
        (0..812).for_each(|_| assert_eq!(note(&mut topics, "A", begin), None));
        assert_eq!(due(&mut topics, begin + SUMMARY_INTERVAL - Duration::from_secs(1)), [""; 0]);
        let line =
            "request: no connection: 812 more in the last 60 s, by log: A 812; the last: A: no address";
        assert_eq!(due(&mut topics, begin + SUMMARY_INTERVAL), [line]);
        assert_eq!(due(&mut topics, begin + 2 * SUMMARY_INTERVAL), [""; 0]);
        assert_eq!(note(&mut topics, "A", begin + 3 * SUMMARY_INTERVAL), None, "it is known");
        let later = begin + 3 * SUMMARY_INTERVAL + FORGET_AFTER;
        due(&mut topics, later);
        assert!(topics.0.is_empty(), "and forgotten when it is long over");
        assert!(note(&mut topics, "A", later).is_some());
    }

    #[test]
    fn a_problem_that_many_logs_have_at_once_takes_a_handful_of_lines() {
        let (mut topics, begin) = (Topics::default(), Instant::now());
        let mut lines = Vec::new();
        // A failing name server, for example: each log is retried 1, 3, 7 and 15 s after the first failure.
        for second in 0..=20 {
            let now = begin + Duration::from_secs(second);
            if [0, 1, 3, 7, 15].contains(&second) {
                lines.extend((0..200).filter_map(|i| note(&mut topics, &format!("log {i:03}"), now)));
            }
            lines.extend(due(&mut topics, now));
        }
        assert_eq!(lines.len(), AT_ONCE + 1, "{lines:#?}");
        let grouped = &lines[AT_ONCE];
        assert!(grouped.starts_with("request: no connection: 195 more logs: log 005, log 006,"), "{grouped}");
        assert!(grouped.contains("log 014 and 185 others; the last: log 199: no address"), "{grouped}");
        let summary = due(&mut topics, begin + SUMMARY_INTERVAL);
        assert!(
            summary[0].contains("800 more in the last 60 s, by log: log 000 4, log 001 4,"),
            "{summary:?}"
        );
        assert_eq!(summary.len(), 1);
    }

    #[test]
    fn kinds_do_not_hide_each_other_and_nothing_is_lost_at_the_end() {
        let (mut topics, begin) = (Topics::default(), Instant::now());
        (0..1000).for_each(|_| drop(note(&mut topics, "A", begin)));
        let other = (Topic { about: "misbehaviour", problem: "fork" }, Level::Error);
        assert_eq!(topics.note(other, "A", || "A forks".into(), begin).unwrap().level, Level::Error);
        assert_eq!(topics.due(begin, true).len(), 1);
    }

    #[test]
    fn names_and_texts_cannot_forge_lines() {
        let (mut topics, begin) = (Topics::default(), Instant::now());
        let evil = "\u{202e}evil\n[ERROR] \u{1b}[2J";
        for i in 0..20 {
            note(&mut topics, &format!("{evil}{i}"), begin);
        }
        for line in topics.due(begin, true) {
            assert!(!line.text.contains(crate::printable::is_unsafe), "{}", line.text);
        }
    }

    proptest! {
        /// For any sequence of problems, each occurrence is reported or counted once, and the lines are few.
        #[test]
        fn each_occurrence_is_accounted_for(
            steps in prop::collection::vec((0usize..40, 0u64..20), 1..400),
        ) {
            let (mut topics, mut now) = (Topics::default(), Instant::now());
            let begin = now;
            let (mut told, mut lines) = (0, 0);
            let number = |text: &str| -> u64 {
                let rest = text.strip_prefix("request: no connection: ").unwrap_or_default();
                rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
            };
            for (log, pause) in &steps {
                now += Duration::from_secs(*pause);
                if note(&mut topics, &log.to_string(), now).is_some() { told += 1; lines += 1; }
                for line in due(&mut topics, now) { told += number(&line); lines += 1; }
            }
            let minutes = (now - begin).as_secs() / SUMMARY_INTERVAL.as_secs() + 1;
            prop_assert!(lines <= minutes * (AT_ONCE as u64 + 13), "{lines} lines in {minutes} minutes");
            for line in topics.due(now, true) { told += number(&line.text); }
            prop_assert_eq!(told, steps.len() as u64);
        }
    }
}
