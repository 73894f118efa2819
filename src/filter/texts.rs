//! The values of a condition: a sorted list of texts in one piece of memory.

/// Texts in ascending order without duplicates. A text takes its bytes and four more.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Texts {
    text: Box<str>,
    /// The end of each text, as a byte offset.
    ends: Box<[u32]>,
}

impl Texts {
    /// Sorts `texts`. Those beyond 4 GiB in total are left out, which [`Limits`](super::Limits) are far below.
    pub(super) fn new(mut texts: Vec<String>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        let mut text = String::with_capacity(texts.iter().map(String::len).sum());
        let mut ends = Vec::with_capacity(texts.len());
        for one in &texts {
            let Ok(end) = u32::try_from(text.len() + one.len()) else { break };
            text.push_str(one);
            ends.push(end);
        }
        Texts { text: text.into(), ends: ends.into() }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start as usize..*self.ends.get(index)? as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(super) fn contains(&self, wanted: &str) -> bool {
        self.index_of(wanted).is_some()
    }

    /// The index of `wanted`. `None` if it is none of them.
    pub(super) fn index_of(&self, wanted: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).map(|text| text.cmp(wanted)) {
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                Some(std::cmp::Ordering::Greater) => high = middle,
                Some(std::cmp::Ordering::Equal) => return Some(middle),
                None => return None,
            }
        }
        None
    }

    /// Memory beside the value itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
