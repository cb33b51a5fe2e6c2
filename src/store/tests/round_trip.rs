//! Artifacts that go in come out unchanged.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// A directory as an independent description: path to content, or `None` for a directory.
type Described = BTreeMap<String, Option<(Vec<u8>, bool)>>;

fn described() -> impl Strategy<Value = Described> {
    let name = "[a-c.é-]{1,3}".prop_filter("not a name", |name| !matches!(name.as_str(), "." | ".."));
    let path = proptest::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let content = proptest::collection::vec(any::<u8>(), 0..50);
    let node = prop_oneof![3 => (content, any::<bool>()).prop_map(Some), 1 => Just(None)];
    proptest::collection::btree_map(path, node, 0..12).prop_map(|wanted| {
        let mut tree = Described::new();
        for (path, node) in wanted {
            let parents: Vec<_> = path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect();
            if parents.iter().all(|parent| tree.get(parent).is_none_or(Option::is_none)) {
                for parent in parents {
                    tree.insert(parent, None);
                }
                tree.entry(path).or_insert(node);
            }
        }
        tree
    })
}

fn write(tree: &Described, root: &Path) {
    fs::create_dir(root).unwrap();
    for (path, node) in tree {
        let path = root.join(path);
        match node {
            None => fs::create_dir_all(path).unwrap(),
            Some((content, executable)) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(if *executable { 0o755 } else { 0o600 }))
                    .unwrap();
            }
        }
    }
}

fn describe(root: &Path, prefix: &str, into: &mut Described) {
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            describe(&entry.path(), &format!("{name}/"), into);
            into.insert(name, None);
        } else {
            into.insert(name, Some((fs::read(entry.path()).unwrap(), mode(&entry.path()) & 0o100 != 0)));
        }
    }
}

/// The digest as docs/store.md defines it, written a second time.
fn digest_by_the_book(tree: &Described) -> Digest {
    let mut manifest = b"pipe tree 1\n".to_vec();
    for (path, node) in tree {
        let line = match node {
            None => format!("d {path}\0"),
            Some((content, executable)) => {
                let tag = if *executable { 'x' } else { 'f' };
                format!("{tag} {} {} {path}\0", blake3::hash(content).to_hex(), content.len())
            }
        };
        manifest.extend(line.as_bytes());
    }
    let mut hasher = blake3::Hasher::new_derive_key("pipe tree");
    hasher.update(b"b").update(&(manifest.len() as u64).to_le_bytes()).update(&manifest);
    hasher.finalize().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_directory_keeps_its_content_and_digest_on_every_way(tree in described()) {
        let f = Fixture::new();
        let (source, private) = (f.workspace("source"), f.private("private"));
        write(&tree, &source);
        write(&tree, &private);
        let adopted = f.store.adopt(&private, Form::Dir).unwrap();
        prop_assert!(!private.exists());
        prop_assert_eq!(adopted.digest, digest_by_the_book(&tree));
        prop_assert_eq!(f.store.check(&adopted).unwrap(), Presence::Present);
        prop_assert_eq!(&f.store.ingest(&source, Form::Dir).unwrap(), &adopted);

        let copy = f.private("deep/copy");
        f.store.materialize(&adopted, &copy, Placement::Cheapest).unwrap();
        let mut found = Described::new();
        describe(&copy, "", &mut found);
        prop_assert_eq!(&found, &tree);
        prop_assert_eq!(&f.store.adopt(&copy, Form::Dir).unwrap(), &adopted);

        prop_assert_eq!(f.publish(&adopted, "out/tree"), Published::Placed);
        prop_assert_eq!(f.publish(&adopted, "out/tree"), Published::Unchanged);
        let mut found = Described::new();
        describe(&f.workspace("out/tree"), "", &mut found);
        prop_assert_eq!(&found, &tree);
        // Its own directory is the user's, untouched: writable, and of its own modes.
        let mut found = Described::new();
        describe(&source, "", &mut found);
        prop_assert_eq!(&found, &tree);
    }

    #[test]
    fn a_file_keeps_its_content_and_bit_on_every_way(content: Vec<u8>, executable: bool) {
        let f = Fixture::new();
        let (source, private) = (f.workspace("source"), f.private("private"));
        for path in [&source, &private] {
            fs::write(path, &content).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(if executable { 0o750 } else { 0o640 })).unwrap();
        }
        let ingested = f.store.ingest(&source, Form::File).unwrap();
        prop_assert_eq!(ingested.digest, Digest::of(&content));
        prop_assert_eq!(ingested.shape, Shape::File { executable });
        prop_assert_eq!(mode(&source), if executable { 0o750 } else { 0o640 });
        prop_assert_eq!(&f.store.adopt(&private, Form::File).unwrap(), &ingested);
        f.publish(&ingested, "out/file");
        prop_assert_eq!(fs::read(f.workspace("out/file")).unwrap(), content);
        prop_assert_eq!(mode(&f.workspace("out/file")), if executable { 0o555 } else { 0o444 });
    }
}

#[test]
fn one_content_with_and_without_the_executable_bit_is_two_objects() {
    let f = Fixture::new();
    let plain = f.adopt_file("#!/bin/sh\n");
    let path = f.private("script");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let script = f.store.adopt(&path, Form::File).unwrap();
    assert_eq!(plain.digest, script.digest);
    f.publish(&plain, "plain");
    f.publish(&script, "script");
    assert_eq!((mode(&f.workspace("plain")), mode(&f.workspace("script"))), (0o444, 0o555));
    // Asking for the other one where the first stands is a change.
    assert_eq!(f.publish(&script, "plain"), Published::Replaced);
    assert_eq!(mode(&f.workspace("plain")), 0o555);
}

#[test]
fn inner_links_are_kept_as_links_and_outer_ones_refused() {
    let f = Fixture::new();
    let path = f.private("tree");
    fs::create_dir_all(path.join("sub")).unwrap();
    fs::write(path.join("file"), "x").unwrap();
    symlink("../file", path.join("sub/link")).unwrap();
    let tree = f.store.adopt(&path, Form::Dir).unwrap();
    f.publish(&tree, "tree");
    assert_eq!(fs::read_link(f.workspace("tree/sub/link")).unwrap(), Path::new("../file"));
    assert_eq!(read(f.workspace("tree/sub/link")), "x");
    assert_eq!(f.publish(&tree, "tree"), Published::Unchanged);
    assert_eq!(f.store.ingest(&f.workspace("tree"), Form::Dir).unwrap(), tree);

    fs::create_dir(&path).unwrap();
    symlink("/etc/passwd", path.join("link")).unwrap();
    let error = f.store.adopt(&path, Form::Dir).unwrap_err();
    assert!(matches!(&error.kind, StoreErrorKind::EscapingLink { target } if target == Path::new("/etc/passwd")));
    assert_eq!(error.path, path.join("link"));
    assert!(path.join("link").is_symlink(), "what was refused is still there to look at");
}

#[test]
fn sockets_and_wrong_forms_are_refused() {
    let f = Fixture::new();
    let path = f.private("tree");
    fs::create_dir(&path).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
    let error = f.store.adopt(&path, Form::Dir).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::SpecialFile { found: "a socket" }), "{error}");
    let error = f.store.adopt(&path, Form::File).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::NotFile { found: "a directory" }), "{error}");
    let error = f.store.adopt(&f.private("nothing"), Form::File).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::NotFound), "{error}");
    symlink("tree", f.private("link")).unwrap();
    let error = f.store.adopt(&f.private("link"), Form::Dir).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::NotDirectory { found: "a symbolic link" }), "{error}");
}

#[test]
fn a_directory_that_contains_the_store_is_refused() {
    let f = Fixture::new();
    f.adopt_file("something");
    let error = f.store.ingest(f.directory.path(), Form::Dir).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::ContainsStore { .. }), "{error}");
}

#[test]
fn a_foreign_file_that_a_program_linked_into_its_output_stays_as_it_is() {
    let f = Fixture::new();
    let theirs = f.workspace("theirs");
    fs::write(&theirs, "precious").unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(&theirs, f.private("output")).unwrap();
    let artifact = f.store.adopt(&f.private("output"), Form::File).unwrap();
    assert_eq!(mode(&theirs), 0o640);
    fs::write(&theirs, "changed").unwrap();
    assert_eq!(f.reopened().check(&artifact).unwrap(), Presence::Present);
    f.publish(&artifact, "out");
    assert_eq!(read(f.workspace("out")), "precious");
}

#[test]
fn a_file_that_the_memo_knows_is_not_read() {
    let f = Fixture::new();
    let (source, other) = (f.workspace("source"), f.adopt_file("other content"));
    fs::write(&source, "some content!").unwrap();
    let stamp = stamp::Stamp::following(&source).unwrap();
    // A lie that only a reader would find out.
    f.store.memo().learn_source(&stamp, other.digest, i64::MAX);
    assert_eq!(f.store.ingest(&source, Form::File).unwrap(), other);
    f.store.save_memo().unwrap();
    assert_eq!(f.reopened().ingest(&source, Form::File).unwrap(), other);
    fs::write(&source, "some content?").unwrap();
    assert_eq!(f.reopened().ingest(&source, Form::File).unwrap().digest, Digest::of(b"some content?"));
}

#[test]
fn threads_that_adopt_the_same_content_agree() {
    let f = Fixture::new();
    for round in 0..20 {
        let make = |thread: usize| {
            let (file, tree) = (f.private(&format!("file{thread}")), f.private(&format!("tree{thread}")));
            fs::write(&file, format!("content {round}")).unwrap();
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("a"), format!("in a tree {round}")).unwrap();
            (file, tree)
        };
        let made: Vec<_> = (0..4).map(make).collect();
        let adopted: Vec<_> = std::thread::scope(|scope| {
            let adopt = |(file, tree): &(PathBuf, PathBuf)| {
                (f.store.adopt(file, Form::File).unwrap(), f.reopened().adopt(tree, Form::Dir).unwrap())
            };
            let threads: Vec<_> = made.iter().map(|made| scope.spawn(move || adopt(made))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(adopted.iter().all(|pair| *pair == adopted[0]));
        assert_eq!(f.store.check(&adopted[0].0).unwrap(), Presence::Present);
        assert_eq!(f.store.check(&adopted[0].1).unwrap(), Presence::Present);
    }
    assert!(!f.store.root().join("quarantine").exists());
}

#[test]
fn only_one_holds_an_action_and_nothing_is_left_of_the_lock() {
    let f = Fixture::new();
    let key = ActionKey::new(Digest::of(b"key"));
    let held = f.store.lock_action(&key, "run", &[]).unwrap();
    assert!(f.store.try_lock_action(&key).unwrap().is_none());
    assert!(f.reopened().try_lock_action(&key).unwrap().is_none());
    assert!(f.store.try_lock_action(&ActionKey::new(Digest::of(b"other"))).unwrap().is_some());
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| f.store.lock_action(&key, "run", &[]).unwrap());
        drop(held);
        waiting.join().unwrap()
    });
    assert!(f.store.try_lock_action(&key).unwrap().is_none());
    drop(waiting);
    assert_eq!(fs::read_dir(f.store.root().join("locks")).unwrap().count(), 0);
}
