//! Secrets that a service of AWS keeps: read on the machine with its own role, and found nowhere else.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::runs::Project;

const OF_PARAMETER: &str = "hunter2-of-a-parameter";
const OF_SECRET: &str = "hunter2-of-a-secret";

/// The key with which each kind of machine signs, and that of the user.
const READERS: [(&str, &str); 3] = [("spot", "ASIATEST"), ("sm", "ASIASM"), ("local", "test")];

const PIPELINE: &str = r#"pipeline: p
secrets: {hf: {ssm: /pipe/hf}, key: {secrets_manager: "ARN"}}
stages:
  a:
    uses: command
    run: "echo has $HF; cat $KEY; { printf %s \"$HF\"; cat $KEY; } | sha256sum > ${out.x}"
    secrets: {HF: hf, KEY: {use: key, as: file}}
    out: {x: out/x}
    backend: gpu
"#;

/// A project whose stage names a parameter and a secret, which the account has.
fn project() -> Option<Project> {
    let project = Project::new("spot", PIPELINE)?;
    let parameter = json!({"Name": "/pipe/hf", "Value": OF_PARAMETER, "Type": "SecureString"});
    project.server.ask_json("ssm", "AmazonSSM.PutParameter", &parameter);
    let secret = json!({"Name": "pipe/key", "SecretString": OF_SECRET});
    let made = project.server.ask_json("secretsmanager", "secretsmanager.CreateSecret", &secret);
    project.write("p.yaml", &PIPELINE.replace("ARN", made["ARN"].as_str().unwrap()));
    Some(project)
}

#[test]
fn secrets_of_services_reach_the_stage_everywhere_and_lie_nowhere() {
    let Some(project) = project() else { return };
    let expected = filtered("sha256sum", format!("{OF_PARAMETER}{OF_SECRET}").as_bytes());
    for (backend, reader) in READERS {
        let before = readers(&project).len();
        project.run(&["--backend", &format!("gpu={backend}"), "--refresh", "a"], 0);
        assert_eq!(std::fs::read(project.path("out/x")).unwrap(), expected, "{backend}");
        let log = project.command(&["logs", "a"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&log.stdout), "has ***\n***", "{backend}");
        // Whose credentials read them, once each.
        let read = readers(&project).split_off(before);
        let of = |operation: &str| json!([operation, reader]);
        assert_eq!(read, [of("GetParameter"), of("GetSecretValue")], "{backend}");
    }
    project.all_ends();
    nowhere(&project);
}

#[test]
fn a_role_that_may_not_read_a_secret_is_told_the_line_that_its_policy_lacks() {
    let Some(project) = project() else { return };
    let message = "User: arn:aws:sts::123456789012:assumed-role/pipe-worker/i-1 is not authorized to perform: ssm:GetParameter on \
                   resource: arn:aws:ssm:us-east-1:123456789012:parameter/pipe/hf because no identity-based policy allows it";
    let denied =
        json!({"op": "http", "svc": "ssm", "status": 400, "code": "AccessDeniedException", "message": message});
    project.server.faults(json!([denied]));
    let failure = failure(&project);
    for words in [
        "the secret `hf` cannot be read",
        "do not permit ssm:GetParameter on the parameter /pipe/hf",
        r#"{\"Effect\": \"Allow\", \"Action\": \"ssm:GetParameter\", \"Resource\": \"arn:aws:ssm:us-east-1:123456789012:parameter/pipe/hf\"}"#,
        "docs/policies/secrets.json",
    ] {
        assert!(failure.contains(words), "{words}: {failure}");
    }
    project.all_ends();
}

#[test]
fn a_parameter_that_is_not_there_is_named() {
    let Some(project) = project() else { return };
    project.server.ask_json("ssm", "AmazonSSM.DeleteParameter", &json!({"Name": "/pipe/hf"}));
    let failure = failure(&project);
    assert!(failure.contains("the parameter /pipe/hf is not there in us-east-1"), "{failure}");
    assert!(failure.contains("aws ssm put-parameter"), "{failure}");
    assert_eq!(project.launched().len(), 1);
    project.all_ends();
}

/// The failure of the stage in a run on spot, as JSON.
fn failure(project: &Project) -> String {
    project.run(&[], 1)["stages"]["a"]["failure"].to_string()
}

/// Who asked for secrets so far.
fn readers(project: &Project) -> Vec<Value> {
    let all = project.server.state()["readers"].as_array().unwrap().clone();
    all.into_iter().filter(|call| call[0].as_str().unwrap().starts_with("Get")).collect()
}

/// Looks for the values in all that is kept of a stage, on this machine and in the cloud.
fn nowhere(project: &Project) {
    for value in [OF_PARAMETER, OF_SECRET] {
        for directory in [&project.path(""), &project.server.disks()] {
            let found = Command::new("grep").args(["-rl", value]).arg(directory).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{value}");
        }
        assert!(
            project
                .server
                .objects_where(|key| key.ends_with("/spec.json"))
                .iter()
                .all(|(_, spec)| { String::from_utf8_lossy(spec).contains("/pipe/hf") })
        );
        let is_in = |bytes: &[u8]| bytes.windows(value.len()).any(|part| part == value.as_bytes());
        for (name, bytes) in project.server.objects_where(|_| true) {
            assert!(!is_in(&bytes), "{name} holds {value}");
        }
        let state = project.server.state();
        assert!(!is_in(state.to_string().as_bytes()), "a request or a line of the cloud's log holds {value}");
        for script in scripts(&state) {
            assert!(!is_in(&script), "what a machine executes first holds {value}");
        }
    }
}

/// What machines are to execute first: user data, and the entrypoints of jobs.
fn scripts(state: &Value) -> Vec<Vec<u8>> {
    let mut scripts = Vec::new();
    for request in state["requests"].as_array().unwrap() {
        let (operation, body) = (request[0].as_str().unwrap(), request[1].as_str().unwrap());
        if operation == "CreateTrainingJob" {
            let words =
                serde_json::from_str::<Value>(body).unwrap()["AlgorithmSpecification"]["ContainerArguments"].clone();
            let text: String = words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            scripts.push(filtered("base64 -d", text.as_bytes()));
        } else if let Some((_, rest)) = body.split_once("UserData=") {
            let text = rest.split('&').next().unwrap().replace("%3D", "=").replace("%2B", "+").replace("%2F", "/");
            scripts.push(filtered("base64 -d", text.as_bytes()));
        }
    }
    assert_eq!(scripts.len(), 2);
    assert!(scripts.iter().all(|script| script.windows(8).any(|part| part == b"pipe-aws")));
    scripts
}

/// The output of a command for this input.
fn filtered(command: &str, input: &[u8]) -> Vec<u8> {
    let mut shell = Command::new("sh");
    let mut child = shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}
