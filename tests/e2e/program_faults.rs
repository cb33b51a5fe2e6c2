//! Backend programs that die, hang, talk too much or talk nonsense: what `pipe` makes of it, and what is left behind.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::project::{Project, Ran, eventually, expected, outcomes, signal};
use crate::remote_programs::Served;

const PIPELINE: &str = r#"pipeline: p
stages:
  a: {uses: command, run: "mkdir ${out.d}; echo 1 > ${out.d}/f; echo 2 > ${out.d}/g", out: {d: {path: out/d, type: dir}}}
  b: {uses: command, in: {d: a.d}, run: "cat ${in.d}/f > ${out.x}", out: {x: out/x}}
"#;

/// Before a request is looked at: what the program does then. `operation` and `arguments` are known.
const BEFORE: &str = "        if operation == \"cancel\":";

/// Instead of the answer to a request.
const ANSWER: &str =
    "            answer({\"id\": request[\"id\"], \"done\": getattr(service, operation)(**arguments)})";

/// Before anything is read.
const BEGIN: &str = "    hello = json.loads(sys.stdin.readline())[\"hello\"]";

/// The program with these lines before a request.
fn before(program: &str, lines: &str) -> String {
    assert!(program.contains(BEFORE));
    program.replace(BEFORE, &format!("{lines}\n{BEFORE}"))
}

fn answering(program: &str, lines: &str) -> String {
    assert!(program.contains(ANSWER));
    program.replace(ANSWER, lines)
}

fn begin(program: &str, lines: &str) -> String {
    assert!(program.contains(BEGIN));
    program.replace(BEGIN, &format!("{lines}\n{BEGIN}"))
}

/// A file in which the program notes something, as Python writes its name.
fn note(served: &Served, name: &str) -> (PathBuf, String) {
    let path = served.shared.one.beside(name);
    let written = format!("{:?}", path.display().to_string());
    (path, written)
}

fn ran(mut command: Command) -> Ran {
    Ran::from(command.output().unwrap())
}

fn lines(path: &PathBuf) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Whether a process of this number is there and runs.
fn lives(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

#[test]
fn ctrl_c_ends_a_verb_whose_program_says_nothing_and_the_program_with_it() {
    let served = Served::new(PIPELINE, false);
    let one = &served.shared.one;
    served.json(one, &["run", "p.yaml", "--json"]);
    served.json(one, &["cache", "push", "--json"]);
    let (silent, name) = note(&served, "silent");
    let hang = format!("open({name}, \"w\").write(str(os.getpid())); time.sleep(10000)");
    let check = |words: &[&str]| {
        let _ = std::fs::remove_file(&silent);
        let child = served.command(one, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("it says nothing", || lines(&silent).len() == 1);
        let program = lines(&silent).remove(0);
        signal(&child, "-INT");
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.status, 130, "{words:?}: {}{}", ran.stderr, ran.stdout);
        assert!(ran.stderr.contains("interrupted"), "{words:?}: {}", ran.stderr);
        assert!(!lives(&program), "{words:?}: the program was left behind");
    };
    served.serve(&|program| begin(&program, &format!("    {hang}")));
    check(&["cache", "status", "--remote"]);
    for (operation, words) in [
        ("has", &["cache", "push"][..]),
        ("list", &["cache", "status", "--remote"]),
        ("list", &["cache", "gc", "--remote"]),
        ("get", &["cache", "pull", "-f", "p.yaml"]),
    ] {
        served.serve(&|program| before(&program, &format!("        if operation == {operation:?}: {hang}")));
        check(words);
    }
}

#[test]
fn a_run_whose_program_says_nothing_tells_so_and_ends_at_ctrl_c() {
    let served = Served::new(PIPELINE, true);
    let (silent, name) = note(&served, "silent");
    let hang = format!("    open({name}, \"w\").write(str(os.getpid())); time.sleep(10000)");
    served.serve(&|program| begin(&program, &hang));
    let (heard, _) = note(&served, "stderr");
    let stderr = std::fs::File::create(&heard).unwrap();
    let mut child: Child = served.command(&served.shared.one, &["run", "p.yaml"]).stderr(stderr).spawn().unwrap();
    let told = || lines(&heard).iter().any(|line| line.contains("no answer from `pipe-files` for"));
    eventually("it is told", told);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130), "{:?}", lines(&heard));
    assert!(!lives(&lines(&silent)[0]));
}

#[test]
fn a_program_that_dies_is_started_anew_and_nothing_is_lost_or_done_twice() {
    // Before it did what it was asked for, and after it, when nobody knows.
    for (operation, name, after) in
        [("put", "blobs/", false), ("put", "records/", false), ("put", "records/", true), ("has", "", false)]
    {
        let served = Served::new(PIPELINE, false);
        let one = &served.shared.one;
        served.json(one, &["run", "p.yaml", "--json"]);
        let (died, written) = note(&served, "died");
        let (starts, started) = note(&served, "starts");
        let die = format!(
            "            if operation == {operation:?} and arguments.get(\"name\", \"\").startswith({name:?}) and not os.path.exists({written}):\n                open({written}, \"w\").close()\n                os._exit(3)"
        );
        served.serve(&|program| {
            let program = begin(&program, &format!("    open({started}, \"a\").write(\"start\\n\")"));
            let done = "            done = getattr(service, operation)(**arguments)";
            let told = "            answer({\"id\": request[\"id\"], \"done\": done})";
            let order = if after { [done, &die, told] } else { [&die, done, told] };
            answering(&program, &order.join("\n"))
        });
        let pushed = ran(served.command(one, &["cache", "push", "--json"]));
        assert_eq!(pushed.status, 0, "{operation} {name}: {}", pushed.stderr);
        assert!(died.exists() && pushed.stderr.contains("is started anew"), "{}", pushed.stderr);
        assert_eq!(lines(&starts).len(), 2);
        let pushed: serde_json::Value = serde_json::from_str(&pushed.stdout).unwrap();
        assert_eq!(
            pushed["sent"]["objects"], 5,
            "{operation} {name} {after}: two files, a manifest, two records: {pushed}"
        );
        let pulled = served.json(&served.shared.two, &["cache", "pull", "-f", "p.yaml", "--json"]);
        assert_eq!(pulled["pulled"], json!(["a", "b"]), "{pulled}");
    }
}

#[test]
fn a_program_that_dies_again_and_again_is_given_up() {
    let served = Served::new(PIPELINE, false);
    let one = &served.shared.one;
    served.json(one, &["run", "p.yaml", "--json"]);
    let (starts, started) = note(&served, "starts");
    let check = |change: &dyn Fn(String) -> String, words: &[&str], most: usize| {
        let _ = std::fs::remove_file(&starts);
        served.serve(&|program| change(begin(&program, &format!("    open({started}, \"a\").write(\"start\\n\")"))));
        let pushed = ran(served.command(one, &["cache", "push"]));
        assert_eq!(pushed.status, 3, "{}", pushed.stderr);
        for word in words {
            assert!(pushed.stderr.contains(word), "no `{word}` in {}", pushed.stderr);
        }
        assert!((1..=most).contains(&lines(&starts).len()), "{:?}", lines(&starts));
    };
    let at_records = "        if operation == \"put\" and arguments[\"name\"].startswith(\"records/\"): os._exit(3)";
    let words = ["error:", "ended in the middle, so it is not known whether records/", "was written"];
    check(&|program| before(&program, at_records), &words, 6);
    check(&|program| before(&program, "        os._exit(3)"), &["error:", "ended in the middle"], 1);
    check(&|program| begin(&program, "    sys.exit(\"no licence\")"), &["it said: no licence"], 1);
}

#[test]
fn what_a_program_says_to_people_is_heard_to_its_end_and_in_lines_of_its_own() {
    let served = Served::new(PIPELINE, true);
    let noise = r#"    os.write(2, b"\xff\xfe no text\n")
    import threading
    def flood():
        for _ in range(512): os.write(2, b"x" * 65536)
        os.write(2, b"\nbehind it\n")
        open(FLOODED, "w").close()
    threading.Thread(target=flood, daemon=True).start()"#;
    let (flooded, name) = note(&served, "flooded");
    let wait = format!("        while not os.path.exists({name}): time.sleep(0.01)");
    served.serve(&|program| before(&begin(&program, &noise.replace("FLOODED", &name)), &wait));
    let run = ran(served.command(&served.shared.one, &["run", "p.yaml"]));
    assert_eq!(run.status, 0, "{}", &run.stderr[..run.stderr.len().min(4000)]);
    assert!(flooded.exists() && run.stderr.len() < 10_000, "{}", run.stderr.len());
    for word in ["no text", "xxx...", "behind it"] {
        assert!(run.stderr.contains(word), "no `{word}` in {}", run.stderr);
    }
    assert_eq!(
        outcomes(&served.json(&served.shared.two, &["run", "p.yaml", "--json"])),
        expected(&[("a", "hit"), ("b", "hit")])
    );
}

#[test]
fn words_of_a_program_forge_no_lines() {
    let served = Served::new(PIPELINE, false);
    let one = &served.shared.one;
    served.json(one, &["run", "p.yaml", "--json"]);
    served.json(one, &["cache", "push", "--json"]);
    let (hanging, name) = note(&served, "hanging");
    let check = |change: &dyn Fn(String) -> String, words: &[&str]| {
        served.serve(change);
        let told = ran(served.command(one, &["cache", "status", "--remote"]));
        assert_eq!(told.status, 3, "{}", told.stderr);
        assert!(words.iter().all(|word| told.stderr.contains(word)), "{}", told.stderr);
        assert!(!told.stderr.lines().any(|line| line.starts_with("forged")), "{}", told.stderr);
    };
    let fail = "            raise Failure(\"broken\", \"no\\nforged: \\x1b[31mred\")";
    check(&|program| answering(&program, fail), &["no\\nforged", "\\x1b[31m"]);
    // It stays although nobody wants it any more.
    let version = format!(
        "    open({name}, \"w\").write(str(os.getpid()))\n    print(json.dumps({{\"hello\": {{\"protocol\": 2, \"program\": \"x 9\\nforged\", \"offers\": [\"objects\"]}}}}), flush=True)\n    time.sleep(10000)"
    );
    check(&|program| begin(&program, &version), &["speaks protocol 2"]);
    assert!(!lives(&lines(&hanging)[0]), "a program that is not wanted ends at once");

    served.serve(&|program| program);
    let marker = served.shared.remote().join("pipe-store.json");
    let text = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, text.replace("\"made_by\": \"pipe", "\"made_by\": \"x\\nforged: pipe")).unwrap();
    let status = ran(served.command(one, &["cache", "status", "--remote"]));
    assert_eq!(status.status, 0, "{}", status.stderr);
    assert!(status.stdout.contains("made by x\\nforged: pipe"), "{}", status.stdout);
}

#[test]
fn one_object_that_is_denied_is_a_miss_with_one_warning() {
    let served = Served::new(PIPELINE, true);
    let (one, two) = (&served.shared.one, &served.shared.two);
    let report = served.json(one, &["run", "p.yaml", "--json"]);
    let key = report["stages"]["b"]["key"].as_str().unwrap().to_owned();
    served.serve(&|program| {
        let lines = format!(
            "            if operation == \"get\" and {key:?} in arguments[\"name\"]: raise Failure(\"denied\", \"not for you\")\n{ANSWER}"
        );
        answering(&program, &lines)
    });
    let run = ran(served.command(two, &["run", "p.yaml"]));
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(run.stderr.matches("not for you").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("b: what the remote has of it is not used: records/"), "{}", run.stderr);
    assert!(!run.stderr.contains("goes on without it"), "{}", run.stderr);
    assert_eq!(two.read("out/x"), "1\n");
}

#[test]
fn the_clock_of_this_machine_removes_nothing_from_a_remote() {
    let served = Served::new(PIPELINE, false);
    let (one, two) = (&served.shared.one, &served.shared.two);
    served.json(one, &["run", "p.yaml", "--json"]);
    // The clock of the place, by which it dates objects, is a year behind that of this machine.
    served.serve(&|program| {
        let behind = "int(stat.st_mtime) - 365 * 24 * 60 * 60";
        program.replace("int(stat.st_mtime)", behind)
    });
    served.json(one, &["cache", "push", "--json"]);
    // A stage that runs elsewhere: its lease is fresh.
    let lease = served.shared.remote().join("actions").join(contract::Digest::of(b"x").to_string());
    std::fs::create_dir_all(&lease).unwrap();
    std::fs::write(lease.join("lease.json"), "{}").unwrap();
    let pipeline = "pipeline: q\nstages:\n  c: {uses: command, run: \"echo c > ${out.x}\", out: {x: out/c}}\n";
    two.write("q.yaml", pipeline);
    assert_eq!(two.run_json_of("q.yaml", &[], 0)["outcome"], "succeeded");
    let gc = |project: &Project| served.json(project, &["cache", "gc", "--remote", "--json"]);
    let collected = gc(two);
    assert_eq!(collected["removed"]["records"]["count"], 0, "{collected}");
    assert_eq!(collected["removed"]["objects"]["count"], 0, "{collected}");
    assert_eq!(collected["live_actions"], 1, "{collected}");
    assert!(std::fs::read_dir(served.shared.remote().join("probe")).unwrap().next().is_none(), "no probe stays");
    // Older than the grace by the clock of the place, they go.
    served.serve(&|program| {
        program.replace(
            "int(stat.st_mtime)",
            "int(stat.st_mtime) - (0 if name.startswith(\"probe/\") else 365 * 24 * 60 * 60)",
        )
    });
    let collected = gc(two);
    assert_eq!(collected["removed"]["records"]["count"], 2, "{collected}");
    assert_eq!(collected["removed"]["actions"]["count"], 1, "{collected}");
}
