//! A model of what happens between the tail, the journal, retention, stalls and reconnects.

use super::super::gathered::LONGEST;
use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Publish { count: u64, leaves_out: u64 },
    Evict,
    Expire,
    Take(usize),
    Replay,
    Reconnect,
    Wake,
    Pause,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..5, 2u64..6).prop_map(|(count, leaves_out)| Step::Publish { count, leaves_out }),
        3 => Just(Step::Evict),
        1 => Just(Step::Expire),
        4 => (1usize..4).prop_map(Step::Take),
        4 => Just(Step::Replay),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Wake),
        1 => Just(Step::Pause),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happens between the tail, the journal, retention and reconnects: a client gets each message once, in
    /// order, and each missing one is part of a gap that it was told of.
    #[test]
    fn a_client_misses_nothing_without_being_told(steps in steps()) {
        let mut stage = Stage::new();
        let mut reader = stage.reader(0, None, WhenBehind::Replay);
        let mut published = Vec::new();
        let (mut received, mut gaps) = (Vec::new(), Vec::new());
        let take = |reader: &Arc<Reader>, most: usize, received: &mut Vec<u64>, gaps: &mut Vec<(u64, u64)>| {
            for _ in 0..most {
                let Some(Next::Frames(chunk)) = next(reader) else { return };
                let mut bytes = chunk.bytes();
                while let [0x81, length, rest @ ..] = bytes {
                    let (text, rest) = rest.split_at(usize::from(*length));
                    bytes = rest;
                    let text = String::from_utf8_lossy(text);
                    match text.parse() {
                        Ok(seq) => received.push(seq),
                        Err(_) => {
                            let gap: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                            let of = |name: &str| gap[name].as_u64().expect("a number");
                            gaps.push((of("from_seq"), of("to_seq")));
                        }
                    }
                }
            }
        };
        for step in steps {
            match step {
                Step::Publish { count, leaves_out } => {
                    published.extend((stage.next..stage.next + count).filter(|seq| !seq.is_multiple_of(leaves_out)));
                    stage.publish(count, leaves_out);
                }
                Step::Evict => stage.evict(),
                Step::Expire => drop(stage.journal.pop_front()),
                Step::Take(most) => take(&reader, most, &mut received, &mut gaps),
                Step::Replay => drop(stage.replay_one()),
                Step::Reconnect => {
                    // What the connection has taken has reached the client.
                    let cursor = reader.cursor();
                    reader.cut();
                    reader = stage.reader(cursor, None, WhenBehind::Replay);
                }
                Step::Wake => reader.wake(),
                Step::Pause => stage.now += LONGEST,
            }
        }
        loop {
            take(&reader, 1000, &mut received, &mut gaps);
            if !stage.replay_one() {
                break;
            }
        }
        take(&reader, 1000, &mut received, &mut gaps);
        prop_assert!(received.is_sorted_by(|a, b| a < b), "{:?}", received);
        let is_told = |seq: &u64| gaps.iter().any(|(from, to)| (from..=to).contains(&seq));
        let expected: Vec<_> = published.iter().copied().filter(|seq| received.contains(seq) || !is_told(seq)).collect();
        prop_assert_eq!(&received, &expected);
        prop_assert!(received.iter().all(|seq| !is_told(seq)), "{:?} {:?}", received, gaps);
        prop_assert_eq!(reader.cursor(), stage.next);
    }
}
