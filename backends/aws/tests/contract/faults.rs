//! What a store can do wrong, by the faults of the test cloud.

use contract::backend::{Checksums, Condition, FailedClass, Objects, Operation, PutObject};
use serde_json::json;

use crate::program::Program;
use crate::servers::Server;
use crate::suite::{bytes, put_of};

#[test]
fn passing_errors_are_tried_again() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    let slow = |method| json!({"op": "http", "method": method, "status": 503, "code": "SlowDown", "times": 2});
    server.faults(json!([slow("PUT"), slow("GET"), slow("HEAD"), slow("POST")]));
    program.put_text("a", "text");
    assert_eq!(program.get_text("a").unwrap(), "text");
    assert_eq!(program.has(&["a".into()]).unwrap(), [Some(4)]);
    program.delete(&["a".into()]);
    server.faults(json!([{"op": "http", "method": "PUT", "status": 409, "code": "ConditionalRequestConflict"}]));
    assert!(program.put(PutObject::text("a", "text", Condition::Absent)).unwrap().made);
    server.faults(json!([{"op": "http", "method": "PUT", "status": 503, "code": "SlowDown", "times": 99}]));
    let failed = program.put(PutObject::text("a", "text", Condition::Any)).unwrap_err();
    assert_eq!(failed.class, FailedClass::Unavailable, "{failed:?}");
    assert_eq!(program.get_text("a").unwrap(), "text");
}

#[test]
fn a_put_whose_answer_is_lost_knows_its_own_object() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let lost = |method, key| server.faults(json!([{"op": "lost", "method": method, "key": key}]));

    lost("PUT", "");
    let first = program.put(PutObject::text("a", "1", Condition::Absent)).unwrap();
    assert!(first.made);
    lost("PUT", "");
    assert!(!program.put(PutObject::text("a", "2", Condition::Absent)).unwrap().made);
    lost("PUT", "");
    let second = program.put(PutObject::text("a", "3", Condition::Version(first.version.unwrap()))).unwrap();
    assert!(second.made);
    assert_eq!(program.list("a", None, 1).objects[0].version, second.version.unwrap());

    // The last request of an upload in parts.
    lost("POST", "uploadId=");
    let large = bytes(17 << 20, 1);
    assert!(program.put(put_of("b", &directory.path().join("b"), &large, Condition::Absent)).unwrap().made);
    assert_eq!(server.open_uploads(), 0);
    program.get("b", Some(&directory.path().join("copy"))).unwrap();
    assert!(std::fs::read(directory.path().join("copy")).unwrap() == large);
}

#[test]
fn damaged_bytes_are_refused_and_sent_again() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    for size in [5, 3 << 20, 17 << 20] {
        let (name, bytes) = (format!("{size}"), bytes(size, 7));
        server.faults(json!([{"op": "damage"}]));
        assert!(program.put(put_of(&name, &file, &bytes, Condition::Absent)).unwrap().made, "{size}");
        let copy = directory.path().join(&name);
        program.get(&name, Some(&copy)).unwrap();
        assert!(std::fs::read(&copy).unwrap() == bytes);
    }
    server.faults(json!([{"op": "damage", "times": 99}]));
    let failed = program.put(put_of("always", &file, b"bytes", Condition::Absent)).unwrap_err();
    assert_eq!(failed.class, FailedClass::Broken, "{failed:?}");
    assert_eq!(program.has(&["always".into()]).unwrap(), [None]);
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn a_read_that_breaks_off_goes_on_where_it_stopped() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (file, copy) = (directory.path().join("file"), directory.path().join("copy"));
    let bytes = bytes(40 << 20, 3);
    program.put(put_of("a", &file, &bytes, Condition::Any)).unwrap();
    server.faults(json!([{"op": "cut", "method": "GET", "after": 5_000_000, "times": 4}]));
    let read = server.calls().len();
    assert_eq!(program.get("a", Some(&copy)).unwrap().size, Some(40 << 20));
    assert!(std::fs::read(&copy).unwrap() == bytes);
    // Three ranges, and each cut costs one more.
    assert_eq!(server.calls().len() - read, 7);

    std::fs::remove_file(&copy).unwrap();
    server.faults(json!([{"op": "cut", "method": "GET", "after": 0, "times": 99}]));
    let failed = program.get("a", Some(&copy)).unwrap_err();
    assert_eq!(failed.class, FailedClass::Unavailable, "{failed:?}");
    assert!(!copy.exists());
}

#[test]
fn a_put_that_ends_early_leaves_nothing_behind() {
    let Some(server) = Server::test_cloud() else { return };
    let directory = tempfile::tempdir().unwrap();
    let put = |name| put_of(name, &directory.path().join("file"), &bytes(40 << 20, 1), Condition::Absent);
    // One part waits for long, the others get done.
    let stall = || {
        server.faults(json!([
            {"op": "http", "method": "PUT", "key": "partNumber=1&", "latency": 0.3},
            {"op": "http", "method": "PUT", "key": "partNumber=3&", "latency": 600},
        ]));
    };
    let cancelled = Program::start(&server.place).unwrap();
    stall();
    let id = cancelled.send(Operation::Put(put("cancelled")));
    cancelled.noted(id);
    cancelled.cancel(id);
    assert_eq!(cancelled.wait(id).unwrap_err().class, FailedClass::Interrupted);
    assert_eq!(server.open_uploads(), 0);

    let left = Program::start(&server.place).unwrap();
    stall();
    left.noted(left.send(Operation::Put(put("left"))));
    assert!(left.close().success());
    assert_eq!(server.open_uploads(), 0);

    let killed = Program::start(&server.place).unwrap();
    stall();
    killed.noted(killed.send(Operation::Put(put("killed"))));
    killed.kill();
    // What a kill leaves is an upload and no object.
    assert_eq!(server.open_uploads(), 1);
    let names = ["cancelled", "left", "killed"].map(String::from);
    server.faults(json!([]));
    assert_eq!(cancelled.has(&names).unwrap(), [None; 3]);
    assert!(cancelled.put(put("killed")).unwrap().made);
}

#[test]
fn a_store_that_ignores_conditions_shows_it() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    let twice = |name| {
        let put = || program.put(PutObject::text(name, "x", Condition::Absent)).unwrap().made;
        (put(), put())
    };
    assert_eq!(twice("a"), (true, false));
    server.faults(json!([{"op": "ignore_conditions", "times": 99}]));
    assert_eq!(twice("b"), (true, true));
    let stale = PutObject::text("b", "y", Condition::Version("0123".into()));
    assert!(program.put(stale).unwrap().made);
}

#[test]
fn many_names_of_a_directory_are_asked_at_once() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    let names: Vec<String> = (0..400).map(|index| format!("blobs/ab/{index:03}")).collect();
    let puts: Vec<_> = names
        .iter()
        .step_by(2)
        .map(|name| program.send(Operation::Put(PutObject::text(name, "x", Condition::Any))))
        .collect();
    for put in puts {
        program.wait(put).unwrap();
    }
    let before = server.calls().len();
    let sizes: Vec<_> = (0..400).map(|index| (index % 2 == 0).then_some(1)).collect();
    assert_eq!(program.has(&names).unwrap(), sizes);
    assert_eq!(server.calls().len() - before, 1);
}

#[test]
fn a_store_without_the_newer_checksums_is_served() {
    let Some(mut server) = Server::test_cloud() else { return };
    if let Objects::S3(s3) = &mut server.place.objects {
        s3.checksums = Some(Checksums::WhenRequired);
    }
    let program = Program::start(&server.place).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for size in [5, 3 << 20, 17 << 20] {
        let (name, bytes) = (size.to_string(), bytes(size, 9));
        assert!(program.put(put_of(&name, &directory.path().join("file"), &bytes, Condition::Absent)).unwrap().made);
        program.get(&name, Some(&directory.path().join(&name))).unwrap();
        assert!(std::fs::read(directory.path().join(&name)).unwrap() == bytes);
    }
    program.delete(&["5".into()]);
    assert_eq!(program.has(&["5".into()]).unwrap(), [None]);
}
