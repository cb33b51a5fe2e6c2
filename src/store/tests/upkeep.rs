//! Garbage collection, and the hold that prevents it.

use std::time::Duration;

use super::*;

const NOW: u64 = 4_000_000_000;

/// Collects with everything older than the grace that is no root.
fn collect(f: &Fixture, keep: &Keep, max_size: Option<u64>) -> Collected {
    let limits = Limits { grace: Duration::from_secs(60), max_size, now: NOW };
    let mode = Mode::Remove(f.store.hold_alone(|| panic!("nobody uses it")).unwrap());
    f.store.collect(keep, &limits, &mode, &|_, _| ()).unwrap()
}

#[test]
fn a_tree_goes_with_its_manifest_and_what_a_root_shares_stays() {
    let f = Fixture::new();
    let (shared, tree, stray) = (f.adopt_file("shared"), f.adopt_dir(&[("a", "one")]), f.adopt_file("stray"));
    let [root, old, other] = ["root", "old", "other"].map(|name| ActionKey::new(Digest::of(name.as_bytes())));
    f.put_record(root, &shared);
    f.put_record(old, &shared);
    f.put_record(other, &tree);
    let keep = Keep { roots: [root].into(), ..Keep::default() };
    let collected = collect(&f, &keep, None);
    assert_eq!((collected.records.count, collected.objects.count, collected.kept.count), (2, 2, 1));
    assert!(f.hits(&root));
    for gone in [&tree, &stray] {
        assert_eq!(f.reopened().check(gone).unwrap(), Presence::Missing);
    }
    assert!(!f.store.layout.manifest(&tree.digest).exists());
    assert_eq!((f.miss(&old), f.miss(&other)), (MissReason::NoRecord, MissReason::NoRecord));
    // It can be made again.
    assert_eq!(f.adopt_dir(&[("a", "one")]), tree);
    f.put_record(other, &tree);
    assert!(f.hits(&other));
}

#[test]
fn what_was_used_lately_stays_and_goes_first_by_last_use_for_a_size() {
    let f = Fixture::new();
    let keys = [b"1", b"2", b"3"].map(|name| ActionKey::new(Digest::of(name)));
    for (key, content) in keys.iter().zip(["1111", "2222", "3333"]) {
        let artifact = f.adopt_file(content);
        f.put_record(*key, &artifact);
    }
    // The first made was used last.
    let used_at = [(keys[0], NOW - 1), (keys[1], NOW - 3), (keys[2], NOW - 2)].into();
    let keep = Keep { used_at, ..Keep::default() };
    assert_eq!(collect(&f, &keep, None).records.count, 0);
    assert_eq!(collect(&f, &keep, Some(8)).records.count, 1);
    assert_eq!(keys.map(|key| f.hits(&key)), [true, false, true]);
    assert_eq!(collect(&f, &keep, Some(4)).kept.bytes, 4);
    assert_eq!(keys.map(|key| f.hits(&key)), [true, false, false]);
}

#[test]
fn a_user_keeps_a_collector_waiting_and_the_other_way_round() {
    let f = Fixture::new();
    let (one, two) = (f.store.hold().unwrap(), f.reopened().hold().unwrap());
    let path = f.store.layout.lock("use");
    let free = |lock: fn(&fs::File) -> bool| lock(&fs::File::options().write(true).open(&path).unwrap());
    assert!(!free(|file| file.try_lock().is_ok()), "held by two");
    drop((one, two));
    let alone = f.store.hold_alone(|| panic!("nobody uses it")).unwrap();
    assert!(!free(|file| file.try_lock_shared().is_ok()));
    drop(alone);
    assert!(free(|file| file.try_lock_shared().is_ok()));
}
