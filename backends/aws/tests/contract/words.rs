//! What a person reads when the place cannot be used.

use contract::backend::{Failed, FailedClass, Objects, S3};
use serde_json::{Value, json};

use crate::program::{Place, Program};
use crate::servers::{BUCKET, SECRET, Server};

#[track_caller]
fn check(failed: &Failed, class: FailedClass, message: &str, help: &str) {
    assert_eq!(failed.class, class, "{failed:?}");
    assert!(failed.message.contains(message), "{failed:?}");
    assert!(failed.help.as_deref().unwrap_or_default().contains(help), "{failed:?}");
    assert!(!format!("{failed:?}").contains(SECRET), "{failed:?}");
}

fn hello(place: &Place) -> Failed {
    match Program::start(place) {
        Ok(_) => panic!("the place can be used"),
        Err(failed) => failed,
    }
}

fn on(place: &Place, change: impl FnOnce(&mut S3)) -> Place {
    let mut place = place.clone();
    match &mut place.objects {
        Objects::S3(s3) => change(s3),
        Objects::Url(_) => panic!("not S3"),
    }
    place
}

#[test]
fn a_place_that_cannot_be_used_says_why() {
    let Some(server) = Server::test_cloud() else { return };
    let place = &server.place;
    let elsewhere = on(place, |s3| s3.url = "s3://no-such-bucket/a".into());
    check(
        &hello(&elsewhere),
        FailedClass::Missing,
        "there is no bucket no-such-bucket",
        "aws s3 mb s3://no-such-bucket",
    );
    let wrong = on(place, |s3| s3.url = "bucket".into());
    check(&hello(&wrong), FailedClass::Invalid, "no URL of a bucket", "s3://BUCKET");

    let without = place.clone().without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
    check(&hello(&without), FailedClass::Credentials, "no AWS credentials were found", "aws sso login");
    let profile = on(&without, |s3| s3.profile = Some("nobody".into()));
    check(&hello(&profile), FailedClass::Credentials, "AWS", "remote.profile");

    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = format!("http://user:{SECRET}@127.0.0.1:{port}");
    let unreachable = on(place, |s3| s3.endpoint = Some(closed));
    check(&hello(&unreachable), FailedClass::Unavailable, "cannot be reached", "remote.endpoint");
    let bare = on(place, |s3| s3.endpoint = Some("127.0.0.1".into()));
    check(&hello(&bare), FailedClass::Invalid, "is no URL", "http://HOST:PORT");

    let answers = |status: u16, code: &str, message: &str, headers: Value| {
        server.faults(json!([{"op": "http", "status": status, "code": code, "message": message, "headers": headers, "times": 99}]));
        hello(place)
    };
    let denied = answers(403, "AccessDenied", "no", json!({}));
    check(&denied, FailedClass::Denied, "s3:ListBucket on s3://bucket", "s3:ListBucket");
    let unknown = answers(403, "InvalidAccessKeyId", SECRET, json!({}));
    check(&unknown, FailedClass::Credentials, "not accepted", "AWS_PROFILE");
    let expired = answers(400, "ExpiredToken", "The provided token has expired.", json!({}));
    check(&expired, FailedClass::Credentials, "expired", "aws sso login");
    let region = answers(301, "PermanentRedirect", "elsewhere", json!({"x-amz-bucket-region": "eu-central-1"}));
    check(&region, FailedClass::Invalid, "lies in the region eu-central-1", "remote.region: eu-central-1");
    let echo = answers(400, "Strange", &format!("you sent {SECRET}"), json!({}));
    check(&echo, FailedClass::Broken, "you sent (hidden)", "");
    let skewed = answers(403, "RequestTimeTooSkewed", "", json!({}));
    check(&skewed, FailedClass::Invalid, "clock", "timedatectl");
}

#[test]
fn a_request_that_is_denied_names_the_permission() {
    let Some(server) = Server::test_cloud() else { return };
    let program = Program::start(&server.place).unwrap();
    for (method, permission) in [("PUT", "s3:PutObject"), ("GET", "s3:GetObject"), ("POST", "s3:DeleteObject")] {
        server.faults(json!([{"op": "http", "method": method, "status": 403, "code": "AccessDenied"}]));
        let failed = match method {
            "PUT" => program.put(contract::backend::PutObject::text("a", "x", Default::default())).unwrap_err(),
            "GET" => program.get("a", None).unwrap_err(),
            _ => {
                let names = vec!["a".to_string()];
                let delete = contract::backend::Operation::Delete(contract::backend::Delete { names });
                program.wait(program.send(delete)).unwrap_err()
            }
        };
        check(&failed, FailedClass::Denied, permission, permission);
        assert!(failed.message.contains(BUCKET));
    }
}

#[test]
fn a_hello_that_is_wrong_ends_the_program() {
    let Some(server) = Server::test_cloud() else { return };
    for (line, class) in [
        (r#"{"hello":{"protocol":2,"objects":{"s3":{"url":"s3://bucket"}}}}"#, FailedClass::Unsupported),
        (r#"{"hello":{"protocol":1,"objects":{"url":"gs://bucket"}}}"#, FailedClass::Unsupported),
        (r#"{"hello":{"protocol":1,"objects":{"s3":{"bucket":"b"}}}}"#, FailedClass::Invalid),
        (r#"{"id":1,"do":{"has":{"names":[]}}}"#, FailedClass::Invalid),
        ("hello", FailedClass::Invalid),
    ] {
        let program = Program::spawn(&server.place);
        program.line(line);
        assert_eq!(program.loose_failure().class, class, "{line}");
        assert_eq!(program.close().code(), Some(1), "{line}");
    }
    assert!(Program::spawn(&server.place).close().success());
}
