use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::plan::condition::Verdict;
use crate::spec::load;

fn parsed(text: &str) -> Result<Condition, String> {
    let mut sources = Sources::default();
    let source = sources.add(Path::new("p"), format!("params: {{n: 3, on: true, name: abc}}\nwhen: {text:?}\n"));
    let mut problems = Vec::new();
    let root = load::parse(source, &sources, &mut problems).expect("valid YAML");
    let scope = Scope::of(root.get("params").unwrap());
    let stage = |name: &str| match name {
        "model" => Some(StageId::new(1)),
        "a/b[lr=1.5]" => Some(StageId::new(2)),
        _ => None,
    };
    let names = Names { scope: &scope, stage: &stage, stages: &|| vec!["model".to_owned()] };
    parse(root.get("when").unwrap(), &names, &sources).map_err(|problem| {
        let at = problem.span.map(|span| sources.locate(span).column).unwrap_or_default();
        format!("{at}: {}", problem.message)
    })
}

/// Metrics of `model`: loss = 1.5; nothing else is known.
fn check(text: &str, expect: &str) {
    let condition = match parsed(&format!("${{{text}}}")) {
        Ok(condition) => condition,
        Err(problem) => return assert_eq!(problem, expect, "{text}"),
    };
    let metric = |stage: StageId, name: &str| (stage.index() == 1 && name == "loss").then_some(1.5);
    let verdict = match condition.evaluate(&metric) {
        Verdict::True => "true".to_owned(),
        Verdict::False => "false".to_owned(),
        Verdict::Unknown { stage, metric } => format!("{}.{metric}?", stage.index()),
        Verdict::Undefined(why) => format!("undefined: {why}"),
    };
    assert_eq!(verdict, expect, "{text}");
}

#[test]
fn conditions_have_the_usual_meaning_and_precedence() {
    check("stages.model.metrics.loss < 2.0", "true");
    check("stages.model.metrics.loss*2 == 3", "true");
    check("stages.model.metrics.loss - 1 > 1", "false");
    check("params.on", "true");
    check("!params.on || params.n >= 3 && params.name == 'abc'", "true");
    check("not (params.n < 4) or false", "false");
    check("1 + 2 * 3 == 7 and -params.n == 0 - 3", "true");
    check("1e-4 < .5", "true");
    check("\"a\" < \"b\"", "true");
}

#[test]
fn a_calculation_without_a_value_is_no_condition() {
    check("1/0 > 5", "10: the condition divides by zero");
    check("0/0 == 0/0", "10: the condition divides by zero");
    check("2 > 1 && -1/(params.n - 3) < 0", "19: the condition divides by zero");
    check("1e308 * 10 > 1", "10: the condition calculates a number that is too large");
    check("1e999 > 1", "10: `1e999` is too large");
    check("stages.model.metrics.loss > 1 && 1/0 > 5", "43: the condition divides by zero");
    check("stages.model.metrics.loss / 0 > 5", "10: the condition divides by zero");
    // Decided without it.
    check("params.n != 3 && 1/(params.n - 3) > 0", "false");
    check("params.n == 3 || 1/(params.n - 3) > 0", "true");
    check("1/(stages.model.metrics.loss - 1.5) > 0", "undefined: divides by zero");
    check("stages.model.metrics.loss * 1e308 > 0", "true");
    check("stages.model.metrics.loss * 1e308 * 2 > 0", "undefined: calculates a number that is too large");
    check("stages.model.metrics.loss < 1 && 1/(stages.model.metrics.loss - 1.5) > 0", "false");
    check("stages.model.metrics.other > 1 && 1/(stages.model.metrics.loss - 1.5) > 0", "1.other?");
}

#[test]
fn what_is_decided_without_a_metric_does_not_ask_for_it() {
    check("stages.model.metrics.other > 1", "1.other?");
    check("stages.a/b[lr=1.5].metrics.loss > 1", "2.loss?");
    check("false && stages.model.metrics.other > 1", "false");
    check("stages.model.metrics.other > 1 && false", "false");
    check("stages.model.metrics.other > 1 || params.on", "true");
    let condition = parsed("${stages.model.metrics.a > stages.a/b[lr=1.5].metrics.b}").unwrap();
    let read: Vec<_> = condition.reads().map(|(stage, metric)| (stage.index(), metric)).collect();
    assert_eq!(read, [(1, "a"), (2, "b")]);
}

#[test]
fn mistakes_are_told_with_their_place() {
    check("stages.modle.metrics.loss < 2", "10: there is no stage `modle`");
    check("params.n < 'x'", "10: compares a number with text");
    check("params.n", "10: a condition must be true or false, found a number");
    check("params.m > 1", "10: there is no `params.m`");
    check("params.n > 1 params.n", "23: the condition should have ended before this");
    check("params.n >", "20: the condition ends where a value should be");
    check("(params.on", "10: `(` without `)`");
    check("params.on && 3", "23: what `&&` and `||` join must be true or false, found a number");
    check("params.on < true", "20: true and false have no order");
    check("loss < 2", "10: `loss` names nothing");
    check("params.n ~ 2", "19: '~' means nothing in a condition");
    check("stages.model.loss < 2", "10: a metric is written stages.NAME.metrics.METRIC");
    assert!(parsed("loss").unwrap_err().contains("one `${..}` and nothing else"));
    check(&"(".repeat(200), "10: the condition is nested too deep");
    // Neither needs a parenthesis to nest as deep as it is long.
    check(&format!("1{} > 2", " + 1".repeat(50_000)), "7: the condition is of more than 500 words");
    check(&format!("{}true", "!".repeat(50_000)), "7: the condition is of more than 500 words");
    check(&format!("1{} > 2", " + 1".repeat(200)), "true");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9 .()<>=!&|+*/'\"-]{0,60}") {
        let _ = parsed(&format!("${{{text}}}"));
        let _ = parsed(&text);
    }
}
