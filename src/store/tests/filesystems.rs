//! Other filesystems: across two of them, a full one, a read-only one. Where this machine cannot make one, the test says so.

use std::process::Command;

use super::*;

/// A tmpfs of its own, gone at the end.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn new(size: &str) -> Option<Tmpfs> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], directory.path());
        if !mounted {
            skipped("mounting a tmpfs needs root");
        }
        mounted.then(|| Tmpfs(directory))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    Command::new("mount").args(arguments).arg(at).output().is_ok_and(|output| output.status.success())
}

#[test]
fn across_filesystems_artifacts_are_copied() {
    let shared_memory = Path::new("/dev/shm");
    let f = Fixture::new();
    let Ok(other) = tempfile::tempdir_in(shared_memory) else { return skipped("no /dev/shm") };
    if fs::metadata(other.path()).unwrap().dev() == fs::metadata(f.directory.path()).unwrap().dev() {
        return skipped("/dev/shm is not another filesystem");
    }
    let publish =
        |artifact: &Artifact, name: &str| f.store.publish(artifact, &other.path().join(name), &f.displaced()).unwrap();
    let (one, two) = (f.adopt_file("one"), f.adopt_file("two"));
    assert_eq!(publish(&one, "file"), Published::Placed);
    assert_eq!(publish(&one, "file"), Published::Unchanged);
    assert_eq!(publish(&two, "file"), Published::Replaced);
    assert_eq!((read(other.path().join("file")).as_str(), mode(&other.path().join("file"))), ("two", 0o444));
    meddle(&other.path().join("file"), b"TWO");
    let Published::Displaced { to } = publish(&two, "file") else { panic!("not displaced") };
    assert_eq!((read(&to).as_str(), to.starts_with(other.path())), ("TWO", true), "kept beside");

    let (one, two) = (f.adopt_dir(&[("a", "one"), ("sub/b", "x")]), f.adopt_dir(&[("a", "two")]));
    assert_eq!(publish(&one, "tree"), Published::Placed);
    f.store.save_memo().unwrap();
    assert_eq!(publish(&one, "tree"), Published::Unchanged);
    assert_eq!(publish(&two, "tree"), Published::Replaced);
    meddle(&other.path().join("tree/a"), b"TWO");
    let Published::Displaced { to } = publish(&two, "tree") else { panic!("not displaced") };
    assert_eq!(read(to.join("a")), "TWO");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 4, "no temporary names stay");

    // An output that somebody made over there comes in as a copy.
    fs::create_dir(other.path().join("made")).unwrap();
    fs::write(other.path().join("made/a"), "two").unwrap();
    assert_eq!(f.store.adopt(&other.path().join("made"), Form::Dir).unwrap(), two);
    assert!(!other.path().join("made").exists());
}

#[test]
fn an_object_with_all_the_links_it_may_have_is_copied() {
    let f = Fixture::new();
    let artifact = f.adopt_file("content");
    let object = f.store.object(&artifact);
    // ext4 allows 65,000.
    if (0..70_000).all(|n| fs::hard_link(&object, f.private(&n.to_string())).is_ok()) {
        return skipped("this filesystem sets no such limit");
    }
    f.store.materialize(&artifact, &f.private("in"), Placement::Cheapest).unwrap();
    assert_eq!(f.publish(&artifact, "out"), Published::Placed);
    assert_eq!(f.reopened().publish(&artifact, &f.workspace("out"), &f.displaced()).unwrap(), Published::Unchanged);
    for copy in [f.private("in"), f.workspace("out")] {
        assert_eq!((read(&copy).as_str(), mode(&copy)), ("content", 0o444));
        assert_ne!(inode(&copy), inode(&object));
    }
}

#[test]
fn a_copy_finds_the_flipped_bit_that_no_stat_shows() {
    let f = Fixture::new();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return skipped("no /dev/shm") };
    if fs::metadata(other.path()).unwrap().dev() == fs::metadata(f.directory.path()).unwrap().dev() {
        return skipped("/dev/shm is not another filesystem");
    }
    let artifact = f.adopt_file("content");
    let path = f.store.object(&artifact);
    let sealed = stamp::Stamp::following(&path).unwrap();
    meddle(&path, b"cOntent");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    seal::set_mtime(&fs::File::open(&path).unwrap(), sealed.mtime).unwrap();
    // The process that made it would know it by its ctime.
    let store = f.reopened();
    assert_eq!(store.check(&artifact).unwrap(), Presence::Present, "by stat it looks sound");
    let error = store.materialize(&artifact, &other.path().join("in"), Placement::Cheapest).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Damaged), "{error}");
    assert_eq!(error.path, path);
    assert!(!other.path().join("in").exists());
    assert_eq!(f.store.check(&artifact).unwrap(), Presence::Missing, "put aside");
}

#[test]
fn a_full_disk_is_named_and_leaves_the_store_sound() {
    let Some(small) = Tmpfs::new("1m") else { return };
    let f = Fixture::within(small.0.path());
    let kept = f.adopt_file("kept");
    let sources = tempfile::tempdir().unwrap();
    let source = sources.path().join("large");
    fs::write(&source, vec![1; 3 << 20]).unwrap();
    for form in [Form::File, Form::Dir] {
        let path = if form == Form::File { source.as_path() } else { sources.path() };
        let error = f.store.ingest(path, form).unwrap_err();
        assert!(matches!(error.kind, StoreErrorKind::DiskFull), "{error}");
        assert!(error.to_string().contains("the disk is full; free some space"), "{error}");
    }
    fs::write(&source, "small").unwrap();
    assert_eq!(f.store.ingest(&source, Form::File).unwrap().digest, Digest::of(b"small"), "the space came back");
    assert_eq!(f.store.check(&kept).unwrap(), Presence::Present);
}

#[test]
fn a_read_only_store_gives_what_it_has_and_says_so_otherwise() {
    let Some(disk) = Tmpfs::new("4m") else { return };
    let f = Fixture::within(disk.0.path());
    let (workspace, key) = (tempfile::tempdir().unwrap(), ActionKey::new(Digest::of(b"key")));
    let (known, new) = (workspace.path().join("known"), workspace.path().join("new"));
    fs::write(&known, "known").unwrap();
    fs::write(&new, "new").unwrap();
    let ingested = f.store.ingest(&known, Form::File).unwrap();
    let artifact = f.adopt_file("content");
    let tree = f.adopt_dir(&[("a", "one")]);
    f.put_record(key, &artifact);
    let store = f.reopened();
    // Files that are open for writing keep a filesystem from becoming read-only.
    drop(f.store);
    if !mount(&["-o", "remount,ro"], disk.0.path()) {
        return skipped("remounting read-only");
    }
    assert!(matches!(store.record(&key).unwrap(), Lookup::Hit(_)));
    assert_eq!(store.ingest(&known, Form::File).unwrap(), ingested);
    let displaced = workspace.path().join("displaced");
    for (name, artifact) in [("out", &artifact), ("tree", &tree)] {
        let out = workspace.path().join(name);
        assert_eq!(store.publish(artifact, &out, &displaced).unwrap(), Published::Placed);
        assert_eq!(store.publish(artifact, &out, &displaced).unwrap(), Published::Unchanged);
    }
    for error in [
        store.ingest(&new, Form::File).unwrap_err(),
        store.put_record(&record(key, &artifact), Durability::Relaxed).unwrap_err(),
        store.lock_action(&key, "run", &[]).unwrap_err(),
        store.work_dir("stage").unwrap_err(),
    ] {
        assert!(error.is_read_only() && error.to_string().contains("read-only"), "{error}");
    }
}
