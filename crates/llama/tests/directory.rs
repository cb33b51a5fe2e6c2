//! Model directories: what is written reads back, and what cannot be used is refused by name.

use std::path::Path;

use llama::{Config, Llama};
use serde_json::{Value, json};

fn tiny() -> Config {
    Config {
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 4,
        vocab_size: 32,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        rope_theta: 5000.0,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![3],
        pad_token_id: Some(4),
    }
}

fn edited(change: impl FnOnce(&mut Value)) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let mut json = tiny().to_json();
    change(&mut json);
    std::fs::write(directory.path().join("config.json"), json.to_string()).unwrap();
    Config::load(directory.path()).map_err(|e| e.to_string())
}

fn weights(directory: &Path) -> Vec<u8> {
    std::fs::read(directory.join("model.safetensors")).unwrap()
}

#[test]
fn a_saved_model_loads_with_the_same_weights_and_saves_the_same_bytes() {
    for tied in [false, true] {
        let config = Config { tie_word_embeddings: tied, ..tiny() };
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        Llama::init(&config, 7).save(first.path()).unwrap();
        let loaded = Llama::load(first.path()).unwrap();
        assert_eq!(loaded.config, config);
        loaded.save(second.path()).unwrap();
        assert_eq!(weights(first.path()), weights(second.path()));
    }
}

#[test]
fn fresh_weights_follow_the_seed() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = |seed| {
        Llama::init(&tiny(), seed).save(directory.path()).unwrap();
        weights(directory.path())
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    let embedding = Llama::init(&Config { vocab_size: 4096, ..tiny() }, 1).embed_tokens;
    assert!((embedding.std(true).double_value(&[]) - 0.02).abs() < 2e-4);
    assert!(embedding.mean(None).double_value(&[]).abs() < 3e-4);
}

#[test]
fn both_spellings_of_the_rotary_base_are_read() {
    let older = edited(|json| drop(json.as_object_mut().unwrap().remove("rope_parameters")));
    let newer = edited(|json| drop(json.as_object_mut().unwrap().remove("rope_theta")));
    assert_eq!(older.unwrap(), tiny());
    assert_eq!(newer.unwrap(), tiny());
    let several = edited(|json| json["eos_token_id"] = json!([3, 5]));
    assert_eq!(several.unwrap().eos_token_ids, [3, 5]);
}

#[test]
fn what_the_model_code_does_not_do_is_refused() {
    let refusal = |key: &str, value: Value| edited(|json| json[key] = value).unwrap_err();
    assert!(refusal("model_type", json!("mistral")).contains("`model_type` is mistral, only llama is supported"));
    assert!(refusal("attention_bias", json!(true)).contains("attention_bias"));
    assert!(refusal("rope_scaling", json!({"rope_type": "llama3"})).contains("`rope_type` is llama3"));
    assert!(refusal("num_key_value_heads", json!(3)).contains("num_key_value_heads"));
    assert!(refusal("hidden_act", json!("gelu")).contains("hidden_act"));
    assert!(refusal("num_hidden_layers", json!(0)).contains("num_hidden_layers"));
}

#[test]
fn a_weight_that_is_absent_or_misshapen_is_named() {
    let directory = tempfile::tempdir().unwrap();
    Llama::init(&Config { num_hidden_layers: 1, ..tiny() }, 0).save(directory.path()).unwrap();
    tiny().save(directory.path()).unwrap();
    let missing = Llama::load(directory.path()).unwrap_err().to_string();
    assert!(
        missing.contains("model.safetensors: tensor `model.layers.1.self_attn.q_proj.weight` is missing"),
        "{missing}"
    );
    Config { vocab_size: 33, ..tiny() }.save(directory.path()).unwrap();
    let misshapen = Llama::load(directory.path()).unwrap_err().to_string();
    assert!(misshapen.contains("has shape [32, 16], the config asks for [33, 16]"), "{misshapen}");
}
