//! Lines of the log file about what logs do wrong, summed up: however often and by however many logs one kind of problem
//! comes, it is told at once where it is new, and once a minute in how large a number.
//!
//! ```text
//! new for a log     ─► a line at once, for the first few logs; one for all others that come within 5 s
//! known for a log   ─► counted; one line a minute for each kind, with the logs that have it most
//! quiet for long    ─► forgotten, so that it is new the next time
//! ```
//!
//! `Topics` is pure: the time comes as an argument.

use crate::printable::{MAX_CHARS, escaped};
use log::Level;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Logs that are told of with a line of their own when they begin to have one kind of problem, in one interval.
pub(crate) const AT_ONCE: usize = 5;
/// How long others are collected that begin to have it; they are told of in one line.
pub(crate) const GROUP_DELAY: Duration = Duration::from_secs(5);
/// Time between two lines that sum up one kind of problem.
pub(crate) const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// After which time without it a problem of a log counts as new. A failing log is asked every five minutes.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);
/// Most logs that are known by name for each kind of problem; further ones are counted together.
pub(crate) const MAX_LOGS: usize = 10_000;
/// Most names in one line.
const MAX_NAMES: usize = 10;
/// Longest name in a line with many, characters.
const MAX_NAME_CHARS: usize = 80;

/// A kind of problem: what it is about, and what is wrong. There are some thirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// What it is about.
    pub about: &'static str,
    /// What is wrong.
    pub problem: &'static str,
}

/// A line for the log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// What is known of all problems.
#[derive(Debug, Default)]
pub(crate) struct Topics(BTreeMap<Topic, Known>);

#[derive(Debug)]
struct Known {
    level: Level,
    /// When the interval began that the counts are of.
    since: Instant,
    /// Lines of single logs in it.
    at_once: usize,
    /// Since when there are logs that nobody was told of.
    waiting_since: Option<Instant>,
    logs: HashMap<String, Occurrences>,
    /// The newest one that was not told.
    last: String,
}

#[derive(Debug)]
struct Occurrences {
    /// Those of this interval that were not told.
    count: u64,
    last_at: Instant,
    /// Whether anybody was told that the log has the problem.
    told: bool,
}

impl Topics {
    /// Notes a problem of `log`; the line to be written at once, if there is one.
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

    /// What is to be told now; at the end of the program everything.
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

    /// One line for all logs that nobody was told of.
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

    /// One line for all that came in this interval and was not told, and the next interval begins.
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
        // Those that nobody was told of yet are told of next.
        self.logs.retain(|_, o| !o.told || now.saturating_duration_since(o.last_at) < FORGET_AFTER);
        self.logs.values_mut().filter(|o| o.told).for_each(|o| o.count = 0);
        (self.since, self.at_once) = (now, 0);
        (all > 0).then_some(Line { level: self.level, text })
    }
}

fn short(name: &str) -> String {
    escaped(name, MAX_NAME_CHARS).into_owned()
}

/// The first few of `count` names.
fn listed(names: impl Iterator<Item = String>, count: usize) -> String {
    let few: Vec<String> = names.take(MAX_NAMES).map(|name| short(&name)).collect();
    match count.saturating_sub(few.len()) {
        0 => few.join(", "),
        more => format!("{} and {more} others", few.join(", ")),
    }
}

/// `Topics` that all watchers share, and the log file that they end in.
#[derive(Debug, Default)]
pub struct Digest(Mutex<Topics>);

impl Digest {
    /// Tells of a problem of `log` in the log file, at once or summed up.
    pub fn tell(&self, level: Level, topic: Topic, log: &str, text: impl FnOnce() -> String) {
        let line = self.topics(|topics| topics.note((topic, level), log, text, Instant::now()));
        write(line);
    }

    /// Writes what is due. To be called every second or so.
    pub fn tell_due(&self) {
        write(self.topics(|topics| topics.due(Instant::now(), false)));
    }

    /// Writes everything that was not told yet.
    pub fn finish(&self) {
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
        // As with a name server that fails: each log is tried 1, 3, 7 and 15 s after the first time.
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
        /// Whatever logs do, each occurrence is told or counted once, and lines are few.
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
