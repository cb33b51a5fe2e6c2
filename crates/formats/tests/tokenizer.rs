//! The tokenizer in the metadata of a GGUF file, as the files of a Hugging Face directory.
//! tests/reference/check_base.py holds a real one against transformers and tokenizers.

use std::path::Path;

use formats::gguf::write::GgufWriter;
use formats::gguf::{GgufFile, Value, tokenizer};
use serde_json::Value as Json;

fn values(pre: &str) -> Vec<(String, Value)> {
    let texts = |texts: &[&str]| Value::Strings(texts.iter().map(|text| (*text).to_owned()).collect());
    let text = |text: &str| Value::String(text.to_owned());
    [
        ("llama.context_length", Value::U32(8192)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text(pre)),
        ("tokenizer.ggml.tokens", texts(&["<|begin|>", "<|end|>", "a", "Ġa", "aĠa", "<tool>", "[PAD6]"])),
        ("tokenizer.ggml.token_type", Value::I32s(vec![3, 3, 1, 1, 1, 4, 5])),
        ("tokenizer.ggml.merges", texts(&["a Ġa"])),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
        ("tokenizer.ggml.eos_token_id", Value::U32(1)),
        ("tokenizer.chat_template", text("{{ messages }}")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn files(values: &[(String, Value)]) -> Result<Vec<(&'static str, String)>, String> {
    let directory = tempfile::tempdir().unwrap();
    let path: &Path = &directory.path().join("m.gguf");
    GgufWriter::create(path, values, Vec::new()).unwrap().finish().unwrap();
    let files = tokenizer::files(&GgufFile::open(path).unwrap()).map_err(|error| error.to_string())?;
    Ok(files.into_iter().map(|file| (file.name, String::from_utf8(file.bytes).unwrap())).collect())
}

fn json(files: &[(&str, String)], name: &str) -> Json {
    serde_json::from_str(&files.iter().find(|(found, _)| *found == name).unwrap().1).unwrap()
}

#[test]
fn tokens_merges_and_roles_are_those_of_the_metadata() {
    let files = files(&values("smollm")).unwrap();
    let tokenizer = json(&files, "tokenizer.json");
    assert_eq!(
        tokenizer["model"]["vocab"],
        serde_json::json!({"<|begin|>": 0, "<|end|>": 1, "a": 2, "Ġa": 3, "aĠa": 4, "<tool>": 5})
    );
    assert_eq!(tokenizer["model"]["merges"], serde_json::json!([["a", "Ġa"]]));
    let added: Vec<(&Json, &Json, &Json)> = tokenizer["added_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (&t["id"], &t["content"], &t["special"]))
        .collect();
    let expected = [(0, "<|begin|>", true), (1, "<|end|>", true), (5, "<tool>", false)];
    assert_eq!(added.len(), expected.len());
    for ((id, text, special), wanted) in added.into_iter().zip(expected) {
        assert_eq!((id.as_u64(), text.as_str(), special.as_bool()), (Some(wanted.0), Some(wanted.1), Some(wanted.2)));
    }
    let config = json(&files, "tokenizer_config.json");
    assert_eq!((&config["bos_token"], &config["eos_token"]), (&"<|begin|>".into(), &"<|end|>".into()));
    assert_eq!(config["model_max_length"], 8192);
    assert_eq!(config["added_tokens_decoder"]["5"]["content"], "<tool>");
    assert_eq!(json(&files, "generation_config.json")["eos_token_id"], serde_json::json!([1]));
    assert!(files.iter().any(|(name, text)| *name == "chat_template.jinja" && text == "{{ messages }}"));
}

#[test]
fn text_is_split_as_the_metadata_names_it() {
    let smollm = json(&files(&values("smollm")).unwrap(), "tokenizer.json");
    assert_eq!(smollm["pre_tokenizer"]["pretokenizers"][0]["type"], "Digits");
    assert_eq!((&smollm["model"]["ignore_merges"], &smollm["post_processor"]), (&Json::Bool(false), &Json::Null));
    let llama = json(&files(&values("llama-bpe")).unwrap(), "tokenizer.json");
    assert_eq!(llama["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"], dataset::words::LLAMA_3_SPLIT);
    assert_eq!(
        (&llama["model"]["ignore_merges"], &llama["post_processor"]["type"]),
        (&Json::Bool(true), &"TemplateProcessing".into())
    );
}

#[test]
fn a_tokenizer_of_another_kind_is_refused_by_name() {
    let refusal = |key: &str, value: Value| {
        let mut values = values("smollm");
        values.retain(|(name, _)| name != key);
        values.push((key.to_owned(), value));
        files(&values).unwrap_err()
    };
    let pre = refusal("tokenizer.ggml.pre", Value::String("qwen2".into()));
    assert_eq!(pre, "`tokenizer.ggml.pre` is qwen2, only smollm or llama-bpe is supported");
    assert!(refusal("tokenizer.ggml.model", Value::String("llama".into())).contains("`tokenizer.ggml.model` is llama"));
    assert!(refusal("tokenizer.ggml.token_type", Value::I32s(vec![1])).contains("tokenizer.ggml.token_type"));
    assert!(refusal("tokenizer.ggml.merges", Value::Strings(vec!["ab".into()])).contains("tokenizer.ggml.merges"));
}
