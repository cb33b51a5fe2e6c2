//! Places with machines are checked before anybody is asked: their settings, and whether a stage fits.

use crate::project::Project;

const SPOT: &str = "remote: {url: s3://bucket/prefix}
backends:
  gpu: spot
  spot:
    ec2-spot:
      region: us-east-1
      instances: [g4dn.xlarge]
      max_price: 0.20
";

const STAGES: &str = "pipeline: p
stages:
  make:
    uses: command
    backend: gpu
    resources: {gpus: 1, gpu_memory: 40GiB}
    run: echo a > ${out.a}
    out: {a: out/a}
";

#[test]
fn forty_gibibytes_on_a_t4_are_refused_before_a_cent_is_spent() {
    let project = Project::with_pipeline(STAGES);
    project.write("pipe.yaml", SPOT);
    for verb in ["check", "run"] {
        let ran = project.pipe(&[verb, "p.yaml"]);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(text.contains("the T4 of g4dn.xlarge has 16 GiB of memory, and 40 GiB are wanted"), "{text}");
        assert!(text.contains("p.yaml:6"), "{text}");
    }
    project.write("pipe.yaml", &SPOT.replace("[g4dn.xlarge]", "[g4dn.xlarge, p4d.24xlarge]"));
    let ran = project.pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 0, "one of its machines has it: {}", ran.stderr);
    let ran = project.pipe(&["plan", "p.yaml", "--backend", "gpu=local"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn every_mistake_in_the_settings_of_a_place_is_told_with_its_line() {
    let project = Project::with_pipeline(STAGES);
    let wrong = SPOT.replace("g4dn.xlarge", "g4dn.xlrage").replace("0.20", "free")
        + "      fallback: maybe\n      colour: red\n";
    project.write("pipe.yaml", &wrong);
    let ran = project.pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!text.contains("there is no type of backend"), "{text}");
    for words in [
        "there is no type of machine `g4dn.xlrage`",
        "pipe.yaml:7",
        "`max_price` must be an amount in US dollars",
        "pipe.yaml:8",
        "`fallback` must be `none` or `on-demand`",
        "pipe.yaml:9",
        "`ec2-spot` has no key `colour`",
        "pipe.yaml:10",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
