//! The contract of every object store, tested on the directory.

use std::sync::Barrier;

use super::*;

fn put(objects: &dyn Objects, name: &str, text: &str, condition: &Condition) -> Put {
    objects.put(name, Source::Text(text), condition, &Meter::default()).unwrap()
}

fn text(objects: &dyn Objects, name: &str) -> Option<String> {
    objects.read(name, &Meter::default()).unwrap().map(|(bytes, _)| String::from_utf8(bytes).unwrap())
}

fn version(objects: &dyn Objects, name: &str) -> Version {
    objects.read(name, &Meter::default()).unwrap().unwrap().1
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.objects.iter().map(|object| object.name.as_str()).collect()
}

#[test]
fn conditions_decide_whether_something_is_written() {
    let root = tempfile::tempdir().unwrap();
    let objects = Directory::new(root.path().join("new"));
    assert_eq!(objects.read("a/b", &Meter::default()).unwrap(), None);
    assert_eq!(put(&objects, "a/b", "one", &Condition::Absent), Put::Made);
    assert_eq!(put(&objects, "a/b", "two", &Condition::Absent), Put::Refused);
    assert_eq!(text(&objects, "a/b").as_deref(), Some("one"));
    let first = version(&objects, "a/b");
    assert_eq!(put(&objects, "a/b", "three", &Condition::Version(first.clone())), Put::Made);
    assert_eq!(put(&objects, "a/b", "four", &Condition::Version(first.clone())), Put::Refused);
    assert_eq!(put(&objects, "gone", "five", &Condition::Version(first)), Put::Refused);
    assert_eq!(put(&objects, "a/b", "six", &Condition::Any), Put::Made);
    assert_eq!(text(&objects, "a/b").as_deref(), Some("six"));
    assert_eq!(
        objects.has(&["a/b".into(), "a/c".into(), "a".into()], &Meter::default()).unwrap(),
        [Some(3), None, None]
    );
    objects.delete(&["a/b".into(), "a/c".into()], &Meter::default()).unwrap();
    assert_eq!(text(&objects, "a/b"), None);
    let unfinished = fs::read_dir(root.path().join("new").join(UNFINISHED)).unwrap();
    assert_eq!(unfinished.count(), 0, "nothing half written stays");
}

#[test]
fn a_name_never_leads_out() {
    let root = tempfile::tempdir().unwrap();
    let objects = Directory::new(root.path().join("store"));
    fs::write(root.path().join("secret"), "x").unwrap();
    for name in ["../secret", "a/../../secret", "/etc/passwd", "", "a//b", "./a", "a/.", ".lock", "a/.hidden", "a/"] {
        assert!(objects.put(name, Source::Text("x"), &Condition::Any, &Meter::default()).is_err(), "{name:?}");
        assert!(objects.read(name, &Meter::default()).is_err(), "{name:?}");
        assert!(objects.get(name, &root.path().join("to"), 9, &Meter::default()).is_err(), "{name:?}");
        assert!(objects.has(&[name.to_owned()], &Meter::default()).is_err(), "{name:?}");
    }
    assert_eq!(fs::read_to_string(root.path().join("secret")).unwrap(), "x");
}

#[test]
fn a_list_is_in_order_and_comes_in_pages() {
    let root = tempfile::tempdir().unwrap();
    let objects = Directory::new(root.path().to_owned());
    for name in ["b/2", "a", "b/1", "b/c/3", "bb"] {
        put(&objects, name, name, &Condition::Any);
    }
    assert_eq!(names(&objects.list("", None, 10, &Meter::default()).unwrap()), ["a", "b/1", "b/2", "b/c/3", "bb"]);
    let page = objects.list("b/", None, 2, &Meter::default()).unwrap();
    assert_eq!((names(&page), page.more), (vec!["b/1", "b/2"], true));
    let page = objects.list("b/", Some("b/2"), 2, &Meter::default()).unwrap();
    assert_eq!((names(&page), page.more), (vec!["b/c/3"], false));
    assert_eq!(names(&objects.list("none/", None, 2, &Meter::default()).unwrap()), Vec::<&str>::new());
    let mut all = Vec::new();
    crate::remote::objects::list_all(&objects, "", &Meter::default(), |object| all.push(object.name)).unwrap();
    assert_eq!(all.len(), 5);
}

#[test]
fn no_more_is_fetched_than_was_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let objects = Directory::new(root.path().join("store"));
    put(&objects, "large", &"x".repeat(1000), &Condition::Any);
    let to = root.path().join("here");
    let got = objects.get("large", &to, 10, &Meter::default()).unwrap();
    assert!(got.is_some_and(|size| size > 10), "{got:?}");
    assert!(fs::metadata(&to).unwrap().len() <= 11);
    assert_eq!(objects.get("none", &root.path().join("other"), 10, &Meter::default()).unwrap(), None);
    let stopped = Meter::default();
    stopped.stop();
    let broken_off = objects.get("large", &root.path().join("third"), 1000, &stopped).unwrap_err();
    assert_eq!(broken_off.class, FailedClass::Interrupted);
}

#[test]
fn of_several_who_write_at_once_one_wins() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("store");
    put(&Directory::new(store.clone()), "lease", "0", &Condition::Any);
    for round in 0..25 {
        let former = version(&Directory::new(store.clone()), "lease");
        let barrier = Barrier::new(8);
        let won: Vec<(bool, bool)> = std::thread::scope(|scope| {
            let (store, former, barrier) = (&store, &former, &barrier);
            let race = move |writer: usize| {
                // Each as a program of its own.
                let objects = Directory::new(store.clone());
                barrier.wait();
                let words = format!("{round} {writer}");
                let new = put(&objects, &format!("new/{round}"), &words, &Condition::Absent) == Put::Made;
                (new, put(&objects, "lease", &words, &Condition::Version(former.clone())) == Put::Made)
            };
            let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || race(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|(new, _)| *new).count(), 1, "round {round}");
        assert_eq!(won.iter().filter(|(_, replaced)| *replaced).count(), 1, "round {round}");
    }
}

#[test]
fn a_store_that_was_moved_away_lacks_nothing_and_takes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("store");
    let directory = Directory::new(root.clone());
    let meter = Meter::default();
    directory.put(names::MARKER, Source::Text("{}"), &Condition::Absent, &meter).unwrap();
    assert!(directory.read(names::MARKER, &meter).unwrap().is_some());
    assert!(directory.read("a", &meter).unwrap().is_none());
    std::fs::rename(&root, place.path().join("away")).unwrap();
    let gone = [
        directory.read("a", &meter).map(drop).unwrap_err(),
        directory.has(&["a".to_owned()], &meter).map(drop).unwrap_err(),
        directory.list("", None, 10, &meter).map(drop).unwrap_err(),
        directory.put("a", Source::Text("x"), &Condition::Any, &meter).map(drop).unwrap_err(),
    ];
    assert!(gone.iter().all(|error| error.class == FailedClass::Unavailable), "{gone:?}");
    assert!(!root.exists());
    std::fs::rename(place.path().join("away"), &root).unwrap();
    assert!(directory.read("a", &meter).unwrap().is_none());
}
