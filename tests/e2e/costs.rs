//! What stages beyond this machine cost: afterwards, attempt by attempt, and beforehand. The place is the program of
//! `tests/fixtures/backends`, whose prices are those of its settings.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::loopback::{
    PROGRAM, end, instance, launches, open_gate, project_on, send, start, state, there, until_noted, with_waiting,
};
use crate::project::{Project, signal};

/// US dollars a second, so that a test need not wait for a cent.
const PRICED: &str = "{files: {state: 'files://STATE', lease: 60s, price: 3600}}";

fn json(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    assert_eq!(ran.status, 0, "{words:?}: {}{}", ran.stderr, ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", ran.stdout))
}

#[test]
fn an_attempt_costs_what_it_cost_at_its_launch_and_counts_once_in_the_sum_of_all_runs() {
    let project = with_waiting(PRICED);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    signal(&client, "-INT");
    end(client, 130);
    // The next client finds another price in the settings, and follows the same attempt.
    project.write("pipe.yaml", &project.read("pipe.yaml").replace("price: 3600", "price: 7200"));
    open_gate(&project);
    project.run_json(&[], 0);

    let costs = json(&project, &["runs", "--cost", "--json"]);
    let runs = costs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    let attempts: Vec<&Value> = runs.iter().map(|run| &run["stages"]["waits"][0]).collect();
    assert!(attempts.iter().all(|attempt| attempt["price"] == 3600.0 && attempt["attempt"] == 1), "{costs}");
    assert_eq!((&attempts[0]["end"], &attempts[1]["end"]), (&"finished".into(), &"unknown".into()));
    let took = attempts[0]["ended"].as_f64().unwrap() - attempts[0]["launched"].as_f64().unwrap();
    let cost = attempts[0]["cost"].as_f64().unwrap();
    assert!((cost - took).abs() <= 1.5, "a dollar a second: {cost} for {took} s");
    assert_eq!(runs[0]["cost"]["dollars"], attempts[0]["cost"]);
    assert_eq!(costs["together"], serde_json::json!({"dollars": cost, "attempts": 1, "unpriced": 0}));
    assert!(costs["estimate"].as_str().unwrap().starts_with("an estimate"), "{costs}");

    let text = project.pipe(&["runs", "--cost"]).stdout;
    assert!(text.lines().next().unwrap().ends_with("COST"), "{text}");
    assert!(text.contains("  waits  1 at gpu: finished, ") && text.contains("a child of pipe-files"), "{text}");
    assert!(text.contains("at $3600.000 an hour so far\n"), "the first run left it there: {text}");
    assert!(text.contains("\nin all ") && text.contains("\nan estimate: "), "{text}");
    let shown = project.pipe(&["show", "waits"]).stdout;
    assert!(shown.contains("  cost      ") && shown.contains("an estimate: "), "{shown}");
    assert_eq!(json(&project, &["show", "waits", "--json"])["cost"]["dollars"], attempts[0]["cost"]);
}

#[test]
fn a_place_without_prices_is_said_and_not_taken_for_nothing() {
    let project = with_waiting(PROGRAM);
    open_gate(&project);
    project.run_json(&[], 0);
    let costs = json(&project, &["runs", "--cost", "--json"]);
    assert_eq!(costs["together"], serde_json::json!({"dollars": 0.0, "attempts": 1, "unpriced": 1}));
    let text = project.pipe(&["runs", "--cost"]).stdout;
    assert!(text.contains("no known price\n") && text.contains("in all not known: no price was named\n"), "{text}");
    assert!(!text.contains('$'), "{text}");
    let shown = project.pipe(&["show", "waits"]).stdout;
    assert!(shown.contains("not known: no price was named"), "{shown}");
}

#[test]
fn what_ran_here_costs_nothing_and_a_killed_run_is_not_known() {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  a: {uses: command, run: \"echo > ${out.o}\", out: {o: out/a}}\n",
    );
    assert_eq!(project.pipe(&["runs", "--cost"]).stderr, "no runs here yet; the first: pipe run FILE\n");
    project.run_json(&[], 0);
    let died = project.command(&["run", "p.yaml", "--refresh", "a"]).env("PIPE_FAILPOINT", "before-record").output();
    assert_eq!(died.unwrap().status.code(), None);
    let text = project.pipe(&["runs", "--cost"]).stdout;
    assert!(text.ends_with("no finished run has a cost; that of a run without a report is not known\n"), "{text}");
    assert!(text.contains("killed  not known: it left no report\n"), "{text}");
    let costs = json(&project, &["runs", "--cost", "--json"]);
    assert_eq!((&costs["runs"][0]["cost"], &costs["runs"][0]["outcome"]), (&Value::Null, &"killed".into()));
    assert_eq!(costs["runs"][1]["cost"]["attempts"], 0);
}

/// A project with two stages at a place, the second with two GPUs, and one here.
fn two_there(backend: &str) -> Project {
    let project = project_on(backend);
    project.write(
        "p.yaml",
        "pipeline: p\nparams: {w: a}\nstages:\n  \
         a: {uses: command, run: \"echo ${params.w} > ${out.x}\", out: {x: out/a}, backend: gpu}\n  \
         b: {uses: command, run: \"cat ${in.x} > ${out.x}\", in: {x: a}, out: {x: out/b}, backend: gpu, resources: {gpus: 2}}\n  \
         c: {uses: command, run: \"cat ${in.x} > ${out.x}\", in: {x: b}, out: {x: out/c}}\n",
    );
    project
}

const QUOTED: &str =
    "{files: {state: 'files://STATE', lease: 60s, price: 3600, dearest: 7200, cap: 10000, max_lifetime: 30m}}";

/// What the program was asked about prices.
fn asked(project: &Project) -> usize {
    std::fs::read_to_string(there(project).join("state.instances/asked")).unwrap_or_default().lines().count()
}

/// From now on a program that only notes that it was started.
fn only_note_starts(project: &Project) -> std::path::PathBuf {
    let (program, started) = (project.beside("bin/pipe-files"), project.beside("started"));
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, format!("#!/bin/sh\necho started >> {}\n", started.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    started
}

#[test]
fn a_plan_is_bounded_by_lifetimes_at_first_and_by_times_and_prices_later() {
    let project = two_there(QUOTED);
    let cost = json(&project, &["plan", "p.yaml", "--cost", "--json"])["cost"].clone();
    // Half an hour at the highest price that a launch may have, twice.
    assert_eq!((&cost["least"], &cost["most"], &cost["limit"]), (&0.0.into(), &10_000.0.into(), &10_000.0.into()));
    assert_eq!((&cost["stages"]["a"]["why"], &cost["stages"]["c"]["why"]), (&"no_run_yet".into(), &"here".into()));
    assert_eq!(asked(&project), 2, "once for each sort of machine");
    let text = project.pipe(&["plan", "p.yaml", "--cost"]).stdout;
    assert!(
        text.contains("a      gpu  at most $5000.00  no run there yet: max_lifetime x max_price, 30 min 00 s at $10000.000 an hour\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "gpu: a child of pipe-files, $3600.000 to $7200.000 an hour, never above $10000.000; as its settings say\n"
        ),
        "{text}"
    );
    assert!(text.contains("1 other stage costs nothing: here\nin all at most $10000.00\nan estimate: "), "{text}");

    project.run_json(&[], 0);
    let cost = json(&project, &["plan", "p.yaml", "--cost", "--json", "-S", "w=b"])["cost"].clone();
    let (a, b) = (&cost["stages"]["a"], &cost["stages"]["b"]);
    assert_eq!((&a["why"], &b["why"]), (&"learned".into(), &"learned".into()));
    // The time of its attempt, a minute at least, at a dollar and at two dollars a second.
    let shown = json(&project, &["show", "a", "--json"]);
    let attempt = &shown["attempts"][0];
    let lived = attempt["ended"].as_f64().unwrap() - attempt["launched"].as_f64().unwrap();
    let seconds = lived.max(shown["usage"]["seconds"].as_f64().unwrap());
    assert_eq!(a["seconds"].as_f64(), Some(seconds));
    assert_eq!((a["least"].as_f64(), a["most"].as_f64()), (Some(seconds.max(60.0)), Some(2.0 * seconds.max(60.0))));
    assert_eq!(b["least"], 0.0, "it may turn out up to date");
    let text = project.pipe(&["plan", "p.yaml", "--cost", "-S", "w=b"]).stdout;
    assert!(
        text.contains(" there last time\n") && text.contains("; the places end it at $10000.00 in any case\n"),
        "{text}"
    );
}

#[test]
fn what_is_up_to_date_costs_nothing_and_asks_nobody() {
    let project = two_there(QUOTED);
    project.run_json(&[], 0);
    let started = only_note_starts(&project);
    let cost = json(&project, &["plan", "p.yaml", "--cost", "--json"])["cost"].clone();
    assert_eq!((&cost["least"], &cost["most"]), (&0.0.into(), &0.0.into()));
    let text = project.pipe(&["plan", "p.yaml", "--cost"]).stdout;
    assert_eq!(text, "3 stages cost nothing: nothing is to be done\n");
    project.run_json(&["--max-cost", "0"], 0);
    assert!(!started.exists());
    // Neither does what would run here.
    let text = project.pipe(&["plan", "p.yaml", "--cost", "-S", "w=b", "--backend", "gpu=local"]).stdout;
    assert_eq!(text, "3 stages cost nothing: here\n");
    assert!(!started.exists());
}

#[test]
fn a_price_that_nobody_names_is_said_and_refused_as_a_bound() {
    let project = two_there(PROGRAM);
    let check = |why: &str| {
        let cost = json(&project, &["plan", "p.yaml", "--cost", "--json"])["cost"].clone();
        assert_eq!((&cost["most"], &cost["stages"]["a"]["most"]), (&Value::Null, &Value::Null));
        assert!(cost["stages"]["a"]["why"]["no_price"].as_str().unwrap().contains(why), "{cost}");
        let text = project.pipe(&["plan", "p.yaml", "--cost"]).stdout;
        assert!(text.contains("a      gpu  not known  no price: ") && text.contains(why), "{text}");
        assert!(text.contains("in all not known: 2 stages of unknown price"), "{text}");
        let ran = project.pipe(&["run", "p.yaml", "--max-cost", "100"]);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("nobody knows what the run may cost") && ran.stderr.contains(why),
            "{}",
            ran.stderr
        );
    };
    check("pipe-files has no price in its settings");
    // A program of an earlier version refuses the request as one that it does not know.
    let program = project.read("../beside/bin/pipe-files").replace("def prices(", "def unknown(");
    std::fs::remove_file(project.beside("bin/pipe-files")).unwrap();
    project.write("../beside/bin/pipe-files", &program);
    std::fs::set_permissions(project.beside("bin/pipe-files"), std::fs::Permissions::from_mode(0o755)).unwrap();
    check("it knows no prices");
    std::fs::remove_file(project.beside("bin/pipe-files")).unwrap();
    check("is served by the program pipe-files, which is not there");
    assert!(launches(&project).is_empty());
}

#[test]
fn a_run_that_may_cost_too_much_launches_nothing() {
    let project = two_there(QUOTED);
    let ran = project.pipe(&["run", "p.yaml", "--max-cost", "9999.99"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    for words in [
        "the run may cost $10000.00 beyond this machine, and --max-cost is $9999.99: `a` at gpu: at most $5000.00 (no run",
        "help: raise --max-cost; lower max_price, max_lifetime or budget",
    ] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert!(launches(&project).is_empty() && !state(&project).join("actions").exists());
    assert!(project.pipe(&["runs"]).stderr.contains("no runs here yet"));
    project.run_json(&["--max-cost", "10000"], 0);
    assert_eq!(launches(&project).len(), 2);
    // A stage that is executed although it has a record costs again.
    let ran = project.pipe(&["run", "p.yaml", "--max-cost", "10", "--refresh", "a"]);
    assert!(ran.status == 2 && ran.stderr.contains("`a` at gpu: "), "{}", ran.stderr);
    let wrong = project.pipe(&["run", "p.yaml", "--max-cost", "-1"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("an amount in US dollars, such as 2.50"), "{}", wrong.stderr);
}

#[test]
fn once_it_is_spent_no_further_attempt_is_launched() {
    // It bills more than it says beforehand, as when prices rise.
    let project = with_waiting(
        "{files: {state: 'files://STATE', lease: 8s, price: 3600, quoted: 0.01, cap: 0.01, max_lifetime: 30m}}",
    );
    project.write("p.yaml", &project.read("p.yaml").replace("backend: gpu", "backend: gpu, retry: 3"));
    let client = start(&project, &["--max-cost", "1"]);
    until_noted(&project, "began", 1);
    send("-KILL", &instance(&project, 1));
    let report = end(client, 1);
    let failure = &report["stages"]["waits"]["failure"];
    assert!(failure["message"].as_str().unwrap().starts_with("was not launched: about $"), "{failure}");
    assert!(failure["message"].as_str().unwrap().ends_with(" of --max-cost $1.00 are spent"), "{failure}");
    assert!(failure["help"].as_str().unwrap().starts_with("raise --max-cost"), "{failure}");
    assert_eq!(launches(&project).len(), 1);
    // The next run is not bound by it.
    open_gate(&project);
    project.run_json(&[], 0);
    assert_eq!(launches(&project).len(), 2);
}
