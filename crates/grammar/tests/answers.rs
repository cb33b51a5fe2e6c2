//! Real answers against the grammars of their schemas: the order of keys, what may come next, and that an answer ends in time.

use std::collections::BTreeMap;
use std::rc::Rc;

use grammar::{Constraint, Grammar, GrammarError, Mask, Vocabulary};
use policy::schema;
use proptest::prelude::*;
use serde_json::Value;

/// Questions as `transform` writes them: task, prompt, answer.
const QUESTIONS: &str = include_str!("../../policy/tests/questions.jsonl");
const TASKS: [&str; 6] = ["actions", "correlation", "finding", "refine", "summary", "triage"];

fn answers() -> Vec<(String, String)> {
    let of = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (text("task"), text("answer"))
    };
    QUESTIONS.lines().map(of).collect()
}

/// All bytes, and pieces of answers of up to 7 letters, as a BPE has them.
fn vocabulary() -> Rc<Vocabulary> {
    let mut tokens: BTreeMap<Vec<u8>, u32> = (0..=255_u8).map(|byte| (vec![byte], u32::from(byte))).collect();
    for (place, (_, answer)) in answers().iter().enumerate() {
        for (at, window) in answer.as_bytes().windows(2 + place % 6).enumerate() {
            let next = tokens.len() as u32;
            if at % 3 == 0 {
                tokens.entry(window.to_vec()).or_insert(next);
            }
        }
    }
    Rc::new(Vocabulary::new(tokens.into_iter().map(|(bytes, token)| (token, bytes))))
}

fn constraint(task: &str, vocabulary: &Rc<Vocabulary>) -> Constraint {
    Constraint::new(Grammar::of(schema::text(task).unwrap()).unwrap(), Rc::clone(vocabulary))
}

fn allowed(mask: &mut dyn Mask, left: usize) -> Vec<bool> {
    let mut allowed = vec![false; 1 << 16];
    mask.mark(left, &mut allowed);
    allowed
}

/// A model that answers rightly is never hindered: what is trained is what the schema says, key by key and without a space.
#[test]
fn every_token_of_a_true_answer_may_come_when_there_is_room() {
    let vocabulary = vocabulary();
    let constraints: BTreeMap<&str, Constraint> = TASKS.map(|task| (task, constraint(task, &vocabulary))).into();
    for (task, answer) in answers() {
        let tokens = vocabulary.spell(answer.as_bytes()).unwrap();
        let mut walk = constraints[task.as_str()].walk();
        for (place, token) in tokens.iter().enumerate() {
            assert!(!walk.may_end(), "{task}: {answer}");
            // Little more room than the answer needs: another end may be spelled in some tokens more than the true one.
            let left = tokens.len() - place + 8;
            assert!(allowed(&mut walk, left)[*token as usize], "{task}: token {place} of {answer}");
            walk.push(i64::from(*token));
        }
        assert!(walk.may_end(), "{task}: {answer}");
        assert!(!allowed(&mut walk, 99).contains(&true));
    }
}

#[test]
fn another_order_of_keys_and_spaces_are_not_let_through() {
    let vocabulary = vocabulary();
    let constraint = constraint("finding", &vocabulary);
    let reads = |text: &str| {
        let mut walk = constraint.walk();
        text.bytes().all(|byte| {
            let allowed = allowed(&mut walk, 999)[usize::from(byte)];
            walk.push(i64::from(byte));
            allowed
        }) && walk.may_end()
    };
    assert!(reads(r#"{"risk":3,"severity":"low","rationale":"a \"b\" \u001f ü"}"#));
    for wrong in [
        r#"{"severity":"low","risk":3,"rationale":""}"#,
        r#"{"risk": 3,"severity":"low","rationale":""}"#,
        r#"{"risk":101,"severity":"low","rationale":""}"#,
        r#"{"risk":03,"severity":"low","rationale":""}"#,
        r#"{"risk":3.5,"severity":"low","rationale":""}"#,
        r#"{"risk":3,"severity":"loud","rationale":""}"#,
        r#"{"risk":3,"severity":"low"}"#,
        r#"{"risk":3,"severity":"low","rationale":"\ud800"}"#,
        "{\"risk\":3,\"severity\":\"low\",\"rationale\":\"\n\"}",
        r#"{"risk":3,"severity":"low","rationale":""}}"#,
        r#"{"risk":3,"severity":"low","rationale":"","more":1}"#,
    ] {
        assert!(!reads(wrong), "{wrong}");
    }
}

#[test]
fn a_schema_with_a_keyword_that_is_not_heeded_is_refused() {
    let of = |schema: &str| Grammar::of(schema).unwrap_err();
    let unheeded = |schema: &str| assert!(matches!(of(schema), GrammarError::Unheeded { .. }), "{schema}");
    unheeded(r#"{"type": "string", "pattern": "a"}"#);
    unheeded(r#"{"type": "integer", "multipleOf": 2}"#);
    unheeded(r#"{"type": "object", "properties": {}}"#);
    unheeded(r#"{"type": "array", "items": {"type": "string"}, "uniqueItems": true}"#);
    unheeded(r#"{"type": "boolean"}"#);
    unheeded(r#"{"oneOf": [{"const": 1}]}"#);
    unheeded("{}");
    assert!(matches!(of(r##"{"type": "array", "items": {"$ref": "#/$defs/a"}}"##), GrammarError::Reference(_)));
    assert!(matches!(of("{"), GrammarError::Json(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a model would like to write, its answer keeps the schema and ends within its tokens, or cannot be begun.
    #[test]
    fn every_answer_keeps_its_schema_and_ends_in_time(
        task in 0..TASKS.len(), room in 0..160_usize, wishes in prop::collection::vec(any::<u32>(), 160),
    ) {
        let vocabulary = vocabulary();
        let task = TASKS[task];
        let constraint = constraint(task, &vocabulary);
        let (mut walk, mut text) = (constraint.walk(), Vec::new());
        let spelled: BTreeMap<u32, Vec<u8>> = spelling(&vocabulary);
        for (place, wish) in wishes.iter().take(room).enumerate() {
            if walk.may_end() {
                break;
            }
            let allowed = allowed(&mut walk, room - place);
            let may: Vec<u32> = (0..allowed.len() as u32).filter(|token| allowed[*token as usize]).collect();
            if may.is_empty() {
                prop_assert!(place == 0, "stuck behind {:?}", String::from_utf8_lossy(&text));
                break;
            }
            let token = may[*wish as usize % may.len()];
            text.extend(&spelled[&token]);
            walk.push(i64::from(token));
        }
        if !text.is_empty() {
            prop_assert!(walk.may_end(), "{room}: {}", String::from_utf8_lossy(&text));
            let answer: Value = serde_json::from_slice(&text).unwrap();
            let fault = schema::fault(&answer, &schema::of_task(task).unwrap());
            prop_assert!(fault.is_none(), "{answer}: {fault:?}");
        }
    }
}

/// The bytes of each token, as they are spelled.
fn spelling(vocabulary: &Vocabulary) -> BTreeMap<u32, Vec<u8>> {
    let mut found = BTreeMap::new();
    for (_, answer) in answers() {
        for size in 1..8 {
            for window in answer.as_bytes().windows(size) {
                if let Some([token]) = vocabulary.spell(window).as_deref() {
                    found.insert(*token, window.to_vec());
                }
            }
        }
    }
    found.extend((0..=255_u8).map(|byte| (u32::from(byte), vec![byte])));
    found
}
