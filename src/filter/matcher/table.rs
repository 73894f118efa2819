//! Numbers for texts, and the search for a text's number.

use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// Distinct texts, numbered from 0 in the order in which they were added. Subscribers choose the texts, so their hashes
/// are keyed. A text takes its bytes and about thirteen more.
#[derive(Default)]
pub(super) struct TextTable {
    text: String,
    /// The end of each text, as a byte offset.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    keys: RandomState,
    longest: usize,
}

impl TextTable {
    /// The number of `text`, which is added if it is new. `None` beyond 4 GiB of texts.
    pub(super) fn insert(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.find(text) {
            return Some(number);
        }
        let number = u32::try_from(self.ends.len()).ok()?;
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        self.text.push_str(text);
        self.ends.push(end);
        self.longest = self.longest.max(text.len());
        let TextTable { text: all, ends, keys, .. } = self;
        let hash = |number: &u32| keys.hash_one(text_at(all, ends, *number));
        self.numbers.insert_unique(keys.hash_one(text), number, hash);
        Some(number)
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        if self.ends.is_empty() || text.len() > self.longest {
            return None;
        }
        let is_text = |number: &u32| self.get(*number) == text;
        self.numbers.find(self.keys.hash_one(text), is_text).copied()
    }

    pub(super) fn get(&self, number: u32) -> &str {
        text_at(&self.text, &self.ends, number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.len()).map(|number| self.get(number))
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of the longest text.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Gives back memory that was only needed to add texts.
    pub(super) fn shrink(&mut self) {
        let TextTable { text, ends, numbers, keys, .. } = self;
        text.shrink_to_fit();
        ends.shrink_to_fit();
        numbers.shrink_to_fit(|number| keys.hash_one(text_at(text, ends, *number)));
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>() + self.numbers.allocation_size()
    }
}

/// The text that ends at `ends[number]`, where the one before it ends. Empty if there is none.
fn text_at<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let end_of = |number: usize| ends.get(number).map(|end| *end as usize);
    let start = (number as usize).checked_sub(1).map_or(Some(0), end_of);
    let range = start.zip(end_of(number as usize));
    range.and_then(|(start, end)| text.get(start..end)).unwrap_or_default()
}
