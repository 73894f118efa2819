use super::*;
use proptest::prelude::*;

const LIMITS: StoreLimits = StoreLimits { max_bytes: 3 << 20, max_age: Duration::from_secs(1600) };

#[derive(Debug, Clone)]
enum Step {
    Append { count: u32, len: usize, seconds: u64 },
    Reopen { is_orderly: bool, clock: i64 },
    Expire { seconds: u64 },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![3 => 0..2000_usize, 2 => 100_000..400_000_usize];
    prop_oneof![
        8 => (0..4_u32, len, 0..200_u64).prop_map(|(count, len, seconds)| Step::Append { count, len, seconds }),
        1 => (any::<bool>(), -50..50_i64).prop_map(|(is_orderly, clock)| Step::Reopen { is_orderly, clock }),
        1 => (0..900_u64).prop_map(|seconds| Step::Expire { seconds }),
        1 => Just(Step::Sync),
    ]
}

/// Compares `store` with `blocks`, which are all that were appended.
fn check(store: &Store, blocks: &[StoredBlock], now_us: u64, probe: u64) {
    let read = read_all(store);
    assert!(blocks.ends_with(&read), "not the last blocks, in order and unchanged");
    let kept_bytes = LIMITS.max_bytes - MIB as u64;
    let mut bytes = 0;
    let must_be_kept = blocks.iter().rev().take_while(|block| {
        // What a segment's header, and one unused end of a segment, may add.
        bytes += block.payload.len() as u64 + 100;
        bytes < kept_bytes / 2 && now_us - block.time_us <= 1600 * SECOND
    });
    assert!(read.len() >= must_be_kept.count());
    assert!(read.iter().all(|block| now_us - block.time_us <= 1700 * SECOND + 200 * SECOND));
    let figures = store.figures();
    assert!(figures.bytes <= LIMITS.max_bytes, "{figures:?}");
    let numbered = || read.iter().filter(|block| block.count > 0);
    assert_eq!(store.floor(), numbered().next().map_or(store.next_seq(), |block| block.first_seq));
    assert!(read.last().is_none_or(|block| block.end_seq() <= store.next_seq()));

    let seq = store.floor().saturating_sub(1) + probe % (store.next_seq() - store.floor() + 3);
    assert_eq!(store.read(seq).unwrap().as_ref(), numbered().find(|block| block.end_seq() > seq));
    let reader = store.reader(seq).next_block().unwrap();
    assert_eq!(reader.as_ref(), read.iter().find(|block| block.end_seq() > seq || block.first_seq >= seq));
    let time_us = now_us - probe % (1700 * SECOND);
    let at = read.iter().find(|block| block.time_us >= time_us).map(|block| block.first_seq);
    assert_eq!(store.seq_at(time_us), at.unwrap_or(store.next_seq()));

    let given = read.iter().flat_map(|block| block.first_seq..block.end_seq());
    let before: Vec<_> = given.take_while(|given| *given < seq).collect();
    let count = probe % 20 + 1;
    let start = before.len().saturating_sub(count as usize);
    assert_eq!(store.start_of_last(count, seq), before.get(start).copied().unwrap_or(seq));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_journal_is_a_list_of_blocks(steps in proptest::collection::vec((step(), any::<u64>()), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let open = |now_us| Store::open(Some(dir.path()), LIMITS, now_us).unwrap();
        let mut store = open(NOW).store;
        let mut blocks: Vec<StoredBlock> = Vec::new();
        let mut now_us = NOW;
        for (i, (step, probe)) in steps.into_iter().enumerate() {
            match step {
                Step::Append { count, len, seconds } => {
                    now_us += seconds * SECOND;
                    let payload = bytes::Bytes::from(vec![i as u8; len]);
                    let next = store.next_seq();
                    let first_seq = store.append(count, now_us, &[&payload]).unwrap();
                    assert_eq!(first_seq, next);
                    blocks.push(StoredBlock { first_seq, count, time_us: now_us, payload });
                }
                Step::Reopen { is_orderly, clock } => {
                    let next = store.next_seq();
                    if is_orderly {
                        store.close().unwrap();
                    }
                    drop(store);
                    let clock = now_us.saturating_add_signed(clock * SECOND as i64);
                    let opened = open(clock);
                    assert_eq!(opened.problems, []);
                    store = opened.store;
                    if is_orderly {
                        assert_eq!((opened.last_stop, store.next_seq()), (LastStop::Orderly, next));
                    } else {
                        assert_eq!(opened.last_stop, LastStop::Unclean);
                        assert!(store.next_seq() >= clock);
                        assert!(blocks.last().is_none_or(|block| store.next_seq() >= block.end_seq()));
                    }
                }
                Step::Expire { seconds } => {
                    now_us += seconds * SECOND;
                    store.expire(now_us).unwrap();
                }
                Step::Sync => store.sync().unwrap(),
            }
            // An age is only checked when something is appended or expires.
            store.expire(now_us).unwrap();
            check(&store, &blocks, now_us, probe);
        }
    }
}
