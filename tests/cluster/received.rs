//! What a client has received, judged as it arrives: numbers that rise, and each entry of each log once and in order.

use crate::logs::Sizes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// A message, as far as it is judged.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    Entry { seq: u64, log: &'a str, index: u64 },
    Heartbeat { seq: u64 },
    Gap { from_seq: u64, to_seq: u64 },
    Other,
}

impl<'a> Message<'a> {
    /// `None` if it is no message. Does not parse the whole text of an entry, so that the client keeps up.
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_end();
        let Some(kind) = text.strip_prefix(r#"{"message_type":""#).and_then(|text| text.split('"').next())
        else {
            let message: Value = serde_json::from_str(text).ok()?;
            return message.get("message_type").map(|_| Message::Other);
        };
        let value_of = |name: &str| text.rsplit_once(name)?.1.split([',', '}']).next()?.parse().ok();
        let seq = || value_of(r#""seq":"#);
        match kind {
            "certificate_update" => {
                let log =
                    text.rsplit_once(r#""source":{"#)?.1.split_once(r#""name":""#)?.1.split('"').next()?;
                Some(Message::Entry { seq: seq()?, log, index: value_of(r#""cert_index":"#)? })
            }
            "heartbeat" => Some(Message::Heartbeat { seq: seq()? }),
            "gap" => {
                let gap: Value = serde_json::from_str(text).ok()?;
                let [from_seq, to_seq] = [gap["from_seq"].as_u64()?, gap["to_seq"].as_u64()?];
                Some(Message::Gap { from_seq, to_seq })
            }
            _ => Some(Message::Other),
        }
    }
}

/// A gap that was announced.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub from_seq: u64,
    pub to_seq: u64,
}

/// Entries that did not arrive although the client was told that some would be missing.
#[derive(Clone, Debug)]
pub struct Missing {
    log: String,
    from_index: u64,
    until_index: u64,
}

impl Missing {
    fn count(&self) -> u64 {
        self.until_index - self.from_index
    }
}

#[derive(Clone, Debug, Default)]
struct LogState {
    next_index: u64,
    /// Number of gaps that were announced before its last entry.
    gaps: usize,
    last_seq: u64,
    /// When its last entry arrived, or when the measurement of pauses began.
    arrival: Option<Instant>,
    longest_pause: Duration,
}

/// What a client has received so far.
#[derive(Clone, Default)]
pub struct Received {
    /// The number to come back with: of the newest entry or heartbeat.
    pub cursor: Option<u64>,
    pub entries: u64,
    pub gaps: Vec<Gap>,
    pub missing: Vec<Missing>,
    /// What must never happen, in words.
    pub faults: Vec<String>,
    /// Entries that came again, in words.
    pub repeats: Vec<String>,
    logs: BTreeMap<String, LogState>,
    /// Of all entries with their numbers.
    hasher: DefaultHasher,
}

impl Received {
    /// Adds a message.
    pub fn take(&mut self, text: &str) {
        match Message::parse(text) {
            Some(Message::Entry { seq, log, index }) => self.take_entry(seq, log, index),
            // The heartbeat of an edge that is behind says less than the client knows.
            Some(Message::Heartbeat { seq }) => self.cursor = self.cursor.max(Some(seq)),
            Some(Message::Gap { from_seq, to_seq }) => self.take_gap(Gap { from_seq, to_seq }),
            Some(Message::Other) => {}
            None => self.faults.push(format!("not understood: {:?}", text.get(..200).unwrap_or(text))),
        }
    }

    fn take_gap(&mut self, gap: Gap) {
        if gap.from_seq > gap.to_seq {
            self.faults.push(format!("{gap:?} ends before it begins"));
        }
        self.gaps.push(gap);
    }

    fn take_entry(&mut self, seq: u64, name: &str, index: u64) {
        if self.cursor.is_some_and(|cursor| seq <= cursor) {
            self.faults.push(format!("{name} {index}: number {seq} after {:?}", self.cursor));
        }
        if !self.logs.contains_key(name) {
            self.logs.insert(name.to_string(), LogState::default());
        }
        let log = self.logs.get_mut(name).expect("its state");
        if index < log.next_index {
            self.repeats.push(format!("{name} {index} ({seq}) again; the next one is {}", log.next_index));
        } else if index > log.next_index {
            let missing = Missing { log: name.to_string(), from_index: log.next_index, until_index: index };
            let between = |gap: &Gap| gap.to_seq > log.last_seq && gap.from_seq < seq;
            if self.gaps[log.gaps..].iter().any(between) {
                self.missing.push(missing);
            } else {
                let Missing { log, from_index, until_index } = missing;
                self.faults
                    .push(format!("{log} {from_index}..{until_index} missing before {seq}, unannounced"));
            }
        }
        log.pause_ends(Instant::now());
        (log.next_index, log.gaps, log.last_seq) = (log.next_index.max(index + 1), self.gaps.len(), seq);
        (seq, name, index).hash(&mut self.hasher);
        self.entries += 1;
        self.cursor = self.cursor.max(Some(seq));
    }

    /// Whether the last entry of each log has arrived.
    pub fn reaches(&self, sizes: &Sizes) -> bool {
        sizes.iter().all(|(name, size)| self.next_index(name) >= *size)
    }

    /// The index that follows those received.
    pub fn next_index(&self, log: &str) -> u64 {
        self.logs.get(log).map_or(0, |log| log.next_index)
    }

    /// A hash of all entries with their numbers, in order.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// Begins to measure pauses anew.
    pub fn measure_pauses(&mut self) {
        let now = Instant::now();
        for log in self.logs.values_mut() {
            (log.arrival, log.longest_pause) = (Some(now), Duration::ZERO);
        }
    }

    /// The longest time in which a log had no new entry, since pauses are measured.
    pub fn longest_pause(&self) -> Duration {
        let pause =
            |log: &LogState| log.longest_pause.max(log.arrival.map_or(Duration::ZERO, |at| at.elapsed()));
        self.logs.values().map(pause).max().unwrap_or_default()
    }
}

impl LogState {
    fn pause_ends(&mut self, now: Instant) {
        if let Some(before) = self.arrival.replace(now) {
            self.longest_pause = self.longest_pause.max(now - before);
        }
    }
}

/// Checks that each client has received each entry exactly once and in order, under the same numbers, and was told of no gap.
pub fn judge(clients: &[Received], sizes: &Sizes) {
    judge_with_gaps(clients, sizes);
    for client in clients {
        assert!(
            client.gaps.is_empty() && client.missing.is_empty(),
            "{:?} {:?}",
            client.gaps,
            client.missing
        );
        assert_eq!(client.entries, sizes.values().sum::<u64>());
        assert_eq!(client.digest(), clients[0].digest(), "the same numbers at every client");
    }
}

/// Checks that each client has received each entry at most once and in order, and those up to the end of each log; and that
/// it was told of a gap where something is missing.
pub fn judge_with_gaps(clients: &[Received], sizes: &Sizes) {
    for (i, client) in clients.iter().enumerate() {
        let first = &client.repeats[..client.repeats.len().min(20)];
        assert!(first.is_empty(), "client {i}: {} repeats: {first:#?}", client.repeats.len());
    }
    judge_with_repeats(clients, sizes);
}

/// The same, but entries may have come more than once.
pub fn judge_with_repeats(clients: &[Received], sizes: &Sizes) {
    for (i, client) in clients.iter().enumerate() {
        let faults = &client.faults;
        let first = &faults[..faults.len().min(20)];
        assert!(faults.is_empty(), "client {i}: {} faults: {first:#?}; {:#?}", faults.len(), client.gaps);
        for (name, size) in sizes {
            assert_eq!(client.next_index(name), *size, "client {i}: {name} ends too early or too late");
        }
        let missing: u64 = client.missing.iter().map(Missing::count).sum();
        let once = client.entries - client.repeats.len() as u64;
        assert_eq!(once + missing, sizes.values().sum::<u64>(), "client {i}: {:?}", client.missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, log: &str, index: u64) -> String {
        format!(
            r#"{{"message_type":"certificate_update","data":{{"cert_index":{index},"source":{{"log_id":null,"name":"{log}","url":"x","timestamp":1.5}}}},"seq":{seq}}}"#
        )
    }

    fn heartbeat(seq: u64) -> String {
        format!(r#"{{"message_type":"heartbeat","timestamp":1.5,"seq":{seq}}}"#)
    }

    fn gap(from: u64, to: u64) -> String {
        format!(r#"{{"message_type":"gap","dropped":3,"from_seq":{from},"to_seq":{to}}}"#)
    }

    fn faults(messages: &[String]) -> usize {
        let mut received = Received::default();
        messages.iter().for_each(|message| received.take(message));
        received.faults.len() + received.repeats.len()
    }

    #[test]
    fn what_must_never_happen_is_noticed() {
        let begin = [entry(10, "a", 0), entry(11, "b", 0), heartbeat(12)];
        for (message, expected) in [
            (entry(13, "a", 1), 0),
            (entry(12, "a", 1), 1), // below the heartbeat
            (entry(13, "a", 0), 1), // again
            (entry(13, "a", 2), 1), // 1 is missing
            (entry(11, "b", 0), 2), // again, with its number
            (entry(13, "c", 1), 1), // its beginning is missing
            (gap(14, 13), 1),
            ("{}".into(), 1),
        ] {
            assert_eq!(faults(&[&begin[..], std::slice::from_ref(&message)].concat()), expected, "{message}");
        }
    }

    #[test]
    fn a_gap_allows_what_is_missing_between_its_ends_only() {
        let begin = [entry(10, "a", 0), entry(20, "b", 0)];
        for (gap, next, expected) in [
            (gap(21, 29), entry(30, "a", 5), 0),
            (gap(1, 9), entry(30, "a", 5), 1),
            (gap(30, 40), entry(30, "a", 5), 1),
            (gap(21, 29), entry(30, "a", 0), 1),
        ] {
            assert_eq!(faults(&[&begin[..], &[gap.clone(), next]].concat()), expected, "{gap}");
        }
        let twice = [gap(21, 29), entry(30, "a", 5), entry(31, "a", 7)];
        assert_eq!(faults(&[&begin[..], &twice].concat()), 1, "a gap allows this once");
    }

    #[test]
    #[should_panic(expected = "ends too early")]
    fn what_is_missing_at_the_end_is_noticed() {
        let mut received = Received::default();
        received.take(&entry(10, "a", 0));
        judge(&[received], &Sizes::from([("a".into(), 2)]));
    }
}
