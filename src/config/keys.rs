//! The words of `pipe.yaml`, once: for the reader, and for completion in an editor.

use crate::spec::keys::{Key, key};

/// Keys of the file.
pub const CONFIG: &[Key] = &[
    key("store", "the directory of the store, relative to this file; `cache` unless given"),
    key("remote", "a store beyond this machine: {url: s3://bucket/prefix}, {url: /shared/directory, share: true}"),
    key("cards", "directories with cards of kinds that do not ship with pipe, relative to this file"),
    key("backends", "names that a stage's `backend` may use besides `local`, each with what it is"),
    key("governor", "how much may run at once"),
    key("verify", "`seal`: what bears its seal (size and time) is believed; `always`: everything is hashed before use"),
    key("runs", "what is kept of past runs"),
];

/// Keys of `remote`.
pub const REMOTE: &[Key] = &[
    key("url", "where it is: s3://BUCKET/PREFIX, file:///DIRECTORY, or a directory relative to this file"),
    key("share", "true: each run looks up there what it misses and pushes what it makes; false unless given"),
    key("endpoint", "the address of a service that is not at its usual place: http://127.0.0.1:8333"),
    key("region", "the region; as the AWS tools take it unless given"),
    key("profile", "the named profile of credentials; as the AWS tools take it unless given"),
    key("path_style", "true: the bucket is a part of the path and not of the host's name"),
    key("checksums", "`always`, or `when-required` for a service that stumbles over the checksums of S3"),
];

/// Keys of `remote` about the protocol of a service; a directory has none of them.
pub const SERVICE: [&str; 5] = ["endpoint", "region", "profile", "path_style", "checksums"];

/// The values of `checksums`.
pub const CHECKSUMS: [&str; 2] = ["always", "when-required"];

/// Types of backends; a backend is a mapping with one of them.
pub const BACKEND: &[Key] = &[
    key("local", "a child process on this machine; it has no settings"),
    key("loopback", "a process on this machine as if it were another one, to try that out: {state: .pipe-loopback}"),
    key("ec2-spot", "spot instances of EC2: {region: us-east-1, instances: [g4dn.xlarge], max_price: 0.20}"),
    key(
        "sagemaker",
        "training jobs of SageMaker: {instance: ml.g5.4xlarge, role: arn:.., image: .., max_runtime: 10h}",
    ),
];

/// Keys of `local`.
pub const LOCAL: &[Key] = &[];

/// Keys of `loopback`.
pub const LOOPBACK: &[Key] = &[
    key("state", "where its objects are: a directory, relative to this file, or a URL as that of `remote`"),
    key("jobs", "stages at once; 4 unless given"),
    key("lease", "after so long without a sign of life a stage is tried again; 15s unless given"),
    key("lifetime", "an instance ends after so long, whatever happens; 24h unless given"),
];

/// Keys that the engine itself reads of a backend of any other type; all of them go to the program that serves it.
pub const PROGRAM: &[Key] = &[
    key("state", "where its objects are; those of `remote` unless given"),
    key("jobs", "stages at once; 4 unless given"),
    key("lease", "after so long without a sign of life a stage is tried again; 60s unless given"),
    key("lifetime", "an instance ends after so long, whatever happens; 24h unless given"),
    key("user_data", "a script that runs on each instance before the stage, relative to this file"),
];

/// What some programs call `lifetime`.
pub const LIFETIMES: [&str; 3] = ["lifetime", "max_lifetime", "max_runtime"];

/// Keys of `governor`.
pub const GOVERNOR: &[Key] = &[
    key("jobs", "workers at once; at most 4 unless given, fewer on a small machine"),
    key("cpu", "the share of the processors, used by others, from which on it holds back; 0.8 unless given"),
    key("memory", "the share of the memory from which on it holds back; 0.8 unless given"),
    key("throttle", "false: it never holds back"),
];

/// Keys of `runs`.
pub const RUNS: &[Key] = &[key("keep", "how many runs are kept, with logs and report; 100 unless given")];

/// The values of `verify`.
pub const VERIFY: [&str; 2] = ["seal", "always"];

/// The most workers at once that can be asked for.
pub const MAX_JOBS: u64 = 1024;
