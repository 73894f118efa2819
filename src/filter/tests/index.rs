//! Filters that come and go.

use super::*;
use crate::filter::Matchers;

fn domain(n: u64) -> Arc<Filter> {
    Arc::new(filter(&format!("domain=d{n}.example")))
}

fn found(matchers: &Matchers, name: &str) -> Vec<u64> {
    let log = log();
    let mut scratch = Scratch::default();
    matchers.matches(&Facts::given(&log, &[name], &[], None), &mut scratch).iter().map(|id| id.0).collect()
}

fn merge_all(index: &mut FilterIndex) -> usize {
    let mut merges = 0;
    while let Some(merge) = index.begin_merge() {
        index.finish_merge(merge.run().unwrap());
        merges += 1;
    }
    merges
}

#[test]
fn a_filter_is_found_from_when_it_was_added_until_it_is_removed() {
    let mut index = FilterIndex::default();
    assert!(index.matchers().is_empty());
    for n in 0..500 {
        assert_eq!(found(&index.matchers(), &format!("d{n}.example")), [0; 0]);
        index.add(FilterId(n), domain(n));
        assert_eq!(found(&index.matchers(), &format!("d{n}.example")), [n]);
    }
    let before = index.matchers();
    assert_eq!(before.len(), 500);
    for n in (0..500).step_by(2) {
        assert!(index.remove(FilterId(n)));
        assert!(!index.remove(FilterId(n)));
    }
    merge_all(&mut index);
    let after = index.matchers();
    assert_eq!((before.len(), after.len()), (500, 250));
    for n in 0..500 {
        assert_eq!(found(&before, &format!("d{n}.example")), [n], "what readers have does not change");
        assert_eq!(found(&after, &format!("d{n}.example")).len(), n as usize % 2);
    }
}

#[test]
fn a_filter_replaces_the_one_with_its_id() {
    let mut index = FilterIndex::build((0..10).map(|n| (FilterId(n), domain(n)))).unwrap();
    index.add(FilterId(3), domain(77));
    for _ in 0..2 {
        assert_eq!(index.matchers().len(), 10);
        assert_eq!(found(&index.matchers(), "d3.example"), [0; 0]);
        assert_eq!(found(&index.matchers(), "d77.example"), [3]);
        merge_all(&mut index);
    }
}

#[test]
fn levels_stay_few_and_are_built_seldom() {
    let mut index = FilterIndex::default();
    let mut built = 0;
    for n in 0..20_000 {
        index.add(FilterId(n), domain(n));
        while let Some(merge) = index.begin_merge() {
            built += merge.weight();
            index.finish_merge(merge.run().unwrap());
        }
        assert!(index.matchers().levels() <= 9, "{} levels at {n}", index.matchers().levels());
    }
    assert!(built < 40_000 * 16, "{built} values and filters were built");
    assert_eq!(index.matchers().len(), 20_000);
}

#[test]
fn what_changes_during_a_merge_is_kept() {
    let mut index = FilterIndex::build((0..3000).map(|n| (FilterId(n), domain(n)))).unwrap();
    (3000..6000).for_each(|n| index.add(FilterId(n), domain(n)));
    index.remove(FilterId(1));
    // Its id is both removed and present in what is merged.
    index.add(FilterId(7), domain(9007));
    let merge = index.begin_merge().expect("levels of similar sizes");
    assert!(index.begin_merge().is_none(), "one merge at a time");
    // Removed, replaced and added in the meantime.
    index.remove(FilterId(2));
    index.add(FilterId(3), domain(9003));
    index.add(FilterId(1), domain(9001));
    // Fresh ones that are merged.
    index.remove(FilterId(3001));
    index.add(FilterId(3002), domain(9002));
    (6000..6100).for_each(|n| index.add(FilterId(n), domain(n)));
    index.finish_merge(merge.run().unwrap());
    for _ in 0..2 {
        let matchers = index.matchers();
        for (n, expected) in [
            (0, &[0][..]),
            (1, &[]),
            (2, &[]),
            (3, &[]),
            (9003, &[3]),
            (7, &[]),
            (9007, &[7]),
            (9001, &[1]),
            (3001, &[]),
            (3002, &[]),
            (9002, &[3002]),
            (4500, &[4500]),
            (6050, &[6050]),
        ] {
            assert_eq!(found(&matchers, &format!("d{n}.example")), expected, "{n}");
        }
        assert_eq!(matchers.len(), 6098);
        merge_all(&mut index);
    }
}

#[test]
fn an_outdated_merge_changes_nothing() {
    let mut index = FilterIndex::build((0..3000).map(|n| (FilterId(n), domain(n)))).unwrap();
    (3000..6000).for_each(|n| index.add(FilterId(n), domain(n)));
    let merged = index.begin_merge().unwrap().run().unwrap();
    index.abandon_merge();
    merge_all(&mut index);
    (0..10).for_each(|n| assert!(index.remove(FilterId(n))));
    index.finish_merge(merged);
    assert_eq!(index.matchers().len(), 5990);
    assert_eq!(found(&index.matchers(), "d5.example"), [0; 0]);
}

#[test]
fn a_level_that_is_mostly_removed_is_built_again() {
    let mut index = FilterIndex::build((0..100).map(|n| (FilterId(n), domain(n)))).unwrap();
    (0..50).for_each(|n| assert!(index.remove(FilterId(n))));
    assert_eq!(merge_all(&mut index), 0);
    let bytes = index.matchers().bytes();
    index.remove(FilterId(50));
    assert_eq!(merge_all(&mut index), 1);
    assert!(index.matchers().bytes() < bytes * 2 / 3);
    (51..100).for_each(|n| assert!(index.remove(FilterId(n))));
    assert_eq!((index.matchers().levels(), index.matchers().len()), (0, 0));
}
