//! What stages beyond this machine cost, attempt by attempt. The place is the program of
//! `tests/fixtures/backends`, whose prices are those of its settings.

use serde_json::Value;

use crate::loopback::{PROGRAM, end, open_gate, start, until_noted, with_waiting};
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
    assert!(text.ends_with("nothing ran beyond this machine; what runs here costs nothing\n"), "{text}");
    assert!(text.contains("killed  not known: it left no report\n"), "{text}");
    let costs = json(&project, &["runs", "--cost", "--json"]);
    assert_eq!((&costs["runs"][0]["cost"], &costs["runs"][0]["outcome"]), (&Value::Null, &"killed".into()));
    assert_eq!(costs["runs"][1]["cost"]["attempts"], 0);
}
