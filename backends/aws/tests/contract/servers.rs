//! Places to test against, all on loopback: the test cloud, SeaweedFS, and the program of docs/backend-protocol.md.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use contract::backend::{Objects, S3};
use serde_json::{Value, json};

use crate::program::Place;

pub(crate) const BUCKET: &str = "bucket";
pub(crate) const SECRET: &str = "not-to-be-shown";

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The Python packages of tests/testcloud, or `None` and a word that the test is skipped.
fn python() -> Option<PathBuf> {
    let packages = checkout().join(".deps/testcloud");
    if packages.join(".lock").exists() {
        return Some(packages);
    }
    // Not eprintln, which the test runner keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: tests/testcloud/environment.sh has not been run (./check does)");
    None
}

/// `pipe-aws` on a server, with keys in its environment.
fn place(endpoint: &str, home: &Path) -> Place {
    let s3 = S3 { url: format!("s3://{BUCKET}/a/prefix"), ..S3::default() };
    let environment = [
        ("HOME", home.to_str().unwrap()),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Place {
        program: env!("CARGO_BIN_EXE_pipe-aws").into(),
        objects: Objects::S3(s3),
        instances: None,
        environment: environment.map(|(name, value)| (name.into(), value.into())).to_vec(),
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub place: Place,
    control: String,
    ports: Vec<u16>,
    /// Where it has its files; it goes away with the server.
    directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The test cloud ends with its input, and with it the machines and jobs that it runs.
        if self.child.stdin.take().is_none() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        // SeaweedFS leaves sockets behind, in /tmp wherever TMPDIR is.
        for entry in std::fs::read_dir("/tmp").into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            let ours = |port| name.ends_with(&format!("-{port}.sock"));
            if name.starts_with("seaweedfs-") && self.ports.iter().any(ours) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

impl Server {
    /// The test cloud, in which a second lasts a second.
    pub(crate) fn test_cloud() -> Option<Server> {
        Server::test_cloud_at("1")
    }

    /// The test cloud, in which a second of AWS lasts so many real ones.
    pub(crate) fn test_cloud_at(scale: &str) -> Option<Server> {
        let packages = python()?;
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("python3")
            .arg(checkout().join("tests/testcloud/testcloud.py"))
            .arg("--dir")
            .arg(directory.path().join("cloud"))
            .args(["--scale", scale])
            .envs([("PYTHONPATH", packages.as_os_str()), ("PYTHONNOUSERSITE", "1".as_ref())])
            // It ends with its input, however the test ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("cloud.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(directory.path().join("cloud.log")).unwrap()));
        let endpoint = said["endpoint"].as_str().unwrap();
        http(endpoint, "PUT", &format!("/{BUCKET}"), "");
        let place = place(endpoint, directory.path());
        Some(Server { child, place, control: said["control"].as_str().unwrap().into(), ports: Vec::new(), directory })
    }

    /// SeaweedFS.
    pub(crate) fn seaweed() -> Option<Server> {
        let packages = python()?;
        let directory = tempfile::tempdir().unwrap();
        let keys = json!({"identities": [{
            "name": "test",
            "credentials": [{"accessKey": "test", "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        }]});
        std::fs::write(directory.path().join("keys.json"), keys.to_string()).unwrap();
        let ports = free_ports();
        let names = ["master", "volume", "filer", "s3", "admin"];
        let flags = names
            .iter()
            .zip(ports.chunks(2))
            .flat_map(|(name, pair)| [format!("-{name}.port={}", pair[0]), format!("-{name}.port.grpc={}", pair[1])]);
        let mut child = Command::new(packages.join("bin/weed"))
            .args(["mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=.", "-s3.config=keys.json", "-webdav=false"])
            // It would send statistics to its makers.
            .args(["-master.telemetry=false", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-bucket={BUCKET}"))
            .args(flags)
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("weed.log")).unwrap())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = said.any(|line| line.is_ok_and(|line| line.contains("ready to use")));
        assert!(ready, "{}", std::fs::read_to_string(directory.path().join("weed.log")).unwrap());
        // Its further words must have a reader.
        std::thread::spawn(move || said.for_each(drop));
        let place = place(&format!("http://127.0.0.1:{}", ports[6]), directory.path());
        Some(Server { child, place, control: String::new(), ports, directory })
    }

    fn endpoint(&self) -> &str {
        let (_, endpoint) = self.place.environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap();
        endpoint
    }

    /// What the test cloud is to do wrong from now on.
    pub(crate) fn faults(&self, faults: Value) {
        http(&self.control, "POST", "/ctl/faults", &json!({"faults": faults}).to_string());
    }

    /// Tells the test cloud something.
    pub(crate) fn control(&self, what: &str, body: &Value) {
        http(&self.control, "POST", &format!("/ctl/{what}"), &body.to_string());
    }

    /// What goes on in the test cloud.
    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&http(&self.control, "GET", "/ctl/state", "")).unwrap()
    }

    /// How many calls the test cloud has seen.
    pub(crate) fn count(&self) -> u64 {
        let count: Value = serde_json::from_str(&http(&self.control, "GET", "/ctl/count", "")).unwrap();
        count["calls"].as_u64().unwrap()
    }

    /// A request to a service of the test cloud that looks at no signature.
    pub(crate) fn ask(&self, service: &str, form: &str) -> String {
        let headers = format!("{}Content-Type: application/x-www-form-urlencoded\r\n", signed_for(service));
        http_with(self.endpoint(), "POST", "/", &headers, form)
    }

    /// As [`Server::ask`], of a service that speaks JSON.
    pub(crate) fn ask_json(&self, service: &str, target: &str, body: &Value) -> Value {
        let headers =
            format!("{}Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n", signed_for(service));
        let answer = http_with(self.endpoint(), "POST", "/", &headers, &body.to_string());
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Creates a job of this name that has its objects elsewhere, and sleeps.
    pub(crate) fn job_of_others(&self, name: &str) {
        let tags = [
            ("workspace", "another"),
            ("action", "0123456789abcdef0123456789abcdef"),
            ("attempt", "9"),
            ("token", "x"),
        ];
        let job = json!({
            "TrainingJobName": name,
            "RoleArn": "arn:aws:iam::123456789012:role/other",
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File",
                                       "ContainerEntrypoint": ["sleep", "3600"]},
            "ResourceConfig": {"InstanceType": "ml.g5.4xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 360_000},
            "OutputDataConfig": {"S3OutputPath": format!("s3://{BUCKET}/other")},
            "Tags": tags.map(|(key, value)| json!({"Key": format!("pipe:{key}"), "Value": value})),
        });
        let answer = self.ask_json("sagemaker", "SageMaker.CreateTrainingJob", &job);
        assert!(answer["TrainingJobArn"].is_string(), "{answer}");
    }

    /// The objects of the bucket with such a name, in the order of their names.
    pub(crate) fn objects_where(&self, is_meant: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
        let read = |key: &str| bytes_of(self.endpoint(), "GET", &format!("/{BUCKET}/{key}"), &signed_for("s3"), "");
        self.keys_where(is_meant).into_iter().map(|key| (key.clone(), read(&key))).collect()
    }

    /// The names of the bucket's objects of which this holds, in order.
    pub(crate) fn keys_where(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let page = http(self.endpoint(), "GET", &format!("/{BUCKET}?list-type=2&start-after={after}"), "");
            let named = page.split("<Key>").skip(1).filter_map(|part| Some(part.split_once("</Key>")?.0.to_owned()));
            let named: Vec<String> = named.collect();
            after = named.last().cloned().unwrap_or_default();
            keys.extend(named.into_iter().filter(|key| is_meant(key)));
            if !page.contains("<IsTruncated>true</IsTruncated>") {
                return keys;
            }
        }
    }

    /// Where the disks of its machines are.
    pub(crate) fn disks(&self) -> PathBuf {
        self.directory.path().join("cloud")
    }

    /// Calls of S3 that the test cloud has seen, such as `PUT /bucket/a` with their status.
    pub(crate) fn calls(&self) -> Vec<(String, u64)> {
        let state: Value = serde_json::from_str(&http(&self.control, "GET", "/ctl/state", "")).unwrap();
        let calls = state["calls"].as_array().unwrap().iter();
        calls.map(|call| (call[2].as_str().unwrap().into(), call[3].as_u64().unwrap())).collect()
    }

    /// Uploads that are neither done nor taken back.
    pub(crate) fn open_uploads(&self) -> usize {
        http(self.endpoint(), "GET", &format!("/{BUCKET}?uploads"), "").matches("<UploadId>").count()
    }
}

/// The program of the documentation, on a directory.
pub(crate) fn documented(directory: &Path) -> Place {
    let page = std::fs::read_to_string(checkout().join("docs/backend-protocol.md")).unwrap();
    let (_, rest) = page.split_once("```python\n").unwrap();
    let program = directory.join("pipe-directory");
    std::fs::write(&program, rest.split_once("```").unwrap().0).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("directory://{}", directory.join("objects").display());
    Place { program, objects: Objects::Url(url), instances: None, environment: Vec::new() }
}

/// Ten ports that nobody listens on.
fn free_ports() -> Vec<u16> {
    let held: Vec<_> = (0..10).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// The header of a request to a service that looks at no signature.
fn signed_for(service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n"
    )
}

/// An answer's body, of a server that needs no signature.
fn http(server: &str, method: &str, path: &str, body: &str) -> String {
    http_with(server, method, path, "", body)
}

fn http_with(server: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    String::from_utf8(bytes_of(server, method, path, headers, body)).unwrap()
}

fn bytes_of(server: &str, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let host = server.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(!answer.windows(4).take(16).any(|four| four == b" 403"), "{method} {path} was refused");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}
