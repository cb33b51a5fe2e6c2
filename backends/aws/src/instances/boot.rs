//! What an instance executes first: user data on EC2, the entrypoint of a job on SageMaker. Both fetch the bundle with Python's standard
//! library, which every image of AWS has, and hand over to `pipe-aws worker`.
//!
//! The same request gives the same bytes: no time, no random number.

use std::time::Duration;

use aws_smithy_types::base64;
use contract::backend::{Failed, FailedClass};
use serde_json::{Value, json};

use super::bundle::SETUP;
use crate::failure::failed;
use crate::place::Bucket;

const FETCH: &str = include_str!("fetch.py");
const BOOT: &str = include_str!("boot.py");
const JOB: &str = include_str!("job.py");

/// Bytes that user data may have.
const USER_DATA_LIMIT: usize = 16 << 10;

/// Characters of one argument of an entrypoint. A line break is not allowed in it either.
const WORD_LIMIT: usize = 256;

/// Arguments of an entrypoint.
const WORDS_LIMIT: usize = 100;

/// What marks the reason in an instance's own log.
pub(super) const MARK: &str = "pipe-boot: failed: ";

/// What an instance of EC2 is to do.
pub(super) struct Boot<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) pieces: &'a [Value],
    pub(super) command: &'a [String],
    pub(super) lifetime: Duration,
    /// Whether a script of the user's is among the pieces.
    pub(super) has_setup: bool,
    /// Whether the stage wants a GPU.
    pub(super) wants_gpu: bool,
}

impl Boot<'_> {
    /// The script.
    pub(super) fn user_data(&self) -> Result<String, Failed> {
        // The first line stands before everything that can go wrong, and outlives it.
        let mut script = format!("#!/bin/bash\nshutdown -h +{}\n", self.lifetime.as_secs().div_ceil(60));
        script += "trap 'shutdown -h now' EXIT\n";
        script += &format!("failed() {{ echo \"{MARK}$1\"; exit 1; }}\n");
        script += "root=\"${PWD%/}/pipe\"\nmkdir -p \"$root\" && cd \"$root\" || failed \"$root cannot be made\"\n";
        for (name, value) in environment(self.bucket) {
            script += &format!("export {name}={}\n", quoted(&value));
        }
        let config = config(self.bucket, self.pieces, &json!({}));
        script +=
            &format!("python3 - \"$root\" <<'PIPE-FETCH' || exit 1\n{FETCH}CONFIG = {config}\n{BOOT}PIPE-FETCH\n");
        if self.wants_gpu {
            script += "nvidia-smi -L || failed 'the driver of the GPU does not answer; check the ami'\n";
        }
        if self.has_setup {
            script +=
                &format!("\"$root/bin/{SETUP}\" || failed \"the script of user_data ended with exit status $?\"\n");
        }
        script += "\"$root/bin/pipe-aws\" worker --instance --";
        for (index, word) in self.command.iter().enumerate() {
            let word = if index == 0 { format!("{{root}}/bin/{word}") } else { word.clone() };
            let parts: Vec<String> = word.split("{root}").map(quoted).collect();
            script += &format!(" {}", parts.join("\"$root\""));
        }
        // 75: it was interrupted, and wrote down what it had to say.
        script += "\nstatus=$?\ncase $status in 0 | 75) ;; *) failed \"the command ended with exit status $status\" ;; esac\n";
        if script.len() > USER_DATA_LIMIT {
            let message =
                format!("what the instance is to execute has {} bytes, and EC2 takes {USER_DATA_LIMIT}", script.len());
            return Err(failed(FailedClass::Invalid, message));
        }
        Ok(script)
    }
}

/// The entrypoint and the arguments of a job.
pub(super) fn entrypoint(
    bucket: &Bucket,
    pieces: &[Value],
    command: &[String],
) -> Result<(Vec<String>, Vec<String>), Failed> {
    let environment: serde_json::Map<String, Value> =
        environment(bucket).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let config = config(bucket, pieces, &json!({"command": command, "environment": environment}));
    let script = base64::encode(format!("{FETCH}CONFIG = {config}\n{JOB}"));
    let words: Vec<String> =
        script.as_bytes().chunks(WORD_LIMIT).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    if words.len() > WORDS_LIMIT {
        let message = "what the job is to execute is longer than SageMaker takes";
        return Err(failed(FailedClass::Invalid, message));
    }
    let unpack = "import base64,sys;exec(base64.b64decode(''.join(sys.argv[2:])))";
    Ok((["python3", "-c", unpack, "/opt/ml"].map(ToString::to_string).to_vec(), words))
}

/// What the scripts read, as a literal of Python: a string of JSON in a string of JSON is one.
fn config(bucket: &Bucket, pieces: &[Value], more: &Value) -> String {
    let mut config = json!({
        "bucket": bucket.name, "region": bucket.region(), "endpoint": bucket.endpoint_for_others(), "pieces": pieces,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    format!("json.loads({})", Value::String(config.to_string()))
}

/// Where the objects are, for the AWS SDK on the instance.
fn environment(bucket: &Bucket) -> Vec<(&'static str, String)> {
    let mut environment = vec![("AWS_REGION", bucket.region().to_owned())];
    environment.extend(bucket.endpoint_for_others().map(|endpoint| ("AWS_ENDPOINT_URL_S3", endpoint)));
    environment
}

/// A word as the shell reads it.
fn quoted(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
