//! The messages that an output delivers together. Pure.

use crate::config::BatchLimits;
use crate::message::{is_heartbeat, number_of};
use memchr::memchr;

/// Messages in order, one a line.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    /// Where it ends.
    end: usize,
    seq: Option<u64>,
}

/// A message of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'b> {
    /// Its JSON text, without the line end.
    pub(crate) text: &'b [u8],
    /// The number of its entry. `None` if it is not about an entry.
    pub(crate) seq: Option<u64>,
}

impl Batch {
    /// The lines, each with its line end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of messages.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no message.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The messages.
    pub(crate) fn messages(&self) -> impl DoubleEndedIterator<Item = Message<'_>> {
        self.lines.iter().enumerate().filter_map(|(index, line)| {
            let text = self.bytes.get(self.bytes_of(index)..line.end)?;
            Some(Message { text: text.strip_suffix(b"\n").unwrap_or(text), seq: line.seq })
        })
    }

    /// Size of the first `messages` messages.
    pub(crate) fn bytes_of(&self, messages: usize) -> usize {
        messages.checked_sub(1).and_then(|last| self.lines.get(last)).map_or(0, |line| line.end)
    }

    /// The number behind the last entry of the first `messages` messages. `None` if none of them is about an entry.
    pub(crate) fn next_seq_after(&self, messages: usize) -> Option<u64> {
        self.lines.iter().take(messages).rev().find_map(|line| line.seq).map(|seq| seq + 1)
    }

    /// Removes all messages. The memory is used again.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }

    fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        // Now, while it is in the cache of the processor.
        self.lines.push(Line { end: self.bytes.len(), seq: number_of(text) });
    }

    /// Whether it must be delivered before more messages are added.
    fn is_full(&self, limits: BatchLimits) -> bool {
        self.lines.len() >= limits.messages || self.bytes.len() >= limits.bytes
    }

    /// Adds lines, as far as `limits` allow, without heartbeats. Returns the rest.
    fn fill<'l>(&mut self, mut lines: &'l [u8], limits: BatchLimits) -> &'l [u8] {
        while !self.is_full(limits)
            && let Some(end) = memchr(b'\n', lines)
        {
            let (line, rest) = lines.split_at(end + 1);
            if !is_heartbeat(line) {
                self.push(line);
            }
            lines = rest;
        }
        lines
    }
}

/// Messages that were read and did not fit into a batch.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    lines: Vec<u8>,
    /// Where the first line begins that is not in a batch.
    at: usize,
    /// Everything before this number was read.
    read_to: u64,
}

impl Inbox {
    /// Adds whole lines to `batch`, as far as `limits` allow, and keeps the rest. Everything before the number `read_to` was
    /// read then. Returns whether the batch is full. There must be nothing that was kept before.
    pub(crate) fn add(&mut self, lines: &[u8], read_to: u64, batch: &mut Batch, limits: BatchLimits) -> bool {
        debug_assert!(self.is_empty(), "what came before comes first");
        self.read_to = self.read_to.max(read_to);
        let rest = batch.fill(lines, limits);
        self.lines.clear();
        self.lines.extend_from_slice(rest);
        self.at = 0;
        batch.is_full(limits)
    }

    /// Whether everything is in a batch.
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.lines.len()
    }

    /// Moves what was kept to `batch`, as far as `limits` allow. Returns whether the batch is full.
    pub(crate) fn fill(&mut self, batch: &mut Batch, limits: BatchLimits) -> bool {
        let kept = self.lines.get(self.at..).unwrap_or_default();
        self.at = self.lines.len() - batch.fill(kept, limits).len();
        batch.is_full(limits)
    }

    /// The number before which everything is in a batch or was delivered. `before` is what was true before `batch`, the last
    /// batch that was filled.
    pub(crate) fn next_seq(&self, batch: &Batch, before: u64) -> u64 {
        if self.is_empty() {
            return self.read_to.max(before);
        }
        batch.next_seq_after(batch.len()).unwrap_or(before)
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

    fn texts(batch: &Batch) -> Vec<String> {
        batch.messages().map(|message| String::from_utf8_lossy(message.text).into_owned()).collect()
    }

    #[test]
    fn messages_leave_in_order_and_the_next_number_never_runs_ahead() {
        let (mut inbox, mut batch) = (Inbox::default(), Batch::default());
        let lines = format!("{}{}{}", line(0), line(1), line(5));
        assert!(inbox.add(lines.as_bytes(), FIRST + 9, &mut batch, limits(2)));
        assert_eq!(batch.bytes(), (line(0) + &line(1)).as_bytes());
        assert_eq!(inbox.next_seq(&batch, 3), FIRST + 2);
        let after = [0, 1, 2, 9].map(|messages| batch.next_seq_after(messages));
        assert_eq!([batch.bytes_of(0), batch.bytes_of(1)], [0, line(0).len()]);
        assert_eq!(after, [None, Some(FIRST + 1), Some(FIRST + 2), Some(FIRST + 2)]);
        batch.clear();
        assert!(batch.is_empty() && !inbox.fill(&mut batch, limits(2)));
        assert_eq!(texts(&batch), [line(5).trim_end()]);
        assert_eq!(inbox.next_seq(&batch, FIRST + 2), FIRST + 9, "nothing else lies before it");
        batch.clear();
        assert!(!inbox.add(line(20).as_bytes(), FIRST + 21, &mut batch, limits(2)));
        assert_eq!((batch.len(), inbox.next_seq(&batch, 0)), (1, FIRST + 21));
    }

    #[test]
    fn a_gap_is_delivered_and_a_heartbeat_only_moves_the_number() {
        let (mut inbox, mut batch) = (Inbox::default(), Batch::default());
        let gap = crate::message::gap(1, 2) + "\n";
        inbox.add(gap.as_bytes(), FIRST, &mut batch, limits(9));
        let heartbeat = crate::message::heartbeat(1, FIRST) + "\n";
        assert!(!inbox.add(heartbeat.as_bytes(), FIRST + 4, &mut batch, limits(9)));
        assert_eq!((texts(&batch), batch.next_seq_after(1)), (vec![gap.trim_end().to_string()], None));
        assert_eq!(inbox.next_seq(&batch, 0), FIRST + 4);
    }

    #[test]
    fn a_batch_of_gaps_alone_does_not_move_the_number_past_what_waits() {
        let (mut inbox, mut batch) = (Inbox::default(), Batch::default());
        let gap = crate::message::gap(1, 2) + "\n";
        assert!(inbox.add((gap + &line(3)).as_bytes(), FIRST + 4, &mut batch, limits(1)));
        assert_eq!(inbox.next_seq(&batch, 7), 7);
    }

    #[test]
    fn a_batch_ends_at_its_size() {
        let (mut inbox, mut batch) = (Inbox::default(), Batch::default());
        let lines: String = (0..100).map(line).collect();
        inbox.add(lines.as_bytes(), FIRST + 100, &mut batch, limits(1000));
        let mut all = texts(&batch);
        while !inbox.is_empty() {
            assert!(batch.bytes().len() >= 1000 && batch.bytes().len() < 1000 + line(0).len());
            batch.clear();
            inbox.fill(&mut batch, limits(1000));
            all.extend(texts(&batch));
        }
        assert_eq!(all, lines.lines().collect::<Vec<_>>());
    }
}
