//! The messages that an output delivers together. Pure.

use crate::config::BatchLimits;
use crate::message::{is_heartbeat, number_of};

/// Messages in order, one a line.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Batch {
    /// The lines, each with its line end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of messages.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no message.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The messages, without line ends.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let lines = starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end));
        lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }

    /// The number of the first entry. `None` if no message is about one.
    pub(crate) fn first_seq(&self) -> Option<u64> {
        self.messages().find_map(number_of)
    }

    /// The parts of at most `messages` messages, each with its number of messages.
    #[cfg(test)]
    fn texts(&self) -> Vec<String> {
        self.messages().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    fn is_full(&self, limits: BatchLimits) -> bool {
        self.ends.len() >= limits.messages || self.bytes.len() >= limits.bytes
    }
}

/// Messages that were read and are not in a batch yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    lines: Vec<u8>,
    /// Where the first line begins that is not in a batch.
    at: usize,
    /// Everything before this number is in `lines`, or came before.
    read_to: u64,
}

impl Inbox {
    /// Adds whole lines. Everything before the number `read_to` was read then.
    pub(crate) fn add(&mut self, lines: &[u8], read_to: u64) {
        if self.at > 0 && self.is_empty() {
            self.lines.clear();
            self.at = 0;
        }
        self.lines.extend_from_slice(lines);
        self.read_to = self.read_to.max(read_to);
    }

    /// Whether everything is in a batch.
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.lines.len()
    }

    /// Moves messages to `batch`, as far as `limits` allow. Heartbeats are left out. Returns whether the batch is full.
    pub(crate) fn fill(&mut self, batch: &mut Batch, limits: BatchLimits) -> bool {
        while !batch.is_full(limits) {
            let rest = self.lines.get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == b'\n').map(|end| end + 1) else {
                return false;
            };
            let line = rest.get(..length).unwrap_or_default();
            if !is_heartbeat(line) {
                batch.push(line);
            }
            self.at += length;
        }
        true
    }

    /// The number before which everything is in a batch or was delivered. `before` is what was true before `batch`, the last
    /// batch that was filled.
    pub(crate) fn next_seq(&self, batch: &Batch, before: u64) -> u64 {
        if self.is_empty() {
            return self.read_to.max(before);
        }
        let newest = batch.messages().filter_map(number_of).last();
        newest.map_or(before, |seq| seq + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const FIRST: u64 = 1_795_460_507_000_000;

    fn line(seq: u64) -> String {
        format!("{{\"a\":1,\"seq\":{}}}\n", FIRST + seq)
    }

    fn limits(messages: usize) -> BatchLimits {
        BatchLimits { messages, bytes: 1000, wait: Duration::ZERO }
    }

    #[test]
    fn messages_leave_in_order_and_the_next_number_never_runs_ahead() {
        let mut inbox = Inbox::default();
        inbox.add(format!("{}{}{}", line(0), line(1), line(5)).as_bytes(), FIRST + 9);
        let mut batch = Batch::default();
        assert!(inbox.fill(&mut batch, limits(2)));
        assert_eq!(batch.bytes(), (line(0) + &line(1)).as_bytes());
        assert_eq!(inbox.next_seq(&batch, 3), FIRST + 2);
        assert_eq!((batch.len(), batch.first_seq()), (2, Some(FIRST)));
        let mut batch = Batch::default();
        assert!(!inbox.fill(&mut batch, limits(2)));
        assert_eq!(batch.texts(), [line(5).trim_end()]);
        assert_eq!(inbox.next_seq(&batch, FIRST + 2), FIRST + 9, "nothing else lies before it");
        inbox.add(line(20).as_bytes(), FIRST + 21);
        let mut batch = Batch::default();
        assert!(!inbox.fill(&mut batch, limits(2)));
        assert_eq!((batch.len(), inbox.next_seq(&batch, 0)), (1, FIRST + 21));
    }

    #[test]
    fn a_gap_is_delivered_and_a_heartbeat_only_moves_the_number() {
        let mut inbox = Inbox::default();
        let gap = crate::message::gap(1, 2) + "\n";
        inbox.add(gap.as_bytes(), FIRST);
        inbox.add((crate::message::heartbeat(1, FIRST) + "\n").as_bytes(), FIRST + 4);
        let mut batch = Batch::default();
        assert!(!inbox.fill(&mut batch, limits(9)));
        assert_eq!((batch.texts(), batch.first_seq()), (vec![gap.trim_end().to_string()], None));
        assert_eq!(inbox.next_seq(&batch, 0), FIRST + 4);
    }

    #[test]
    fn a_batch_of_gaps_alone_does_not_move_the_number_past_what_waits() {
        let mut inbox = Inbox::default();
        let gap = crate::message::gap(1, 2) + "\n";
        inbox.add((gap + &line(3)).as_bytes(), FIRST + 4);
        let mut batch = Batch::default();
        assert!(inbox.fill(&mut batch, limits(1)));
        assert_eq!(inbox.next_seq(&batch, 7), 7);
    }

    #[test]
    fn a_batch_ends_at_its_size() {
        let mut inbox = Inbox::default();
        (0..100).for_each(|seq| inbox.add(line(seq).as_bytes(), FIRST + seq + 1));
        let mut all = Vec::new();
        while !inbox.is_empty() {
            let mut batch = Batch::default();
            inbox.fill(&mut batch, limits(1000));
            assert!(batch.bytes().len() < 1000 + line(0).len());
            all.extend(batch.texts());
        }
        assert_eq!(all.len(), 100);
    }
}
