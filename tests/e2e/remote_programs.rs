//! What a backend program is asked for: how much travels, what a killed push leaves, and what the probe finds.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::project::{Project, Ran, checkout, eventually, expected, outcomes, signal};
use crate::remote_share::Shared;

/// Two machines whose remote is served by a variant of `pipe-files`, which notes each request in a file.
pub(crate) struct Served {
    pub shared: Shared,
    bin: PathBuf,
    heard: PathBuf,
}

/// The line of the program at which a request is known.
const REQUEST: &str = "(operation, arguments), = request[\"do\"].items()";

impl Served {
    pub(crate) fn new(pipeline: &str, share: bool) -> Served {
        let shared = Shared::new(pipeline, share);
        for project in [&shared.one, &shared.two] {
            let url = format!("files://{}", shared.remote().display());
            project.write("pipe.yaml", &format!("remote: {{url: '{url}', share: {share}}}\n"));
        }
        let (bin, heard) = (shared.one.beside("bin"), shared.one.beside("heard"));
        std::fs::create_dir_all(&bin).unwrap();
        let served = Served { shared, bin, heard };
        served.serve(&|program| program);
        served
    }

    /// Installs the program with this change to it.
    pub(crate) fn serve(&self, change: &dyn Fn(String) -> String) {
        let program = std::fs::read_to_string(checkout().join("tests/fixtures/backends/pipe-files.py")).unwrap();
        let note = format!(
            "{REQUEST}\n        open({:?}, \"a\").write(operation + \" \" + arguments.get(\"name\", \"\") + \"\\n\")",
            self.heard
        );
        let changed = change(program.replace(REQUEST, &note));
        // In place of the former, which may still run.
        let (new, path) = (self.bin.join("new"), self.bin.join("pipe-files"));
        std::fs::write(&new, changed).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    pub(crate) fn command(&self, project: &Project, words: &[&str]) -> Command {
        let mut command = project.command(words);
        command.env("PATH", format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap()));
        command
    }

    pub(crate) fn json(&self, project: &Project, words: &[&str]) -> Value {
        let ran = Ran::from(self.command(project, words).output().unwrap());
        assert_eq!(ran.status, 0, "{}{}", ran.stderr, ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// How often this was asked for, of names that begin so.
    pub(crate) fn asked(&self, request: &str) -> usize {
        let heard = std::fs::read_to_string(&self.heard).unwrap_or_default();
        heard.lines().filter(|line| line.starts_with(request)).count()
    }

    pub(crate) fn forget(&self) {
        std::fs::write(&self.heard, "").unwrap();
    }
}

#[test]
fn a_changed_file_of_ten_thousand_is_one_put_and_existence_is_asked_in_batches() {
    let pipeline = r#"pipeline: p
params: {last: one}
stages:
  a: {uses: command, run: "mkdir ${out.d}; cd ${out.d}; for i in $(seq 9999); do echo $i > $i; done; echo ${params.last} > last", out: {d: {path: out/d, type: dir}}}
"#;
    let served = Served::new(pipeline, false);
    let one = &served.shared.one;
    one.outcomes(&["--no-publish"]);
    served.json(one, &["cache", "push", "--json"]);
    assert_eq!(served.asked("put blobs/"), 10_000);
    assert!(served.asked("has") <= 12, "{}", served.asked("has"));
    one.outcomes(&["--no-publish", "-S", "last=two"]);
    served.forget();
    let pushed = served.json(one, &["cache", "push", "--json"]);
    let puts = ["put blobs/", "put trees/", "put records/", "put "].map(|request| served.asked(request));
    assert_eq!(puts, [1, 1, 1, 3], "{pushed}");
    assert!(served.asked("has") <= 12, "{}", served.asked("has"));
}

#[test]
fn a_push_that_was_killed_is_gone_on_with() {
    let pipeline = r#"pipeline: p
stages:
  a: {uses: command, run: "mkdir ${out.d}; for i in $(seq 40); do echo $i > ${out.d}/$i; done", out: {d: {path: out/d, type: dir}}}
"#;
    let served = Served::new(pipeline, false);
    let one = &served.shared.one;
    one.outcomes(&[]);
    // The eleventh blob is never answered; the end of its input ends the program.
    served.serve(&|program| {
        let hang = "\n        if operation == \"put\" and arguments[\"name\"].startswith(\"blobs/\"):\n            puts = globals().get(\"puts\", 0) + 1\n            globals()[\"puts\"] = puts\n            if puts > 10:\n                open(HUNG, \"w\").close()\n                sys.stdin.read()\n                sys.exit()\n        if operation == \"cancel\":";
        let hung = format!("{:?}", one.beside("hung"));
        program.replace("\n        if operation == \"cancel\":", &hang.replace("HUNG", &hung))
    });
    let mut child = served.command(one, &["cache", "push"]).spawn().unwrap();
    eventually("it is in the middle", || one.beside("hung").exists());
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(served.shared.objects("blobs").len(), 10);
    assert_eq!(served.shared.objects("records").len(), 0, "records come last");
    served.serve(&|program| program);
    served.forget();
    let pushed = served.json(one, &["cache", "push", "--json"]);
    assert_eq!((served.asked("put blobs/"), &pushed["there"]), (30, &json!(10)), "{pushed}");
    let pulled = served.json(&served.shared.two, &["cache", "pull", "-f", "p.yaml", "--json"]);
    assert_eq!(pulled["pulled"], json!(["a"]), "{pulled}");
}

#[test]
fn a_remote_that_ignores_conditions_is_found_and_serves_artifacts_all_the_same() {
    let pipeline = "pipeline: p\nstages:\n  a: {uses: command, run: \"echo a > ${out.x}\", out: {x: out/x}}\n";
    let served = Served::new(pipeline, true);
    served.serve(&|program| {
        program.replace(
            "os.replace(new, path) if met else os.unlink(new)",
            "os.replace(new, path)\n            met = True",
        )
    });
    let (one, two) = (&served.shared.one, &served.shared.two);
    served.json(one, &["run", "p.yaml", "--json"]);
    let status = served.json(one, &["cache", "status", "--remote", "--json"]);
    assert_eq!(status["conditional_writes"], json!(false), "{status}");
    let status = Ran::from(served.command(one, &["cache", "status", "--remote"]).output().unwrap());
    assert!(
        status.stdout.contains("ignores conditions") && status.stdout.contains("no place for"),
        "{}",
        status.stdout
    );
    assert_eq!(outcomes(&served.json(two, &["run", "p.yaml", "--json"])), expected(&[("a", "hit")]));
    served.forget();
    served.json(two, &["run", "p.yaml", "--json", "--materialize"]);
    assert_eq!((served.asked("get blobs/"), two.read("out/x")), (1, "a\n".to_owned()));
}
