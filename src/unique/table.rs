//! The smallest number known for each key, in at most 16 bytes a key.
//!
//! A key is spread over buckets by its first bits, and the rest of it is kept there with the number, in 12 bytes. Keys are
//! keyed hashes, so nobody can choose in which bucket they end.

/// Bits of a key that choose the bucket, at least: the rest of the key fits into its slot.
const MIN_BUCKET_BITS: u32 = 16;
const MAX_BUCKET_BITS: u32 = 22;
/// Keys of a bucket in a full table, about: ten cache lines.
const BUCKET_KEYS: usize = 48;
/// Keys for which a full bucket gets room.
const ROOM: usize = 4;
/// Bits of a number above that of the table's beginning, and of the rest of a key.
const SLOT_BITS: u32 = 48;
/// Memory of a key in a full table, in bytes; measured in a test.
pub(super) const KEY_BYTES: usize = 16;

/// The rest of a key, and the number.
#[derive(Debug, Clone, Copy)]
struct Slot([u32; 3]);

impl Slot {
    fn new(rest: u64, number: u64) -> Self {
        let bits = u128::from(rest) << SLOT_BITS | u128::from(number);
        Slot([(bits >> 64) as u32, (bits >> 32) as u32, bits as u32])
    }

    fn bits(self) -> u128 {
        let [high, middle, low] = self.0;
        u128::from(high) << 64 | u128::from(middle) << 32 | u128::from(low)
    }

    fn rest(self) -> u64 {
        (self.bits() >> SLOT_BITS) as u64
    }

    fn number(self) -> u64 {
        self.bits() as u64 & ((1 << SLOT_BITS) - 1)
    }
}

/// Keys with the smallest number known for each.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Box<[Vec<Slot>]>,
    bucket_bits: u32,
    /// Numbers are kept as the difference from it.
    base: u64,
    /// Smaller numbers are forgotten.
    horizon: u64,
    bytes: usize,
}

/// What is known about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing was; the number is known now.
    New,
    /// The number is the smallest one, as before or from now on.
    Smallest,
    /// There is a smaller number.
    Smaller,
}

impl Table {
    /// A table for about `keys` keys, at least a million, which forgets numbers smaller than `horizon`.
    pub(super) fn new(keys: usize, horizon: u64) -> Self {
        let bits = (keys / BUCKET_KEYS).next_power_of_two().trailing_zeros();
        let bucket_bits = bits.clamp(MIN_BUCKET_BITS, MAX_BUCKET_BITS);
        let buckets = vec![Vec::new(); 1 << bucket_bits].into_boxed_slice();
        let bytes = size_of_val(&*buckets);
        Table { buckets, bucket_bits, base: horizon, horizon, bytes }
    }

    /// Forgets numbers smaller than `horizon`. Their memory is used again by and by.
    pub(super) fn forget_before(&mut self, horizon: u64) {
        self.horizon = self.horizon.max(horizon);
    }

    /// Says what is known about `key`, and keeps `number` if it is the smallest one. A number that cannot be kept, because it
    /// is forgotten already or too large, is the smallest one each time.
    pub(super) fn observe(&mut self, key: u64, number: u64) -> Known {
        let Some(offset) = number.checked_sub(self.base).filter(|offset| offset >> SLOT_BITS == 0) else {
            return Known::Smallest;
        };
        if number < self.horizon {
            return Known::Smallest;
        }
        let kept_from = self.horizon.saturating_sub(self.base);
        let rest = key & ((1 << SLOT_BITS) - 1);
        let Some(bucket) = self.buckets.get_mut((key >> (64 - self.bucket_bits)) as usize) else {
            return Known::Smallest;
        };
        let slot = bucket.iter_mut().find(|slot| slot.rest() == rest);
        if let Some(slot) = slot {
            let known = slot.number();
            if known < kept_from {
                *slot = Slot::new(rest, offset);
                return Known::New;
            }
            if known > offset {
                *slot = Slot::new(rest, offset);
            }
            return if known < offset { Known::Smaller } else { Known::Smallest };
        }
        if bucket.len() == bucket.capacity() {
            let before = bucket.capacity();
            bucket.retain(|slot| slot.number() >= kept_from);
            // A bucket that was once fuller than others gives that memory back.
            bucket.shrink_to(bucket.len() + ROOM);
            bucket.reserve_exact(ROOM);
            self.bytes = self.bytes + bucket.capacity() * size_of::<Slot>() - before * size_of::<Slot>();
        }
        bucket.push(Slot::new(rest, offset));
        Known::New
    }

    /// Its memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// A key that is spread like a hash.
    fn key(i: u64) -> u64 {
        let digest = openssl::sha::sha256(&i.to_le_bytes());
        u64::from_le_bytes(*digest.first_chunk().unwrap())
    }

    #[test]
    fn a_full_table_takes_at_most_sixteen_bytes_a_key() {
        const KEYS: u64 = 1 << 20;
        let mut table = Table::new(KEYS as usize, 1_800_000_000_000_000);
        for i in 0..KEYS {
            assert_eq!(table.observe(key(i), 1_800_000_000_000_000 + i), Known::New);
        }
        let per_key = table.bytes() as f64 / KEYS as f64;
        assert!(per_key <= KEY_BYTES as f64, "{per_key}");
        assert!(
            (0..KEYS).step_by(997).all(|i| table.observe(key(i), 1_900_000_000_000_000) == Known::Smaller)
        );
    }

    #[test]
    fn what_is_forgotten_leaves_its_memory_to_what_follows() {
        const WINDOW: u64 = 1 << 20;
        let mut table = Table::new(WINDOW as usize, 0);
        for i in 0..4 * WINDOW {
            table.forget_before((i + 1).saturating_sub(WINDOW) / (WINDOW / 16) * (WINDOW / 16));
            assert_eq!(table.observe(key(i), i), Known::New);
        }
        let per_key = table.bytes() as f64 / WINDOW as f64;
        assert!(per_key <= 18.0, "{per_key}");
    }

    #[test]
    fn numbers_that_cannot_be_kept_are_not_taken_for_repeats() {
        let mut table = Table::new(1, 100);
        for number in [0, 99, 100 + (1 << 48), u64::MAX] {
            assert_eq!(table.observe(7, number), Known::Smallest, "{number}");
            assert_eq!(table.observe(7, number), Known::Smallest, "{number}");
        }
        assert_eq!(table.observe(7, 99 + (1 << 48)), Known::New);
        assert_eq!(table.observe(7, 100), Known::Smallest);
        assert_eq!(table.observe(7, 101), Known::Smaller);
    }

    proptest! {
        /// Few keys, in the same bucket and in others, and numbers in any order.
        #[test]
        fn it_agrees_with_a_map(
            steps in prop::collection::vec((0..6_u64, 0..50_u64, prop::option::weighted(0.1, 0..60_u64)), 1..200),
        ) {
            let (mut table, mut map, mut from) = (Table::new(1, 0), HashMap::new(), 0);
            for (key, number, horizon) in steps {
                let key = ((key / 3) << 60) | (key % 3);
                if let Some(horizon) = horizon {
                    from = from.max(horizon);
                    table.forget_before(horizon);
                    map.retain(|_, number| *number >= from);
                }
                let expected = match map.get(&key).copied() {
                    _ if number < from => Known::Smallest,
                    None => Known::New,
                    Some(known) if known < number => Known::Smaller,
                    Some(_) => Known::Smallest,
                };
                if expected != Known::Smaller && number >= from {
                    map.insert(key, number);
                }
                prop_assert_eq!(table.observe(key, number), expected);
            }
        }
    }
}
