//! The answers of the program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instance::{Instance, Log, Prices};
use super::secret::{SecretService, SecretValue};

/// One line of the program. Answers come in any order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Line", into = "Line")]
#[schemars(!try_from, !into, untagged)]
pub enum Answer {
    /// To the hello, where the program can serve the place.
    Hello {
        /// The welcome.
        hello: Welcome,
    },
    /// The request is done.
    Done {
        /// Which.
        id: u64,
        /// Its result.
        done: Done,
    },
    /// The request goes on. At most about ten a second.
    Note {
        /// Which.
        id: u64,
        /// How far it is.
        note: Note,
    },
    /// The request could not be done; without an id, the hello could not, and the program ends.
    Failed {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Why.
        failed: Failed,
    },
}

/// The answer to the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// The program and its version: `pipe-aws 0.1.0`.
    pub program: String,
    /// What it serves.
    pub offers: Vec<Offer>,
    /// The services whose secrets it can read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretService>,
}

/// Something that a program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Has, put, get, list and delete.
    Objects,
    /// Submit, attach, instances, logs, stop and reap: offered where the hello names a place. Prices may be refused.
    Instances,
}

/// The result of a request; which of them is known from the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "AnyDone", into = "AnyDone")]
#[schemars(!try_from, !into, untagged)]
pub enum Done {
    /// Of a has.
    Has(Sizes),
    /// Of a put.
    Put(Put),
    /// Of a get.
    Get(Found),
    /// Of a list.
    List(Listing),
    /// Of a delete.
    Delete {},
    /// Of a submit, an attach and a stop; `null` where an attach finds none.
    Instance {
        /// The instance.
        instance: Option<Box<Instance>>,
    },
    /// Of instances and a reap.
    Instances {
        /// The instances.
        instances: Vec<Instance>,
    },
    /// Of logs.
    Logs {
        /// What was written down.
        log: Log,
    },
    /// Of prices.
    Prices {
        /// What a launch would cost.
        prices: Prices,
    },
    /// Of a secret.
    Secret {
        /// It.
        value: SecretValue,
    },
}

/// Which objects are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Bytes of each object, in the order asked; `null` where there is none.
    pub sizes: Vec<Option<u64>>,
}

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Whether the object was written. False: the condition did not hold, and nothing was written.
    pub made: bool,
    /// The version that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// An object that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Its bytes; `null` where there is no such object.
    pub size: Option<u64>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its content, where the request names no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Objects below a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// In the byte order of their names.
    pub objects: Vec<Listed>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name, below the place's prefix.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Its version.
    pub version: String,
    /// When it was written, in seconds since 1970, by the store's clock.
    pub modified: u64,
}

/// How far a put, get or submit is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Bytes done so far, of a put or get.
    #[serde(default)]
    pub bytes: u64,
    /// What a submit tries, and why: one sentence without a full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// Why a request could not be done. It never holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Whose turn it is to act.
    pub class: FailedClass,
    /// One sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Why a request could not be done, by what the reader can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailedClass {
    /// There are no credentials, or they are not accepted: log in.
    Credentials,
    /// The credentials do not permit it: ask the place's owner.
    Denied,
    /// The place itself is not there: a bucket, a file to send.
    Missing,
    /// The place does not answer, or asks to come back later: try again.
    Unavailable,
    /// The place has no machine now, and the request launched none: try again, and say how often that was so.
    NoRoom,
    /// The request or the configuration is wrong: mend it.
    Invalid,
    /// It was cancelled.
    Interrupted,
    /// The place cannot do it.
    Unsupported,
    /// The program or the place is at fault: report it.
    Broken,
}

/// An answer as it is written: one form for all, so that a wrong line is told apart by its field.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hello: Option<Welcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
}

impl TryFrom<Line> for Answer {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        match line {
            Line { id: None, hello: Some(hello), done: None, note: None, failed: None } => Ok(Self::Hello { hello }),
            Line { id: Some(id), hello: None, done: Some(done), note: None, failed: None } => {
                Ok(Self::Done { id, done })
            }
            Line { id: Some(id), hello: None, done: None, note: Some(note), failed: None } => {
                Ok(Self::Note { id, note })
            }
            Line { id, hello: None, done: None, note: None, failed: Some(failed) } => Ok(Self::Failed { id, failed }),
            _ => Err("a line has an id and one of done, note and failed, or hello alone".into()),
        }
    }
}

impl From<Answer> for Line {
    fn from(answer: Answer) -> Self {
        let empty = Self { id: None, hello: None, done: None, note: None, failed: None };
        match answer {
            Answer::Hello { hello } => Self { hello: Some(hello), ..empty },
            Answer::Done { id, done } => Self { id: Some(id), done: Some(done), ..empty },
            Answer::Note { id, note } => Self { id: Some(id), note: Some(note), ..empty },
            Answer::Failed { id, failed } => Self { id, failed: Some(failed), ..empty },
        }
    }
}

/// Every result in one form; its fields tell which it is.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyDone {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sizes: Option<Vec<Option<u64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<bool>,
    // `null` is a value here: there is no such object.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    size: Option<Option<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objects: Option<Vec<Listed>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    // And here: nothing was launched.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    instance: Option<Option<Box<Instance>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instances: Option<Vec<Instance>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Log>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prices: Option<Prices>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<SecretValue>,
}

impl TryFrom<AnyDone> for Done {
    type Error = String;

    /// Takes the fields of one result; that no other field is there shows in that it can be written in the same way.
    fn try_from(mut any: AnyDone) -> Result<Self, String> {
        if any.objects.is_some() != any.more.is_some() {
            return Err("a listing has both objects and more".into());
        }
        let (version, text) = (any.version.take(), any.text.take());
        let done = if let Some(sizes) = any.sizes.take() {
            Self::Has(Sizes { sizes })
        } else if let Some(made) = any.made.take() {
            Self::Put(Put { made, version: version.clone() })
        } else if let Some(size) = any.size.take() {
            Self::Get(Found { size, version: version.clone(), text: text.clone() })
        } else if let (Some(objects), Some(more)) = (any.objects.take(), any.more.take()) {
            Self::List(Listing { objects, more })
        } else if let Some(instance) = any.instance.take() {
            Self::Instance { instance }
        } else if let Some(instances) = any.instances.take() {
            Self::Instances { instances }
        } else if let Some(log) = any.log.take() {
            Self::Logs { log }
        } else if let Some(prices) = any.prices.take() {
            Self::Prices { prices }
        } else if let Some(value) = any.value.take() {
            Self::Secret { value }
        } else {
            Self::Delete {}
        };
        let unused = match &done {
            Self::Put(_) => text.is_some(),
            Self::Get(_) => false,
            _ => version.is_some() || text.is_some(),
        };
        if unused || any != AnyDone::default() {
            return Err("done has the fields of no result".into());
        }
        Ok(done)
    }
}

impl From<Done> for AnyDone {
    fn from(done: Done) -> Self {
        let empty = Self::default();
        match done {
            Done::Has(Sizes { sizes }) => Self { sizes: Some(sizes), ..empty },
            Done::Put(Put { made, version }) => Self { made: Some(made), version, ..empty },
            Done::Get(Found { size, version, text }) => Self { size: Some(size), version, text, ..empty },
            Done::List(Listing { objects, more }) => Self { objects: Some(objects), more: Some(more), ..empty },
            Done::Delete {} => empty,
            Done::Instance { instance } => Self { instance: Some(instance), ..empty },
            Done::Instances { instances } => Self { instances: Some(instances), ..empty },
            Done::Logs { log } => Self { log: Some(log), ..empty },
            Done::Prices { prices } => Self { prices: Some(prices), ..empty },
            Done::Secret { value } => Self { value: Some(value), ..empty },
        }
    }
}

/// A field that is there, be its value `null` or not.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: Answer, line: &str) {
        assert_eq!(serde_json::to_string(&answer).unwrap(), line);
        assert_eq!(serde_json::from_str::<Answer>(line).unwrap(), answer);
    }

    #[test]
    fn lines_are_those_of_the_document() {
        let done = |done| Answer::Done { id: 7, done };
        check(done(Done::Has(Sizes { sizes: vec![Some(123), None] })), r#"{"id":7,"done":{"sizes":[123,null]}}"#);
        let put = Put { made: true, version: Some("v2".into()) };
        check(done(Done::Put(put)), r#"{"id":7,"done":{"made":true,"version":"v2"}}"#);
        check(done(Done::Put(Put { made: false, version: None })), r#"{"id":7,"done":{"made":false}}"#);
        let absent = Found { size: None, version: None, text: None };
        check(done(Done::Get(absent)), r#"{"id":7,"done":{"size":null}}"#);
        check(done(Done::Delete {}), r#"{"id":7,"done":{}}"#);
        check(
            done(Done::List(Listing { objects: vec![], more: false })),
            r#"{"id":7,"done":{"objects":[],"more":false}}"#,
        );
        check(done(Done::Instance { instance: None }), r#"{"id":7,"done":{"instance":null}}"#);
        check(done(Done::Instances { instances: vec![] }), r#"{"id":7,"done":{"instances":[]}}"#);
        let log = Log { text: "a".into(), next: Some("1".into()) };
        check(done(Done::Logs { log }), r#"{"id":7,"done":{"log":{"text":"a","next":"1"}}}"#);
        let prices =
            Prices { what: "a".into(), least: Some(0.5), most: None, cap: Some(1.0), budget: None, why: "b".into() };
        check(
            done(Done::Prices { prices }),
            r#"{"id":7,"done":{"prices":{"what":"a","least":0.5,"cap":1.0,"why":"b"}}}"#,
        );
        check(Answer::Note { id: 8, note: Note { bytes: 5, words: None } }, r#"{"id":8,"note":{"bytes":5}}"#);
        let failed = Failed { class: FailedClass::Denied, message: "no".into(), help: None };
        check(Answer::Failed { id: None, failed }, r#"{"failed":{"class":"denied","message":"no"}}"#);
    }

    #[test]
    fn a_wrong_line_is_refused() {
        for line in [
            r#"{"id":7}"#,
            r#"{"done":{}}"#,
            r#"{"id":7,"done":{"made":true,"sizes":[]}}"#,
            r#"{"id":7,"done":{"made":true,"text":"a"}}"#,
            r#"{"id":7,"done":{"objects":[]}}"#,
            r#"{"id":7,"done":{"version":"a"}}"#,
            r#"{"id":7,"done":{"instances":[],"log":{"text":""}}}"#,
        ] {
            assert!(serde_json::from_str::<Answer>(line).is_err(), "{line}");
        }
    }
}
