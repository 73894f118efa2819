use super::*;

const NOW: u64 = 1_795_460_507_000_000;

fn filter(domain: &str) -> Filter {
    Filter::parse([("domain", domain)], Limits::default()).expect("a filter")
}

fn open(dir: &tempfile::TempDir) -> KeptFilters {
    KeptFilters::open(Some(FilterFolder::new(dir.path().join("filters"))))
}

fn files(dir: &tempfile::TempDir) -> usize {
    std::fs::read_dir(dir.path().join("filters")).map_or(0, |files| files.count())
}

fn keep(kept: &KeptFilters, domain: &str, now_us: u64) -> String {
    kept.keep(&filter(domain), u64::MAX, now_us).expect("room").name
}

fn loaded(kept: &KeptFilters, name: &str) -> Option<Arc<NamedFilter>> {
    kept.load(name).expect("it can be read")
}

fn is_known(kept: &KeptFilters, name: &str, now_us: u64) -> bool {
    !matches!(kept.find(name, now_us), Found::Unknown)
}

#[test]
fn equal_filters_have_the_same_name_which_is_a_hash_of_their_values() {
    let kept = KeptFilters::open(None);
    let Kept { name, expires_us } = kept.keep(&filter("a.example,B.example"), u64::MAX, NOW).unwrap();
    assert_eq!(name, "f-1958e79818bbeb8ba75980a9b262d522");
    assert_eq!(expires_us, NOW + 30 * DAY_US);
    assert_eq!(keep(&kept, "b.example.,a.example,a.example", NOW), name);
    assert_ne!(keep(&kept, "a.example", NOW), name);
    assert_eq!(*loaded(&kept, &name).expect("a filter").filter(), filter("a.example,b.example"));
}

#[test]
fn those_who_use_it_share_one_and_what_nobody_uses_is_not_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(&dir);
    let name = keep(&kept, "a.example", NOW);
    assert!(matches!(kept.find(&name, NOW), Found::Kept));
    let first = loaded(&kept, &name).expect("a filter");
    assert!(matches!(kept.find(&name, NOW), Found::InUse(same) if Arc::ptr_eq(&first, &same)));
    assert!(Arc::ptr_eq(&first, &loaded(&kept, &name).expect("a filter")));
    assert!(first.is_kept && *first.name == *name);
    drop(first);
    assert!(matches!(kept.find(&name, NOW), Found::Kept));
    let entries = kept.entries.lock();
    assert!(entries[&name].text.is_none() && entries[&name].filter.upgrade().is_none());
}

#[test]
fn a_restart_keeps_them_and_when_they_were_used() {
    let dir = tempfile::tempdir().unwrap();
    let name = keep(&open(&dir), "a.example", NOW);
    let kept = open(&dir);
    assert!(is_known(&kept, &name, NOW + 29 * DAY_US));
    assert_eq!(*loaded(&kept, &name).expect("a filter").filter(), filter("a.example"));
    let kept = open(&dir);
    assert!(is_known(&kept, &name, NOW + 58 * DAY_US), "its use was recorded");
    let kept = open(&dir);
    assert!(!is_known(&kept, &name, NOW + 88 * DAY_US));
    kept.expire(NOW + 88 * DAY_US);
    assert_eq!(files(&dir), 0);
}

#[test]
fn what_nobody_uses_for_thirty_days_is_gone_but_not_what_a_client_has() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(&dir);
    let (left, held) = (keep(&kept, "a.example", NOW), keep(&kept, "b.example", NOW));
    let client = loaded(&kept, &held).expect("a filter");
    assert!(is_known(&kept, &left, NOW + 1));
    let later = NOW + 1 + 30 * DAY_US;
    kept.expire(later - 1);
    assert_eq!(files(&dir), 2);
    kept.expire(later);
    assert!(!is_known(&kept, &left, later) && is_known(&kept, &held, later));
    assert_eq!(files(&dir), 1);
    drop(client);
    let end = later + 30 * DAY_US;
    assert!(!is_known(&kept, &held, end), "30 days after it was last used");
    assert!(loaded(&kept, &left).is_none());
}

#[test]
fn the_longest_unused_makes_room_unless_it_is_in_use_or_was_today() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(&dir);
    let names: Vec<_> = (0..3).map(|i| keep(&kept, &format!("{i}.example"), NOW + i)).collect();
    assert!(names.iter().zip(0..).all(|(name, i)| is_known(&kept, name, NOW + i)), "clients use them");
    let limit = files_bytes(&dir);
    let next = |now| kept.keep(&filter("3.example"), limit, now);
    assert_eq!(next(NOW + DAY_US - 1), Err(NoRoom));
    assert_eq!(files(&dir), 3);
    let client = loaded(&kept, &names[0]).expect("a filter");
    let now = NOW + DAY_US + 1;
    let name = next(now).expect("room").name;
    let known: Vec<_> = names.iter().map(|name| kept.entries.lock().contains_key(name)).collect();
    assert_eq!(known, [true, false, true]);
    assert_eq!(files(&dir), 3);
    assert!(is_known(&kept, &name, now));
    drop(client);
    assert_eq!(
        kept.keep(&filter("4.example"), 10, now),
        Err(NoRoom),
        "it is larger than everything together"
    );
    assert_eq!(files(&dir), 3, "nothing was removed for it");
    assert!(kept.keep(&filter("3.example"), 0, now).is_ok(), "what is kept needs no room");
}

#[test]
fn what_was_put_and_never_used_makes_room_after_an_hour() {
    let kept = KeptFilters::open(None);
    keep(&kept, "a.example", NOW);
    let limit = serde_json::to_vec(&filter("a.example")).unwrap().len() as u64;
    assert_eq!(kept.keep(&filter("b.example"), limit, NOW + HOUR_US - 1), Err(NoRoom));
    assert!(kept.keep(&filter("b.example"), limit, NOW + HOUR_US).is_ok());
}

#[test]
fn one_that_cannot_be_read_now_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(&dir);
    let name = keep(&kept, "a.example", NOW);
    let (path, aside) = (dir.path().join(format!("filters/{name}.json")), dir.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(kept.load(&name).is_err());
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(*loaded(&kept, &name).expect("a filter").filter(), filter("a.example"));
}

fn files_bytes(dir: &tempfile::TempDir) -> u64 {
    let files = std::fs::read_dir(dir.path().join("filters")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn without_a_folder_that_can_be_written_they_are_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("filters"), "a file in its place").unwrap();
    for kept in [open(&dir), KeptFilters::open(None)] {
        let name = keep(&kept, "a.example", NOW);
        assert!(is_known(&kept, &name, NOW + 29 * DAY_US));
        assert_eq!(*loaded(&kept, &name).expect("a filter").filter(), filter("a.example"));
        assert!(!is_known(&kept, &name, NOW + 60 * DAY_US));
        assert_eq!(kept.has_told.load(Ordering::Relaxed), kept.folder.is_some());
    }
}

#[test]
fn a_damaged_file_is_no_filter() {
    let dir = tempfile::tempdir().unwrap();
    let kept = open(&dir);
    let names = ["a.example", "b.example", "c.example"].map(|domain| keep(&kept, domain, NOW));
    let path = |name: &str| dir.path().join(format!("filters/{name}.json"));
    std::fs::write(path(&names[0]), r#"{"domain":["x.example"]}"#).unwrap();
    std::fs::write(path(&names[1]), "x").unwrap();
    std::fs::remove_file(path(&names[2])).unwrap();
    for name in names {
        assert!(loaded(&kept, &name).is_none());
        assert!(!is_known(&kept, &name, NOW));
    }
    assert_eq!(files(&dir), 0);
}
