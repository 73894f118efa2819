//! Lists of numbers in one piece of memory.

use std::ops::Range;

/// For each number from 0 on, a list of numbers.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The end of each list in `items`.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// Makes `count` lists of pairs: the number of the list, and the item. The items of a list keep their order.
    pub(super) fn new(count: usize, pairs: &[(u32, u32)]) -> Self {
        let mut ends = vec![0u32; count];
        for (list, _) in pairs {
            if let Some(length) = ends.get_mut(*list as usize) {
                *length += 1;
            }
        }
        let mut end = 0;
        for length in &mut ends {
            end += *length;
            *length = end;
        }
        // Filled from the end, so that the ends become the starts.
        let (mut items, mut nexts) = (vec![0; end as usize], ends.clone());
        for (list, item) in pairs.iter().rev() {
            let Some(next) = nexts.get_mut(*list as usize) else { continue };
            *next -= 1;
            if let Some(place) = items.get_mut(*next as usize) {
                *place = *item;
            }
        }
        Lists { ends, items }
    }

    /// The items of a list. None if there is no such list.
    pub(super) fn get(&self, list: u32) -> &[u32] {
        self.range(list).and_then(|range| self.items.get(range)).unwrap_or_default()
    }

    fn range(&self, list: u32) -> Option<Range<usize>> {
        let list = list as usize;
        let start = match list.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(start as usize..*self.ends.get(list)? as usize)
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        (self.ends.capacity() + self.items.capacity()) * size_of::<u32>()
    }
}
