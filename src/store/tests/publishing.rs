//! The workspace belongs to the user: outputs appear, and nothing of theirs is lost.

use super::*;

#[test]
fn an_output_is_a_link_to_the_store_and_a_second_time_nothing() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    assert_eq!(f.publish(&artifact, "out/deep/file"), Published::Placed);
    assert_eq!(f.publish(&artifact, "out/deep/file"), Published::Unchanged);
    f.store.save_memo().unwrap();
    assert_eq!(
        f.reopened().publish(&artifact, &f.workspace("out/deep/file"), &f.displaced()).unwrap(),
        Published::Unchanged
    );
    fs::remove_dir_all(f.workspace("out")).unwrap();
    assert_eq!(f.publish(&artifact, "out/deep/file"), Published::Placed);
    assert_eq!(read(f.workspace("out/deep/file")), "content");
    assert!(!f.displaced().exists());
}

#[test]
fn a_new_version_takes_the_place_of_ours_even_when_the_memo_was_lost() {
    for memo_kept in [true, false] {
        let f = Fixture::new();
        let (old, new) = (f.adopt_file("old"), f.adopt_file("new"));
        f.publish(&old, "out");
        if memo_kept {
            f.store.save_memo().unwrap();
        }
        let published = f.reopened().publish(&new, &f.workspace("out"), &f.displaced()).unwrap();
        assert_eq!(published, Published::Replaced);
        assert_eq!(read(f.workspace("out")), "new");
        assert_eq!(f.store.check(&old).unwrap(), Presence::Present);
        assert!(!f.displaced().exists());
    }
}

/// Something of the user's at `out` is moved aside, where `theirs` reads it.
fn check_displaced(artifact: &Artifact, f: &Fixture, theirs: impl Fn(&Path)) {
    let Published::Displaced { to } = f.publish(artifact, "out") else { panic!("not displaced") };
    assert!(to.starts_with(f.displaced()));
    theirs(&to);
    assert_eq!(f.publish(artifact, "out"), Published::Unchanged);
}

#[test]
fn a_file_of_the_users_is_moved_and_named() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    // Of another size and of the same.
    for theirs in ["theirs, longer", "CONTENT"] {
        let _ = fs::remove_file(f.workspace("out"));
        fs::write(f.workspace("out"), theirs).unwrap();
        check_displaced(&artifact, &f, |to| assert_eq!(read(to), theirs));
        assert_eq!(read(f.workspace("out")), "content");
    }
    assert_eq!(read(f.displaced().join("out")), "theirs, longer");
    assert_eq!(read(f.displaced().join("out.1")), "CONTENT");
}

#[test]
fn an_edited_output_is_moved_and_named() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    f.publish(&artifact, "out");
    // As an editor does it: a new file under the name.
    fs::remove_file(f.workspace("out")).unwrap();
    fs::write(f.workspace("out"), "edited!").unwrap();
    check_displaced(&artifact, &f, |to| assert_eq!(read(to), "edited!"));
    // In place, through the link: that damages the store, which notices.
    meddle(&f.workspace("out"), b"EDITED!");
    assert!(matches!(f.store.check(&artifact).unwrap(), Presence::Damaged { .. }));
    assert_eq!(f.adopt_file("content"), artifact);
    check_displaced(&artifact, &f, |to| assert_eq!(read(to), "EDITED!"));
    assert_eq!(read(f.workspace("out")), "content");
}

#[test]
fn the_users_own_file_with_the_very_content_stays() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    fs::write(f.workspace("out"), "content").unwrap();
    let before = inode(&f.workspace("out"));
    assert_eq!(f.publish(&artifact, "out"), Published::Unchanged);
    assert_eq!(inode(&f.workspace("out")), before);
    // It stays theirs: another version does not destroy it.
    let Published::Displaced { to } = f.publish(&f.adopt_file("newer"), "out") else { panic!("not displaced") };
    assert_eq!(read(to), "content");
}

#[test]
fn links_and_directories_in_the_way_are_moved_whole() {
    let f = Fixture::new();
    let (file, tree) = (f.adopt_file("content"), f.adopt_dir(&[("a", "one")]));
    std::os::unix::fs::symlink("elsewhere", f.workspace("out")).unwrap();
    check_displaced(&file, &f, |to| assert_eq!(fs::read_link(to).unwrap(), Path::new("elsewhere")));
    check_displaced(&tree, &f, |to| assert_eq!(read(to), "content"));
    fs::remove_dir_all(f.workspace("out")).unwrap();
    fs::create_dir(f.workspace("out")).unwrap();
    fs::write(f.workspace("out/theirs"), "precious").unwrap();
    check_displaced(&file, &f, |to| assert_eq!(read(to.join("theirs")), "precious"));
}

#[test]
fn a_file_where_a_directory_must_be_is_an_error_that_names_it() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    fs::write(f.workspace("out"), "theirs").unwrap();
    let error = f.store.publish(&artifact, &f.workspace("out/file"), &f.displaced()).unwrap_err();
    assert!(error.to_string().contains("expected a directory, found a file"), "{error}");
    assert_eq!(read(f.workspace("out")), "theirs");
}

#[test]
fn a_new_tree_takes_the_place_of_an_untouched_one() {
    let f = Fixture::new();
    let (old, new) = (f.adopt_dir(&[("a", "one"), ("b", "two")]), f.adopt_dir(&[("a", "one"), ("c", "three")]));
    assert_eq!(f.publish(&old, "tree"), Published::Placed);
    f.store.save_memo().unwrap();
    let published = f.reopened().publish(&new, &f.workspace("tree"), &f.displaced()).unwrap();
    assert_eq!(published, Published::Replaced);
    assert!(!f.workspace("tree/b").exists() && read(f.workspace("tree/c")) == "three");
    assert_eq!(f.store.check(&old).unwrap(), Presence::Present);
    assert_eq!(f.reopened().publish(&new, &f.workspace("tree"), &f.displaced()).unwrap(), Published::Unchanged);
}

/// A published tree changed by `change` is noticed, both when it is published again and when another is.
fn check_noticed(change: impl Fn(&Path), kept: &str, content: &str) {
    for newer in [false, true] {
        let f = Fixture::new();
        let files = [("a", "one"), ("sub/b", "two"), ("sub/c", "three")];
        let tree = f.adopt_dir(&files);
        f.publish(&tree, "tree");
        change(&f.workspace("tree"));
        // A file that was edited in place is damaged in the store too; then the stage makes it anew.
        if f.store.check(&tree).unwrap() != Presence::Present {
            f.adopt_dir(&files);
        }
        let next = if newer { f.adopt_dir(&[("d", "four")]) } else { tree };
        let Published::Displaced { to } = f.publish(&next, "tree") else { panic!("not noticed") };
        assert_eq!(read(to.join(kept)), content);
        assert_eq!(f.publish(&next, "tree"), Published::Unchanged);
    }
}

#[test]
fn whatever_the_user_does_in_a_published_tree_is_noticed_and_kept() {
    check_noticed(|tree| fs::write(tree.join("sub/mine"), "added").unwrap(), "sub/mine", "added");
    check_noticed(|tree| meddle(&tree.join("sub/b"), b"TWO"), "sub/b", "TWO");
    check_noticed(|tree| fs::remove_file(tree.join("a")).unwrap(), "sub/b", "two");
    check_noticed(|tree| fs::rename(tree.join("sub/b"), tree.join("sub/e")).unwrap(), "sub/e", "two");
    let replace = |tree: &Path| {
        fs::remove_file(tree.join("sub/b")).unwrap();
        fs::write(tree.join("sub/b"), "NEW").unwrap();
    };
    check_noticed(replace, "sub/b", "NEW");
    check_noticed(|tree| fs::create_dir(tree.join("empty")).unwrap(), "a", "one");
}
