//! Tests which parts of its neighbours and of the project a confined command sees. Without Landlock it skips, and a line says so.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::project::{Project, Ran, expected};

/// Whether this kernel confines commands: one that cannot read the project by its absolute path is confined.
#[expect(clippy::print_stderr, reason = "a test that looked at nothing says so")]
fn confines() -> bool {
    let project = Project::with_pipeline(
        "pipeline: t\nstages: {a: {uses: command, run: \"if cat $FILE; then echo open; else echo closed; fi > ${out.o}\", env: [FILE], out: {o: out/o}}}\n",
    );
    let mut command = project.command(&["run", "p.yaml"]);
    assert_eq!(Ran::from(command.env("FILE", project.path("pipe.yaml")).output().unwrap()).status, 0);
    let closed = project.read("out/o").ends_with("closed\n");
    if !closed {
        eprintln!("skipped: this kernel has no Landlock");
    }
    closed
}

fn run(command: &mut Command) -> Ran {
    Ran::from(command.output().unwrap())
}

fn fifo(project: &Project, name: &str) {
    assert!(Command::new("mkfifo").arg(project.beside(name)).status().unwrap().success());
}

/// `spy` reads everything it can of every process while `owner` holds its secrets in both forms. Its search text stands in two
/// words in its own environment, so that it does not find itself.
const SPY: &str = r#"pipeline: t
secrets: {one: {env: ONE}, two: {env: TWO}}
stages:
  owner:
    uses: command
    run: "echo up > $UP; read x < $DONE; printf %s $VARIABLE | wc -c > ${out.o}; wc -c < $FILE >> ${out.o}; echo $FILE >> ${out.o}"
    secrets: {VARIABLE: one, FILE: {use: two, as: file}}
    env: [UP, DONE]
    out: {o: out/owner}
  spy:
    uses: command
    run: |
      read x < $UP
      for p in /proc/[0-9]*; do
        tr '\0' '\n' < $p/environ || true
        [ $p = /proc/$$ ] || for f in $p/fd/*; do [ -f $f ] && head -c 100 $f; done
      done > seen 2> /dev/null
      grep -a -c -e $FIRST-secret -e $SECOND-secret seen > ${out.o} || true
      echo done > $DONE
    env: [UP, DONE, FIRST, SECOND]
    out: {o: out/spy}
"#;

/// `pipe` with these words as an ordinary user, also where the tests run as root: root may look into every process.
fn as_ordinary_user(project: &Project, words: &[&str]) -> Command {
    if !rustix::process::geteuid().is_root() {
        return project.command(words);
    }
    let outer = project.root().parent().unwrap();
    std::fs::set_permissions(outer, Permissions::from_mode(0o755)).unwrap();
    for open in [project.root(), &project.beside("")] {
        std::fs::set_permissions(open, Permissions::from_mode(0o777)).unwrap();
    }
    // The build may lie where nobody else may look.
    let pipe = project.beside("pipe");
    std::fs::copy(crate::project::pipe(), &pipe).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--clear-groups"]).arg(pipe).args(words);
    command.current_dir(project.root()).stdin(std::process::Stdio::null()).env("HOME", outer);
    command
}

#[test]
fn no_confined_neighbour_reads_a_secret() {
    if !confines() {
        return;
    }
    let project = Project::with_pipeline(SPY);
    for name in ["up", "done"] {
        fifo(&project, name);
        std::fs::set_permissions(project.beside(name), Permissions::from_mode(0o666)).unwrap();
    }
    let mut command = as_ordinary_user(&project, &["run", "p.yaml", "--jobs", "2"]);
    command.env("ONE", "first-secret").env("TWO", "second-secret").env("FIRST", "first").env("SECOND", "second");
    let ran = run(command.env("UP", project.beside("up")).env("DONE", project.beside("done")));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("out/spy"), "0\n");
    let owner = project.read("out/owner");
    let lines: Vec<&str> = owner.lines().collect();
    assert_eq!(lines[..2], ["12", "13"]);
    assert!(lines[2].starts_with("/dev/fd/"), "{owner}");
}

#[test]
fn a_secret_as_a_file_is_read_again_is_not_written_and_stays_out_of_logs() {
    let project = Project::with_pipeline(
        r#"pipeline: t
secrets: {key: {file: .secrets/key}, token: {env: TOKEN}}
stages:
  reads:
    uses: command
    run: "cat $KEY; cat $KEY $SHORT; (echo more >> $KEY) 2>/dev/null || echo sealed; wc -l < $KEY > ${out.o}; find . -type f -exec cat {} + > $TMPDIR/all; grep -c one-long $TMPDIR/all >> ${out.o} || true"
    secrets: {KEY: {use: key, as: file}, SHORT: {use: token, as: file}}
    out: {o: out/o}
"#,
    );
    project.write(".secrets/key", "-----BEGIN-----\none-long-line-of-key\n");
    let ran = run(project.command(&["run", "p.yaml"]).env("TOKEN", "tokentoken"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // As it lies in the file, its last line ended.
    assert_eq!(project.read("out/o"), "2\n0\n");
    let log = project.pipe(&["logs", "reads"]).stdout;
    assert!(log.contains("sealed") && log.contains("***"), "{log}");
    assert!(!log.contains("one-long") && !log.contains("tokentoken"), "{log}");
    let shell = run(project
        .command(&["shell", "reads", "-f", "p.yaml", "--", "sh", "-c", "cat $SHORT"])
        .env("TOKEN", "tokentoken"));
    assert_eq!((shell.status, shell.stdout.as_str()), (0, "tokentoken"), "{}", shell.stderr);
}

#[test]
fn what_is_wrong_with_a_secret_as_a_file_is_shown_where_it_stands() {
    let check = |used: &str, words: &str| {
        let project = Project::with_pipeline(&format!(
            "pipeline: t\nsecrets: {{k: {{env: K}}}}\nstages: {{a: {{uses: command, run: x, secrets: {{T: {used}}}}}}}\n"
        ));
        let ran = project.pipe(&["check", "p.yaml"]);
        assert!(
            ran.status == 2 && ran.stderr.contains(words) && ran.stderr.contains("p.yaml:3"),
            "{used}: {}",
            ran.stderr
        );
    };
    check("{use: k, as: fifo}", "not as `fifo`");
    check("{as: file}", "needs the key `use`");
    check("{use: nobody, as: file}", "there is no secret `nobody`");
    check("{usw: k}", "has no key `usw`");
}

/// A virtual environment as far as the engine knows one, and a package directory, with a program each.
fn with_tools(yaml: &str) -> Project {
    let project = Project::with_pipeline(yaml);
    for (program, file) in
        [(".venv/bin/greet", ".venv/pyvenv.cfg"), ("web/node_modules/.bin/greet", "web/node_modules/word")]
    {
        project.write(program, "#!/bin/sh\ncat \"$(dirname \"$0\")/../word\" 2>/dev/null || echo hello\n");
        project.write(file, "package\n");
        std::fs::set_permissions(project.path(program), Permissions::from_mode(0o755)).unwrap();
    }
    project.write("uv.lock", "1\n");
    project
}

const TOOLS: &str = r#"pipeline: t
tools: [{path: .venv, key: uv.lock}]
stages:
  named: {uses: command, run: ".venv/bin/greet > ${out.o}", out: {o: out/a}}
  argv: {uses: command, run: [.venv/bin/greet]}
  path: {uses: command, run: "greet > ${out.o}", out: {o: out/b}}
  own: {uses: command, run: "web/node_modules/.bin/greet > ${out.o}", tools: web/node_modules, out: {o: out/c}}
  writes: {uses: command, run: "if echo x > .venv/new; then echo wrote; else echo closed; fi > ${out.o}", out: {o: out/d}}
"#;

#[test]
fn tools_of_the_project_run_by_name_and_by_path_and_cannot_be_written() {
    let project = with_tools(TOOLS);
    let search = format!("{}:/usr/bin:/bin", project.path(".venv/bin").display());
    let ran = run(project.command(&["run", "p.yaml"]).env("PATH", search));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let read = |name: &str| project.read(&format!("out/{name}"));
    assert_eq!((read("a"), read("b"), read("c")), ("hello\n".into(), "hello\n".into(), "package\n".into()));
    if confines() {
        assert_eq!(read("d"), "closed\n");
        assert!(!project.path(".venv/new").exists());
    }
}

#[test]
fn only_the_file_that_stands_for_tools_is_in_the_key() {
    let project = with_tools(TOOLS);
    let run = |words: &[&str]| {
        let search = format!("{}:/usr/bin:/bin", project.path(".venv/bin").display());
        let all = [&["run", "p.yaml", "named", "own", "--json"], words].concat();
        let ran = Ran::from(project.command(&all).env("PATH", search).output().unwrap());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        crate::project::outcomes(&serde_json::from_str(&ran.stdout).unwrap())
    };
    assert_eq!(run(&[]), expected(&[("named", "ran"), ("own", "ran")]));
    project.write(".venv/lib/new.py", "x\n");
    assert_eq!(run(&[]), expected(&[("named", "hit"), ("own", "hit")]));
    project.write("uv.lock", "another\n");
    let why = project.pipe(&["why", "named", "-f", "p.yaml"]);
    assert!(why.stdout.contains("tools .venv changed"), "{}{}", why.stdout, why.stderr);
    assert_eq!(run(&[]), expected(&[("named", "ran"), ("own", "ran")]));
    // A plan that is kept is not believed once the directory has gone.
    std::fs::remove_dir_all(project.path("web/node_modules")).unwrap();
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 2 && ran.stderr.contains("cannot find `web/node_modules`"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_tools_is_shown_where_it_stands() {
    let check = |tools: &str, words: &[&str]| {
        for (file, stage) in
            [(format!("tools: {tools}\n"), String::new()), (String::new(), format!("tools: {tools}, "))]
        {
            let project = with_tools(&format!(
                "pipeline: t\n{file}stages:\n  a: {{uses: command, {stage}run: x, in: {{i: {{path: data/in}}}}, out: {{o: out/dir/a}}}}\n"
            ));
            project.write("data/in", "x");
            project.write("pipe.yaml", "remote: {url: far}\n");
            project.write("far/tools/x", "");
            std::fs::create_dir_all(project.path("out/dir/a")).unwrap();
            let _ = std::os::unix::fs::symlink("cache", project.path("behind"));
            let _ = std::os::unix::fs::symlink(".", project.path("itself"));
            std::fs::create_dir_all(project.path("cache/blobs")).unwrap();
            std::fs::create_dir_all(project.path("cache/records")).unwrap();
            std::fs::create_dir_all(project.path("cache/locks")).unwrap();
            project.write("cache/locks/use", "");
            let ran = project.pipe(&["check", "p.yaml"]);
            assert_eq!(ran.status, 2, "{tools}");
            let all = words.iter().chain(&["p.yaml:", "^"]).all(|word| ran.stderr.contains(word));
            assert!(all, "{tools}: {}", ran.stderr);
        }
    };
    check("[nowhere]", &["cannot find `nowhere`"]);
    check("[uv.lock]", &["`uv.lock` is not a directory"]);
    check("[../beside]", &["leaves the project"]);
    check("[/usr/bin]", &["is absolute"]);
    check("[.]", &["is the project itself"]);
    check("cache", &["the store"]);
    check("behind/blobs", &["lies in the store"]);
    check("far/tools", &["lies in the remote"]);
    check("[itself]", &["contains an output"]);
    check("[out/dir/a]", &["is an output of stage `a`"]);
    check("{path: .venv, key: none.lock}", &["cannot find `none.lock`"]);
    check("[{path: .venv, key: web}]", &["`web` is not a file"]);
    check("[{key: uv.lock}]", &["needs the key `path`"]);
    check("[3]", &["must name directories"]);
    check("[data]", &["lie within one another"]);
}

#[test]
fn a_card_takes_no_tools() {
    let project = Project::with_pipeline("pipeline: t\nstages: {s: {uses: produce, tools: [.]}}\n");
    let ran = project.pipe(&["check", "p.yaml"]);
    assert!(ran.status == 2 && ran.stderr.contains("`tools` is for commands"), "{}", ran.stderr);
}

#[test]
fn the_help_of_a_failure_knows_tools_and_what_else_is_closed() {
    if !confines() {
        return;
    }
    let check = |run: &str, words: &str| {
        let project =
            with_tools(&format!("pipeline: t\nstages: {{a: {{uses: command, run: {run:?}, env: [HERE]}}}}\n"));
        project.write("sub/renv/activate.R", "");
        let search = format!("{}:/usr/bin:/bin", project.path(".venv/bin").display());
        let mut command = project.command(&["run", "p.yaml"]);
        let ran = crate::confinement::run(
            command.env("PATH", search).env("HERE", project.root()).env("HOME", project.root().parent().unwrap()),
        );
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{run}: {}", ran.stderr);
    };
    check(".venv/bin/greet", "`.venv`: write `tools: [.venv]`");
    check("cat $HERE/web/node_modules/word", "`web/node_modules`: write `tools: [web/node_modules]`");
    check("cat sub/renv/activate.R", "`sub/renv`: write `tools: [sub/renv]`");
    check("greet", "`.venv`: write `tools: [.venv]`");
    // A shell that says no path: dash.
    check("dash -c greet", "PATH finds `greet` in `.venv/bin`");
    check("echo \"ModuleNotFoundError: No module named 'numpy'\"; exit 1", "write `tools: [.venv]`");
    check("ls ~", "leads to the project");
    check("mkdir ~/.cache", "a command cannot create");
    check("echo x > $HERE/new", "in the project: declare it under `out:`");
}

/// A pipeline within a command is confined by both.
#[test]
fn a_command_may_run_a_pipeline_of_its_own() {
    let project = Project::with_pipeline(
        r#"pipeline: t
stages:
  outer:
    uses: command
    run: "cp ${in.inner} p.yaml; echo > pipe.yaml; $PIPE run p.yaml; cp out/o ${out.o}"
    env: [PIPE]
    in: {inner: {path: data/inner.yaml}}
    out: {o: result}
"#,
    );
    project.write(
        "data/inner.yaml",
        "pipeline: i\nstages: {a: {uses: command, run: \"echo inner > ${out.o}\", out: {o: out/o}}}\n",
    );
    let ran = run(project.command(&["run", "p.yaml"]).env("PIPE", crate::project::pipe()));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("result"), "inner\n");
}

#[test]
fn a_store_beside_the_project_shows_no_neighbour_either() {
    if !confines() {
        return;
    }
    let project = Project::with_pipeline(
        r#"pipeline: t
stages:
  a: {uses: command, run: "echo private > mine; echo up > $UP; read x < $DONE; echo x > ${out.o}", env: [UP, DONE], out: {o: out/a}}
  b: {uses: command, run: "read x < $UP; cat $STORE/work/*/a/root/mine > ${out.o} 2>/dev/null || true; echo end >> ${out.o}; echo x > $DONE", env: [UP, DONE, STORE], out: {o: out/b}}
"#,
    );
    fifo(&project, "up");
    fifo(&project, "done");
    let mut command = project.command(&["run", "p.yaml", "--jobs", "2"]);
    command.env("PIPE_STORE", project.beside("store")).env("STORE", project.beside("store"));
    let ran = run(command.env("UP", project.beside("up")).env("DONE", project.beside("done")));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(project.read("out/b"), "end\n");
}

#[test]
fn the_peak_memory_of_a_stage_is_its_own() {
    let project = Project::with_pipeline(
        r#"pipeline: t
stages:
  big: {uses: command, run: "head -c 300000000 /dev/zero > ${out.o}", out: {o: out/big}}
  dir: {uses: command, run: "mkdir -p ${out.o}; head -c 200000000 /dev/zero > ${out.o}/x; echo > ${out.o}/y", out: {o: {path: out/dir, type: dir}}}
  small: {uses: command, run: "echo x > ${out.o}", in: {b: big, d: dir}, out: {o: out/small}}
"#,
    );
    let report = project.run_json(&[], 0);
    let peak =
        |stage: &str| report["stages"][stage]["usage"]["peak_memory"].as_u64().unwrap_or_else(|| panic!("{report}"));
    assert!(peak("small") < 30 << 20, "{}", peak("small"));
    assert!(peak("dir") < 30 << 20, "{}", peak("dir"));
}
