//! What holds for every backend program that offers objects.

use std::path::Path;

use contract::backend::{Condition, FailedClass, Operation, PutObject, TEXT_LIMIT};

use crate::program::{Place, Program};

/// Runs the whole suite; each part has names of its own.
pub(crate) fn all(place: &Place) {
    let program = Program::start(place).unwrap();
    bytes_come_back(&program);
    conditions_hold(&program);
    sizes_come_in_the_order_asked(&program);
    lists_have_pages(&program);
    removed_objects_are_gone(&program);
    odd_names_are_names(&program);
    wrong_requests_are_refused(&program);
    many_requests_run_at_once(&program);
    let rival = Program::start(place).unwrap();
    one_of_many_writers_succeeds(&program, &rival);
    assert!(rival.close().success());
    assert!(program.close().success());
}

/// Bytes that do not repeat, told by their seed.
pub(crate) fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut word).flatten().take(size).collect()
}

/// A put of such bytes.
pub(crate) fn put_of(name: &str, file: &Path, bytes: &[u8], condition: Condition) -> PutObject {
    std::fs::write(file, bytes).unwrap();
    PutObject::file(name, file.into(), bytes.len() as u64, condition)
}

fn bytes_come_back(program: &Program) {
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source"), directory.path().join("target"));
    for (index, size) in [0, 1, 70_000, 3 << 20, (16 << 20) + 1, 41 << 20].into_iter().enumerate() {
        let (name, bytes) = (format!("bytes/{size}"), bytes(size, index as u64));
        let put = program.put(put_of(&name, &source, &bytes, Condition::Absent)).unwrap();
        assert!(put.made, "{name}");
        let found = program.get(&name, Some(&target)).unwrap();
        assert_eq!((found.size, found.version), (Some(size as u64), put.version), "{name}");
        assert!(std::fs::read(&target).unwrap() == bytes, "{name}");
        std::fs::remove_file(&target).unwrap();
        // Anew, and under no condition.
        let again = program.put(put_of(&name, &source, b"other", Condition::Any)).unwrap();
        assert!(again.made);
        assert_eq!(program.get_text(&name).unwrap(), "other");
    }
    let absent = program.get("bytes/none", Some(&target)).unwrap();
    assert_eq!((absent.size, absent.version), (None, None));
    assert!(!target.exists());
    program.put_text("bytes/text", "a \"text\"\nof ünïcode");
    assert_eq!(program.get_text("bytes/text").unwrap(), "a \"text\"\nof ünïcode");
    assert_eq!(program.get_text("bytes/none"), None);
}

fn conditions_hold(program: &Program) {
    let put = |text: &str, condition| program.put(PutObject::text("conditions/a", text, condition)).unwrap();
    let missing = put("0", Condition::Version("0123".into()));
    assert!(!missing.made, "a version of nothing");
    let first = put("1", Condition::Absent);
    assert!(first.made);
    assert!(!put("2", Condition::Absent).made);
    assert_eq!(program.get_text("conditions/a").unwrap(), "1");
    let first = first.version.unwrap();
    let second = put("3", Condition::Version(first.clone()));
    assert!(second.made);
    assert!(!put("4", Condition::Version(first)).made);
    assert_eq!(program.get_text("conditions/a").unwrap(), "3");
    let listed = program.list("conditions/", None, 10);
    assert_eq!(listed.objects[0].version, second.version.unwrap());
    program.delete(&["conditions/a".into()]);
    assert!(put("5", Condition::Absent).made);

    // The same for files that go in parts.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large");
    let large =
        |seed, condition| program.put(put_of("conditions/b", &file, &bytes(17 << 20, seed), condition)).unwrap();
    let first = large(1, Condition::Absent);
    assert!(first.made);
    assert!(!large(2, Condition::Absent).made);
    let first = first.version.unwrap();
    assert!(large(3, Condition::Version(first.clone())).made);
    assert!(!large(4, Condition::Version(first)).made);
    program.get("conditions/b", Some(&directory.path().join("copy"))).unwrap();
    assert!(std::fs::read(directory.path().join("copy")).unwrap() == bytes(17 << 20, 3));
}

fn sizes_come_in_the_order_asked(program: &Program) {
    let mut names = Vec::new();
    let mut sizes = Vec::new();
    // One directory with many objects, one with few, one with none.
    for (directory, objects) in [("has/many", 40), ("has/few", 3), ("has/none", 0)] {
        for index in 0..50 {
            names.push(format!("{directory}/{index:02}"));
            let there = index % 5 != 0 && index < objects * 5 / 4;
            if there {
                program.put_text(names.last().unwrap(), &"x".repeat(index));
            }
            sizes.push(there.then_some(index as u64));
        }
    }
    assert_eq!(program.has(&names).unwrap(), sizes);
    names.reverse();
    sizes.reverse();
    names.push(names[0].clone());
    sizes.push(sizes[0]);
    assert_eq!(program.has(&names).unwrap(), sizes);
    assert_eq!(program.has(&[]).unwrap(), []);
    assert_eq!(program.has(&["has".into(), "has/many/0".into()]).unwrap(), [None, None]);
}

fn lists_have_pages(program: &Program) {
    let names: Vec<String> = ["a", "b/c", "b/d", "b0", "c"].iter().map(|name| format!("list/{name}")).collect();
    for name in names.iter().rev() {
        program.put_text(name, name);
    }
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = program.list("list/", seen.last().map(String::as_str), 2);
        assert!(page.objects.len() <= 2);
        seen.extend(page.objects.iter().map(|object| object.name.clone()));
        assert!(page.objects.iter().all(|object| object.size == object.name.len() as u64));
        assert!(page.objects.iter().all(|object| object.modified > 1_600_000_000));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, names);
    let below: Vec<_> = program.list("list/b/", None, 1000).objects.into_iter().map(|object| object.name).collect();
    assert_eq!(below, ["list/b/c", "list/b/d"]);
    assert!(program.list("list/none/", None, 1000).objects.is_empty());
}

fn removed_objects_are_gone(program: &Program) {
    let names: Vec<String> = ["a", "b", "c"].iter().map(|name| format!("removed/{name}")).collect();
    for name in &names[..2] {
        program.put_text(name, "x");
    }
    program.delete(&names[1..]);
    assert_eq!(program.has(&names).unwrap(), [Some(1), None, None]);
    program.delete(&[]);
}

fn odd_names_are_names(program: &Program) {
    for name in ["odd/a b+c", "odd/100%20", "odd/ünï", "odd/..a", "odd/&<\"'>", "odd/a=b?c#d"] {
        program.put_text(name, name);
        assert_eq!(program.get_text(name).as_deref(), Some(name));
        assert_eq!(program.has(&[name.into()]).unwrap(), [Some(name.len() as u64)], "{name}");
    }
    assert_eq!(program.list("odd/", None, 100).objects.len(), 6);
}

fn wrong_requests_are_refused(program: &Program) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "12345").unwrap();
    let class = |put| program.put(put).unwrap_err().class;
    assert_eq!(class(PutObject::file("wrong/a", file.clone(), 4, Condition::Any)), FailedClass::Invalid);
    let none = directory.path().join("none");
    assert_eq!(class(PutObject::file("wrong/a", none, 4, Condition::Any)), FailedClass::Missing);
    assert_eq!(program.has(&["wrong/a".into()]).unwrap(), [None]);
    // A file that is there already is not written over.
    program.put_text("wrong/b", "b");
    assert_eq!(program.get("wrong/b", Some(&file)).unwrap_err().class, FailedClass::Invalid);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "12345");
    let long = "x".repeat(TEXT_LIMIT as usize + 1);
    let put = program.put(put_of("wrong/long", &directory.path().join("long"), long.as_bytes(), Condition::Any));
    assert!(put.unwrap().made);
    assert_eq!(program.get("wrong/long", None).unwrap_err().class, FailedClass::Invalid);
    // An unknown request and a line that is none leave the program running.
    program.line(r#"{"id":1000000,"do":{"fly":{}}}"#);
    let refused = program.wait(1_000_000).unwrap_err().class;
    assert!(matches!(refused, FailedClass::Invalid | FailedClass::Unsupported), "{refused:?}");
    program.line("no JSON");
    assert_eq!(program.loose_failure().class, FailedClass::Invalid);
    program.cancel(123_456);
    assert_eq!(program.get_text("wrong/b").as_deref(), Some("b"));
}

fn many_requests_run_at_once(program: &Program) {
    let names: Vec<String> = (0..300).map(|index| format!("many/{:02}/{index}", index % 7)).collect();
    let puts: Vec<u64> =
        names.iter().map(|name| program.send(Operation::Put(PutObject::text(name, name, Condition::Absent)))).collect();
    for id in puts {
        program.wait(id).unwrap();
    }
    let sizes: Vec<_> = names.iter().map(|name| Some(name.len() as u64)).collect();
    assert_eq!(program.has(&names).unwrap(), sizes);
    program.delete(&names);
    assert!(program.list("many/", None, 10).objects.is_empty());
}

fn one_of_many_writers_succeeds(program: &Program, rival: &Program) {
    for round in 0..10 {
        let name = format!("race/{round}");
        let winner = race(program, rival, &name, &Condition::Absent);
        let version = program.list(&name, None, 1).objects[0].version.clone();
        assert_eq!(program.get_text(&name).unwrap(), winner);
        let winner = race(program, rival, &name, &Condition::Version(version));
        assert_eq!(rival.get_text(&name).unwrap(), winner);
    }
}

/// Eight writers of two programs; returns the text of the only one that succeeds.
fn race(program: &Program, rival: &Program, name: &str, condition: &Condition) -> String {
    let puts: Vec<_> = (0..8)
        .map(|writer| {
            let program = if writer % 2 == 0 { program } else { rival };
            let text = format!("{condition:?} {writer}");
            (program, program.send(Operation::Put(PutObject::text(name, &text, condition.clone()))), text)
        })
        .collect();
    let made = puts.into_iter().filter_map(|(program, id, text)| match program.wait(id).unwrap() {
        contract::backend::Done::Put(put) => put.made.then_some(text),
        other => panic!("{other:?}"),
    });
    let made: Vec<String> = made.collect();
    assert_eq!(made.len(), 1, "{name}, {condition:?}: {made:?}");
    made.into_iter().next().unwrap()
}
