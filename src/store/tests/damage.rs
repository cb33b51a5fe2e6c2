//! Damaged objects are found at use, put aside, named, and made anew.

use super::*;

const KEY: ActionKey = ActionKey::new(Digest::from_bytes([7; 32]));

/// A record whose output is damaged by `damage`, given the blob's path, misses; after that the output is made again.
fn check_damaged(damage: impl Fn(&Path)) -> MissReason {
    let f = Fixture::new();
    let artifact = f.adopt_file("the right content");
    f.put_record(KEY, &artifact);
    assert!(f.hits(&KEY));
    damage(&f.store.object(&artifact));
    let reason = f.miss(&KEY);
    assert_eq!(f.adopt_file("the right content"), artifact);
    assert!(f.hits(&KEY), "made anew");
    f.publish(&artifact, "out");
    assert_eq!(read(f.workspace("out")), "the right content");
    reason
}

#[test]
fn a_blob_written_through_is_found_and_put_aside() {
    let reason = check_damaged(|path| meddle(path, b"the wrong content"));
    let MissReason::DamagedOutput { port, path, quarantined, .. } = &reason else { panic!("{reason:?}") };
    assert!(reason.is_damage() && port == "out" && path.to_string_lossy().contains("blobs/"));
    assert!(quarantined.as_ref().unwrap().to_string_lossy().contains("quarantine/"));
    assert!(reason.to_string().contains("changed behind the store's back"), "{reason}");
}

#[test]
fn a_truncated_blob_is_found() {
    let reason = check_damaged(|path| meddle(path, b"the"));
    assert!(matches!(reason, MissReason::DamagedOutput { .. }), "{reason:?}");
}

#[test]
fn a_removed_blob_is_a_miss_that_names_it() {
    let reason = check_damaged(|path| fs::remove_file(path).unwrap());
    let MissReason::MissingOutputs { outputs } = &reason else { panic!("{reason:?}") };
    let named: Vec<_> = outputs.iter().map(|(port, artifact)| (port.as_str(), artifact.digest)).collect();
    assert_eq!(named, [("out", Digest::of(b"the right content"))]);
}

#[test]
fn a_blob_that_became_a_directory_is_found() {
    let reason = check_damaged(|path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
    assert!(matches!(reason, MissReason::DamagedOutput { .. }), "{reason:?}");
}

#[test]
fn a_touched_blob_is_read_once_and_believed_again() {
    let f = Fixture::new();
    let artifact = f.adopt_file("the right content");
    let path = f.store.object(&artifact);
    meddle(&path, b"the right content");
    assert_eq!(f.store.check(&artifact).unwrap(), Presence::Present);
    let stamp = stamp::Stamp::following(&path).unwrap();
    assert!(seal::holds(&stamp, &artifact.digest), "sealed again");
    assert_eq!(mode(&path), 0o444);
}

#[test]
fn a_damaged_record_is_put_aside() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    let path = f.store.layout.record(&KEY);
    for damage in [
        |text: &str| text.replacen(char::is_numeric, "x", 1),
        |text: &str| text.replacen("\"size\":7", "\"size\":8", 1),
        |text: &str| text[..text.len() / 2].to_owned(),
        |_: &str| String::new(),
    ] {
        f.put_record(KEY, &artifact);
        let text = read(&path);
        fs::write(&path, damage(&text)).unwrap();
        let reason = f.miss(&KEY);
        assert!(matches!(&reason, MissReason::DamagedRecord { quarantined: Some(_), .. }), "{reason:?}");
        assert_eq!(f.miss(&KEY), MissReason::NoRecord);
        assert_eq!(f.store.check(&artifact).unwrap(), Presence::Present, "the blob is not to blame");
    }
    // A record under another's name is as wrong as an unreadable one.
    let other = ActionKey::new(Digest::of(b"other"));
    f.put_record(other, &artifact);
    fs::copy(f.store.layout.record(&other), &path).unwrap();
    assert!(matches!(f.miss(&KEY), MissReason::DamagedRecord { .. }));
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    for durability in [Durability::Relaxed, Durability::Synced] {
        f.store.put_record(&record(KEY, &artifact), durability).unwrap();
        let Lookup::Hit(found) = f.reopened().record(&KEY).unwrap() else { panic!("a miss") };
        assert_eq!(*found, record(KEY, &artifact));
    }
    let mut bad = record(KEY, &artifact);
    bad.metrics.insert("loss".to_owned(), f64::NAN);
    let error = f.store.put_record(&bad, Durability::Relaxed).unwrap_err();
    assert!(error.to_string().contains("the metric loss is NaN"), "{error}");
}

#[test]
fn a_record_of_another_format_is_a_quiet_miss() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    let mut other = record(KEY, &artifact);
    other.format = RECORD_FORMAT + 1;
    f.store.put_record(&other, Durability::Relaxed).unwrap();
    assert_eq!(f.miss(&KEY), MissReason::OtherFormat);
    assert!(!f.store.root().join("quarantine").exists());
}

/// A tree damaged by `damage`, given its directory in the store, is found; the file that gave it away is named.
fn check_damaged_tree(named: &str, damage: impl Fn(&Path)) {
    let f = Fixture::new();
    let files = [("a", "one"), ("sub/b", "two"), ("sub/c", "three")];
    let artifact = f.adopt_dir(&files);
    f.put_record(KEY, &artifact);
    assert!(f.hits(&KEY));
    let path = f.store.object(&artifact);
    damage(&path);
    let reason = f.miss(&KEY);
    let MissReason::DamagedOutput { path: found, .. } = &reason else { panic!("{reason:?}") };
    assert_eq!(*found, path.join(named));
    assert_eq!(f.adopt_dir(&files), artifact);
    assert!(f.hits(&KEY), "made anew");
    f.publish(&artifact, "tree");
    assert_eq!(read(f.workspace("tree/sub/b")), "two");
}

#[test]
fn a_tree_with_a_changed_lost_or_replaced_file_is_found() {
    check_damaged_tree("sub/b", |tree| meddle(&tree.join("sub/b"), b"TWO"));
    check_damaged_tree("sub/b", |tree| fs::remove_file(tree.join("sub/b")).unwrap());
    check_damaged_tree("a", |tree| {
        fs::remove_file(tree.join("a")).unwrap();
        fs::create_dir(tree.join("a")).unwrap();
    });
}

#[test]
fn a_damaged_manifest_and_a_lost_tree_are_made_anew() {
    let f = Fixture::new();
    let artifact = f.adopt_dir(&[("a", "one")]);
    let manifest = f.store.layout.manifest(&artifact.digest);
    meddle(&manifest, b"pipe tree 1\n");
    assert!(matches!(f.reopened().check(&artifact).unwrap(), Presence::Damaged { path, .. } if path == manifest));
    assert_eq!(f.adopt_dir(&[("a", "one")]), artifact);
    assert_eq!(f.reopened().check(&artifact).unwrap(), Presence::Present);
    fs::remove_dir_all(f.store.object(&artifact)).unwrap();
    assert_eq!(f.reopened().check(&artifact).unwrap(), Presence::Missing);
    assert_eq!(f.adopt_dir(&[("a", "one")]), artifact);
    assert_eq!(f.reopened().check(&artifact).unwrap(), Presence::Present);
    // A kill between the two leaves one without the other; so does a careless hand.
    fs::remove_file(&manifest).unwrap();
    assert_eq!(f.reopened().check(&artifact).unwrap(), Presence::Missing);
    fs::remove_dir_all(f.store.object(&artifact)).unwrap();
    fs::write(f.store.object(&artifact), "a file").unwrap();
    assert_eq!(f.adopt_dir(&[("a", "one")]), artifact);
    assert_eq!(f.reopened().check(&artifact).unwrap(), Presence::Present);
}

#[test]
fn an_artifact_that_is_gone_cannot_be_placed() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    fs::remove_file(f.store.object(&artifact)).unwrap();
    let error = f.store.materialize(&artifact, &f.private("in"), Placement::Cheapest).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Missing), "{error}");
    let error = f.store.publish(&artifact, &f.workspace("out"), &f.displaced()).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Missing | StoreErrorKind::NotFound), "{error}");
}
