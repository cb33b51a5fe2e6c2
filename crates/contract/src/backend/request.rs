//! The requests of the engine.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TEXT_LIMIT;
use super::instance::{AskPrices, Attach, Instances, Logs, Reap, Stop, Submit};
use super::secret::Secret;

/// One line to the program. The first is a hello; the end of the lines means: stop what goes on, and exit with 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Line", into = "Line")]
#[schemars(!try_from, !into, untagged)]
pub enum Request {
    /// Who calls, and which place is meant.
    Hello {
        /// The hello.
        hello: Hello,
    },
    /// Something to do; any number may be under way at once, and each gets one answer.
    Do {
        /// Chosen by the engine, and used once.
        id: u64,
        /// What to do.
        #[serde(rename = "do")]
        operation: Operation,
    },
    /// A request is not wanted any more.
    Cancel {
        /// Which.
        #[serde(rename = "do")]
        cancel: Cancel,
    },
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Where the objects lie.
    pub objects: Objects,
    /// Where instances run, where that is asked for: the type of a backend with its settings, as `pipe.yaml` has them:
    /// `{"ec2-spot": {"region": "us-east-1", ..}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<serde_json::Value>,
}

/// A place for objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objects {
    /// A bucket of S3, or of a store that speaks as S3 does.
    S3(S3),
    /// The URL of any other place, as the user wrote it; the program `pipe-SCHEME` knows what it means.
    Url(String),
}

/// A bucket. What is `None` is taken from the environment and the profile, as the AWS tools take it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The server, where it is not AWS: `http://127.0.0.1:8333`.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// The profile of the AWS configuration.
    pub profile: Option<String>,
    /// Whether the bucket is part of the path and not of the host's name. `None`: where an endpoint is given.
    pub path_style: Option<bool>,
    /// When to send checksums that the store verifies.
    pub checksums: Option<Checksums>,
}

/// When to send checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Checksums {
    /// With every write.
    #[default]
    Always,
    /// Only where the store insists. Some stores do not know the newer checksums.
    WhenRequired,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Which objects are there; answered with [`Sizes`](super::Sizes).
    Has(Has),
    /// Write an object, whole or not at all; answered with [`Put`](super::Put).
    Put(PutObject),
    /// Read an object; answered with [`Found`](super::Found).
    Get(Get),
    /// What is there below a prefix; answered with [`Listing`](super::Listing).
    List(List),
    /// Remove objects; those that are not there count as removed. Answered with `{}`.
    Delete(Delete),
    /// Launch an instance; answered with [`Instance`](super::Instance).
    Submit(Submit),
    /// Find the instance of an attempt.
    Attach(Attach),
    /// How instances are.
    Instances(Instances),
    /// What the place wrote down of an instance; answered with [`Log`](super::Log).
    Logs(Logs),
    /// End an instance.
    Stop(Stop),
    /// End what has outlived its lifetime.
    Reap(Reap),
    /// What a launch would cost; answered with [`Prices`](super::Prices). A program that names no prices refuses it.
    Prices(AskPrices),
    /// Read a secret that a service keeps; answered with its `value`.
    Secret(Secret),
}

/// Which objects are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Has {
    /// At most [`NAMES_LIMIT`](super::NAMES_LIMIT).
    pub names: Vec<String>,
}

/// Write an object. Exactly one of `file` and `text` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutObject {
    /// Its name, below the place's prefix.
    pub name: String,
    /// An absolute path; the bytes stay as they are until the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The file's size; a file of another size is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The object's bytes, at most [`TEXT_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When to write.
    #[serde(rename = "if", default)]
    pub condition: Condition,
}

/// The bytes of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A file of this size.
    File(PathBuf, u64),
    /// A text.
    Text(String),
}

impl PutObject {
    /// Writes the file.
    pub fn file(name: impl Into<String>, file: PathBuf, size: u64, condition: Condition) -> Self {
        Self { name: name.into(), file: Some(file), size: Some(size), text: None, condition }
    }

    /// Writes the text.
    pub fn text(name: impl Into<String>, text: impl Into<String>, condition: Condition) -> Self {
        Self { name: name.into(), file: None, size: None, text: Some(text.into()), condition }
    }

    /// The bytes to write, or what is wrong with the request.
    pub fn body(self) -> Result<Body, String> {
        match (self.file, self.size, self.text) {
            (Some(file), Some(size), None) if file.is_absolute() => Ok(Body::File(file, size)),
            (Some(file), _, None) if !file.is_absolute() => Err(format!("the path {} is not absolute", file.display())),
            (None, None, Some(text)) if text.len() as u64 <= TEXT_LIMIT => Ok(Body::Text(text)),
            (None, None, Some(text)) => Err(format!("a text of {} bytes is longer than {TEXT_LIMIT}", text.len())),
            _ => Err("a put takes either file and size, or text".into()),
        }
    }
}

/// When to write an object. The store itself decides, so that of several writers at once exactly one succeeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// In any case.
    #[default]
    Any,
    /// Where no object has the name.
    Absent,
    /// Where the object is still this version.
    Version(String),
}

/// Read an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// Its name, below the place's prefix.
    pub name: String,
    /// An absolute path at which there is nothing yet: the bytes go there. Absent: they come back as `text`, where they are
    /// UTF-8 of at most [`TEXT_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// List objects in the byte order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Names begin with it.
    pub prefix: String,
    /// Names come after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// As many at most.
    pub most: u32,
}

/// Remove objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// At most [`NAMES_LIMIT`](super::NAMES_LIMIT).
    pub names: Vec<String>,
}

/// A request that is not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// It is answered as failed with the class `interrupted`, unless its answer was on the way already. One that is unknown
    /// or answered is passed over.
    Cancel {
        /// Its id.
        id: u64,
    },
}

/// A request as it is written: one form for all, so that a wrong line is told apart by its field.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hello: Option<Hello>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(rename = "do", default, skip_serializing_if = "Option::is_none")]
    operation: Option<AnyOperation>,
}

/// [`Operation`] and [`Cancel`], which differ in having an id of their own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnyOperation {
    Has(Has),
    Put(PutObject),
    Get(Get),
    List(List),
    Delete(Delete),
    Submit(Submit),
    Attach(Attach),
    Instances(Instances),
    Logs(Logs),
    Stop(Stop),
    Reap(Reap),
    Prices(AskPrices),
    Secret(Secret),
    Cancel { id: u64 },
}

impl TryFrom<Line> for Request {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let (id, any) = match line {
            Line { hello: Some(hello), id: None, operation: None } => return Ok(Self::Hello { hello }),
            Line { hello: None, id, operation: Some(operation) } => (id, operation),
            _ => return Err("a line has either hello, or id and do".into()),
        };
        let operation = match any {
            AnyOperation::Cancel { id } => return Ok(Self::Cancel { cancel: Cancel::Cancel { id } }),
            AnyOperation::Has(has) => Operation::Has(has),
            AnyOperation::Put(put) => Operation::Put(put),
            AnyOperation::Get(get) => Operation::Get(get),
            AnyOperation::List(list) => Operation::List(list),
            AnyOperation::Delete(delete) => Operation::Delete(delete),
            AnyOperation::Submit(submit) => Operation::Submit(submit),
            AnyOperation::Attach(attach) => Operation::Attach(attach),
            AnyOperation::Instances(instances) => Operation::Instances(instances),
            AnyOperation::Logs(logs) => Operation::Logs(logs),
            AnyOperation::Stop(stop) => Operation::Stop(stop),
            AnyOperation::Reap(reap) => Operation::Reap(reap),
            AnyOperation::Prices(prices) => Operation::Prices(prices),
            AnyOperation::Secret(secret) => Operation::Secret(secret),
        };
        Ok(Self::Do { id: id.ok_or("the request has no id")?, operation })
    }
}

impl From<Request> for Line {
    fn from(request: Request) -> Self {
        let (id, operation) = match request {
            Request::Hello { hello } => return Self { hello: Some(hello), id: None, operation: None },
            Request::Cancel { cancel: Cancel::Cancel { id } } => (None, AnyOperation::Cancel { id }),
            Request::Do { id, operation } => (
                Some(id),
                match operation {
                    Operation::Has(has) => AnyOperation::Has(has),
                    Operation::Put(put) => AnyOperation::Put(put),
                    Operation::Get(get) => AnyOperation::Get(get),
                    Operation::List(list) => AnyOperation::List(list),
                    Operation::Delete(delete) => AnyOperation::Delete(delete),
                    Operation::Submit(submit) => AnyOperation::Submit(submit),
                    Operation::Attach(attach) => AnyOperation::Attach(attach),
                    Operation::Instances(instances) => AnyOperation::Instances(instances),
                    Operation::Logs(logs) => AnyOperation::Logs(logs),
                    Operation::Stop(stop) => AnyOperation::Stop(stop),
                    Operation::Reap(reap) => AnyOperation::Reap(reap),
                    Operation::Prices(prices) => AnyOperation::Prices(prices),
                    Operation::Secret(secret) => AnyOperation::Secret(secret),
                },
            ),
        };
        Self { hello: None, id, operation: Some(operation) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: Request, line: &str) {
        assert_eq!(serde_json::to_string(&request).unwrap(), line);
        assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
    }

    #[test]
    fn lines_are_those_of_the_document() {
        let put = PutObject::file("a", "/b".into(), 5, Condition::Version("v".into()));
        check(
            Request::Do { id: 7, operation: Operation::Put(put) },
            r#"{"id":7,"do":{"put":{"name":"a","file":"/b","size":5,"if":{"version":"v"}}}}"#,
        );
        let attach = Attach { action: "ab".into(), attempt: 2 };
        check(
            Request::Do { id: 9, operation: Operation::Attach(attach) },
            r#"{"id":9,"do":{"attach":{"action":"ab","attempt":2}}}"#,
        );
        check(Request::Do { id: 9, operation: Operation::Reap(Reap {}) }, r#"{"id":9,"do":{"reap":{}}}"#);
        let secret = Operation::Secret(Secret::Ssm("/a/b".into()));
        check(Request::Do { id: 9, operation: secret }, r#"{"id":9,"do":{"secret":{"ssm":"/a/b"}}}"#);
        check(Request::Cancel { cancel: Cancel::Cancel { id: 8 } }, r#"{"do":{"cancel":{"id":8}}}"#);
        let line = r#"{"hello":{"protocol":1,"objects":{"s3":{"url":"s3://b/p"}}}}"#;
        let s3 = S3 { url: "s3://b/p".into(), ..S3::default() };
        let hello = Hello { protocol: 1, objects: Objects::S3(s3), place: None };
        assert_eq!(serde_json::from_str::<Request>(line).unwrap(), Request::Hello { hello });
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        for (line, message) in [
            (r#"{"do":{"has":{"names":[]}}}"#, "the request has no id"),
            (r#"{"id":1}"#, "a line has either hello, or id and do"),
            (r#"{"id":1,"do":{"fly":{}}}"#, "unknown variant `fly`"),
        ] {
            let error = serde_json::from_str::<Request>(line).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
