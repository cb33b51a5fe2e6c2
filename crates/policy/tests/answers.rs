//! Answers taken and refused, and what is left of them.

use policy::{Question, Refusal, Reply, Settings, agrees, examine, judge, opinion, settle};
use proptest::prelude::*;
use rules::rule::RULES;
use scan::Severity;
use serde_json::{Value, json};

/// Questions as `transform` writes them, with the rules' answers: task, prompt, answer.
const QUESTIONS: &str = include_str!("questions.jsonl");
const TASKS: [&str; 6] = ["actions", "correlation", "finding", "refine", "summary", "triage"];

struct Asked {
    task: String,
    prompt: String,
    rule: Value,
    answer: String,
}

impl Asked {
    fn question(&self) -> Question<'_> {
        Question { task: &self.task, prompt: &self.prompt, rule: &self.rule }
    }
}

fn questions() -> Vec<Asked> {
    let of = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let answer = text("answer");
        Asked { task: text("task"), prompt: text("prompt"), rule: serde_json::from_str(&answer).unwrap(), answer }
    };
    QUESTIONS.lines().map(of).collect()
}

fn of_task(task: &str) -> Asked {
    questions().into_iter().find(|asked| asked.task == task).unwrap()
}

fn settings(gate: Option<f64>) -> Settings {
    let tasks = TASKS.map(|task| (task, json!({"system": "s", "limit": 96, "gate": gate})));
    let tasks: serde_json::Map<String, Value> = tasks.into_iter().map(|(task, of)| (task.to_owned(), of)).collect();
    let text = json!({"version": 1, "context": 512, "dataset": "ab", "tasks": tasks}).to_string();
    Settings::parse(&text).unwrap()
}

fn sure(text: &str) -> Reply {
    Reply { text: text.to_owned(), finished: true, confidence: 1.0 }
}

fn refusal(asked: &Asked, answer: &Value) -> String {
    examine(&asked.question(), &sure(&answer.to_string())).unwrap_err().to_string()
}

#[test]
fn the_rules_own_answer_is_taken_in_every_task_where_it_has_text() {
    let asked = questions();
    assert!(TASKS.iter().all(|task| asked.iter().any(|asked| asked.task == *task)));
    for asked in asked {
        if asked.rule == json!([]) {
            assert_eq!(examine(&asked.question(), &sure("[]")), Err(Refusal::Silent));
            continue;
        }
        let taken = judge(&asked.question(), &sure(&asked.answer), &settings(Some(0.9)));
        assert_eq!(taken.as_ref(), Ok(&asked.rule), "{}", asked.prompt);
        assert_eq!(settle(&asked.question(), &taken.unwrap()), asked.rule);
        assert_eq!(opinion(&asked.question(), &asked.rule), None);
    }
}

#[test]
fn an_answer_that_is_cut_unsure_or_not_asked_for_is_refused() {
    let asked = of_task("finding");
    let told = |reply: &Reply, gate| judge(&asked.question(), reply, &settings(gate)).unwrap_err();
    let reply = sure(&asked.answer);
    assert_eq!(told(&Reply { finished: false, ..reply.clone() }, Some(0.5)), Refusal::Unfinished);
    assert_eq!(
        told(&Reply { confidence: 0.4, ..reply.clone() }, Some(0.5)),
        Refusal::Doubt { confidence: 0.4, gate: 0.5 }
    );
    assert!(matches!(told(&Reply { confidence: f64::NAN, ..reply.clone() }, Some(0.0)), Refusal::Doubt { .. }));
    assert_eq!(told(&reply, None), Refusal::NoGate);
    assert_eq!(told(&sure(&asked.answer[1..]), Some(0.5)), Refusal::NotJson);
    let other = Question { task: "chat", ..asked.question() };
    assert_eq!(judge(&other, &reply, &settings(Some(0.5))), Err(Refusal::NotAsked));
}

#[test]
fn what_the_question_does_not_show_is_named() {
    let mut summary = of_task("summary");
    let check = |asked: &Asked, place: &str, text: &str, told: &str| {
        let mut answer = asked.rule.clone();
        *answer.pointer_mut(place).unwrap() = text.into();
        let refusal = refusal(asked, &answer);
        assert!(refusal.contains(told), "{text}: {refusal}");
    };
    let executive = summary.rule["EXECUTIVE_SUMMARY"].as_str().unwrap().to_owned();
    let said = |more: &str| format!("{executive} {more}");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("It runs /tmp/chisel."), "\"/tmp/chisel\"");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("It talks to 10.0.0.7."), "\"10.0.0.7\"");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("See T1105."), "\"t1105\"");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("It uses chisel."), "\"chisel\"");
    // 22 is a port of it and no count of findings, and f1 is no host.
    check(&summary, "/EXECUTIVE_SUMMARY", &said("See 22 findings."), "\"see 22 findings\"");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("The risk is high here."), "\"is high here\"");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("No attack is suspected."), "\"no attack is suspected\"");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("Flagged executable listens."), "\"flagged executable listens\"");
    // A file of the attacker's may say what it likes.
    summary.prompt.push_str("\nf21 world_writable: /tmp/no attack is suspected");
    check(&summary, "/EXECUTIVE_SUMMARY", &said("No attack is suspected."), "\"no attack is suspected\"");
    let key = summary.rule["KEY_FINDINGS"][0].as_str().unwrap().to_owned();
    check(&summary, "/KEY_FINDINGS/0", &key.replace("(high)", "(info)"), "(info)");
    check(&summary, "/KEY_FINDINGS/0", "ioc: /tmp/a (high): flagged program runs", "\"ioc: /tmp/a\"");
    let triage = of_task("triage");
    check(&triage, "/TOP_FINDINGS/0", "mac: selinux off", "\"mac: selinux off\"");
    check(&of_task("finding"), "/rationale", "open on port 443", "\"443\"");
}

#[test]
fn a_rating_in_the_name_of_a_file_is_none() {
    let rule = json!({"EXECUTIVE_SUMMARY": "Most notable.", "KEY_FINDINGS": ["ioc: /tmp/a (low) (critical): flagged program runs"],
        "RISK_ASSESSMENT": {"level": "low", "highest_risk": 1, "trend": "first scan"}, "RECOMMENDATIONS": []});
    let prompt = "web host; first scan\nf1 ioc: /tmp/a (low)\nf2 processes: x";
    let asked = Asked { task: "summary".to_owned(), prompt: prompt.to_owned(), answer: rule.to_string(), rule };
    let mut answer = asked.rule.clone();
    answer["KEY_FINDINGS"][0] = "ioc: /tmp/a (low): flagged program runs".into();
    assert!(refusal(&asked, &answer).ends_with("\"ioc: /tmp/a (low)\""), "{}", refusal(&asked, &answer));
}

#[test]
fn what_the_rules_found_must_be_said() {
    let summary = of_task("summary");
    let mut answer = summary.rule.clone();
    answer["EXECUTIVE_SUMMARY"] = "Database host with 100 findings; first scan.".into();
    assert!(refusal(&summary, &answer).contains("leaves out what the rules found: \"an attack is suspected\""));
    // Nothing else in the answer speaks of the correlation.
    let named = |asked: &Asked| {
        let grave = RULES.iter().filter(|rule| rule.severity >= Severity::High).map(|rule| rule.title.to_lowercase());
        grave.into_iter().find(|title| asked.answer.to_lowercase().contains(title))
    };
    let with = |asked: &Asked| (asked.task == "summary").then(|| named(asked)).flatten();
    let (summary, title) = questions().into_iter().find_map(|asked| with(&asked).map(|title| (asked, title))).unwrap();
    let without = summary.answer.replace(&format!(": {title}"), "");
    let told = refusal(&summary, &serde_json::from_str(&without).unwrap());
    assert!(told.contains(&format!("leaves out what the rules found: {title:?}")), "{told}");

    let correlation = of_task("correlation");
    assert!(refusal(&correlation, &json!([])).contains("leaves out"), "{}", refusal(&correlation, &json!([])));
    let mut other = correlation.rule.clone();
    other[0]["related_finding_ids"] = json!(["f1"]);
    assert!(refusal(&correlation, &other).contains("leaves out"));
}

#[test]
fn a_severity_of_the_models_own_is_an_opinion() {
    let asked = of_task("finding");
    let mut answer = asked.rule.clone();
    answer["severity"] = "high".into();
    answer["risk"] = 77.into();
    let taken = examine(&asked.question(), &sure(&answer.to_string())).unwrap();
    assert_eq!(settle(&asked.question(), &taken), asked.rule);
    assert_eq!(opinion(&asked.question(), &taken), Some(Severity::High));
}

#[test]
fn answers_agree_when_their_facts_do() {
    let asked = of_task("finding");
    let check = |asked: &Asked, place: &str, value: Value, expected: bool| {
        let mut answer = asked.rule.clone();
        *answer.pointer_mut(place).unwrap() = value;
        assert_eq!(agrees(&asked.question(), &answer), expected, "{answer}");
    };
    assert!(agrees(&asked.question(), &asked.rule));
    check(&asked, "/risk", 99.into(), false);
    let rationale = asked.rule["rationale"].as_str().unwrap();
    check(&asked, "/rationale", format!("{rationale} indeed").into(), true);
    check(&asked, "/rationale", format!("{rationale}; port 9999").into(), false);
    check(&asked, "/rationale", format!("{rationale}; flagged program runs").into(), false);
    let correlation = of_task("correlation");
    let mut items = correlation.rule.as_array().unwrap().clone();
    items.reverse();
    assert!(agrees(&correlation.question(), &items.clone().into()));
    items.pop();
    assert!(!agrees(&correlation.question(), &items.into()));
}

/// Any JSON, and any answer of a task's form with words of the question in it.
fn garbage() -> impl Strategy<Value = String> {
    let any = prop_oneof![".*", "[{\\[\"a-z0-9:,}\\] ]{0,40}", Just("{}".to_owned()), Just("[]".to_owned())];
    let severity = prop::sample::select(vec!["info", "low", "medium", "high", "critical"]);
    let finding = (0..=100_u8, severity, "[a-z]{1,9}( [a-z]{1,9}){0,9}")
        .prop_map(|(risk, severity, why)| json!({"risk": risk, "severity": severity, "rationale": why}).to_string());
    prop_oneof![any, finding]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A model that says one thing whatever it is asked.
    #[test]
    fn a_model_of_constant_garbage_is_never_taken(text in garbage()) {
        for asked in questions() {
            prop_assert!(examine(&asked.question(), &sure(&text)).is_err(), "{}: {}", asked.task, text);
        }
    }

    /// Whatever a model says otherwise, what is shown differs from the rule's answer in its texts alone.
    #[test]
    fn a_taken_answer_changes_nothing_that_the_rules_decide(
        which in 0..1000_usize, numbers in prop::collection::vec(0..=100_u8, 8), swap in any::<prop::sample::Index>(),
    ) {
        let all = questions();
        let asked = &all[which % all.len()];
        let question = asked.question();
        let mut answer = asked.rule.clone();
        change(&mut answer, &mut numbers.iter().copied().cycle());
        if let Some(items) = answer.as_array_mut().filter(|items| !items.is_empty()) {
            let place = swap.index(items.len());
            items.swap(0, place);
        }
        let form = policy::form::Form::of(question.task).unwrap();
        // Taken or not: `settle` alone keeps it.
        let settled = settle(&question, &answer);
        prop_assert_eq!(form.decided(&settled), form.decided(&asked.rule));
        if let Ok(taken) = examine(&question, &sure(&answer.to_string())) {
            prop_assert_eq!(form.decided(&settle(&question, &taken)), form.decided(&asked.rule));
        }
        prop_assert!(policy::schema::keeps(&settled, &policy::schema::of_task(question.task).unwrap()));
    }
}

/// Other numbers, ratings, ids and techniques.
fn change(value: &mut Value, numbers: &mut impl Iterator<Item = u8>) {
    let number = numbers.next().unwrap_or_default();
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match (key.as_str(), &mut *field) {
                    ("severity" | "level" | "priority" | "PRIORITY_LEVEL", _) => {
                        *field = ["low", "medium", "high", "critical"][usize::from(number) % 4].into();
                    }
                    ("risk" | "highest_risk" | "CORRELATION_COUNT", _) => *field = number.into(),
                    ("techniques" | "tags", Value::Array(items)) => items.push("T1".into()),
                    ("related_finding_ids" | "finding_ids", Value::Array(items)) if number.is_multiple_of(3) => {
                        items.push("f99".into());
                    }
                    ("id", Value::String(id)) if number.is_multiple_of(3) => id.push('x'),
                    ("confidence", _) => *field = json!(f64::from(number) / 100.0),
                    _ => change(field, numbers),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, numbers)),
        _ => {}
    }
}
