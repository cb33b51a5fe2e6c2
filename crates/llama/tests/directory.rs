//! Model directories: what is written reads back, and what cannot be used is refused by name.

use std::path::Path;

use llama::{Config, Llama, Placement};
use safetensors::SafeTensors;
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
        rope_scaling: llama::RopeScaling::Default,
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
        Llama::init(&config, 7, Placement::CPU).save(first.path()).unwrap();
        let loaded = Llama::load(first.path(), Placement::CPU).unwrap();
        assert_eq!(loaded.config, config);
        loaded.save(second.path()).unwrap();
        assert_eq!(weights(first.path()), weights(second.path()));
    }
}

/// Cuts the weights in `directory` into two shards and an index; `change` may spoil the index.
fn cut(directory: &Path, change: impl FnOnce(&mut Value)) {
    let whole = directory.join("model.safetensors");
    let bytes = std::fs::read(&whole).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for (number, names) in [1, 2].into_iter().zip(file.names().chunks(file.len().div_ceil(2))) {
        let shard = format!("model-{number:05}-of-00002.safetensors");
        let views = names.iter().map(|name| (*name, file.tensor(name).unwrap()));
        safetensors::serialize_to_file(views, None, &directory.join(&shard)).unwrap();
        map.extend(names.iter().map(|name| ((*name).to_owned(), json!(shard))));
    }
    let mut index = json!({"metadata": {"total_size": bytes.len()}, "weight_map": map});
    change(&mut index);
    std::fs::write(directory.join("model.safetensors.index.json"), index.to_string()).unwrap();
    std::fs::remove_file(whole).unwrap();
}

#[test]
fn a_model_in_shards_is_the_same_model() {
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    Llama::init(&tiny(), 7, Placement::CPU).save(first.path()).unwrap();
    let whole = weights(first.path());
    cut(first.path(), |_| ());
    Llama::load(first.path(), Placement::CPU).unwrap().save(second.path()).unwrap();
    assert!(whole == weights(second.path()));
}

#[test]
fn an_index_that_does_not_fit_its_shards_is_refused() {
    let refusal = |change: fn(&mut Value)| {
        let directory = tempfile::tempdir().unwrap();
        Llama::init(&tiny(), 7, Placement::CPU).save(directory.path()).unwrap();
        cut(directory.path(), change);
        Llama::load(directory.path(), Placement::CPU).unwrap_err().to_string()
    };
    let elsewhere = refusal(|index| index["weight_map"]["model.norm.weight"] = json!("../norm.safetensors"));
    assert!(elsewhere.ends_with("shard `../norm.safetensors` is not a file name: shards lie beside their index"));
    let absent = refusal(|index| index["weight_map"]["other"] = json!("model-00001-of-00002.safetensors"));
    assert!(absent.ends_with("model-00001-of-00002.safetensors: tensor `other` is missing"), "{absent}");
    let unlisted = refusal(|index| drop(index["weight_map"].as_object_mut().unwrap().remove("model.norm.weight")));
    assert!(unlisted.ends_with("index.json: tensor `model.norm.weight` is missing"), "{unlisted}");
    let broken = refusal(|index| *index = json!({}));
    assert!(broken.contains("index.json: not an index of safetensors shards"), "{broken}");
}

#[test]
fn tensors_that_the_model_would_leave_out_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    Llama::init(&tiny(), 7, Placement::CPU).save(directory.path()).unwrap();
    let smaller = Config { num_hidden_layers: 1, ..tiny() };
    smaller.save(directory.path()).unwrap();
    let error = Llama::load(directory.path(), Placement::CPU).unwrap_err().to_string();
    let expected = "tensor `model.layers.1.input_layernorm.weight` is not part of a Llama of this config (9 such";
    assert!(error.contains(expected), "{error}");
    // A tied model may store its head as well.
    Config { tie_word_embeddings: true, ..tiny() }.save(directory.path()).unwrap();
    Llama::load(directory.path(), Placement::CPU).unwrap();
}

#[test]
fn fresh_weights_follow_the_seed() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = |seed| {
        Llama::init(&tiny(), seed, Placement::CPU).save(directory.path()).unwrap();
        weights(directory.path())
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    let embedding = Llama::init(&Config { vocab_size: 4096, ..tiny() }, 1, Placement::CPU).embed_tokens;
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
fn scaled_rotary_angles_are_read_in_every_spelling_and_written_in_both() {
    let scaling = json!({"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
    let with = |entries: &[(&str, Value)]| {
        let mut whole = scaling.clone();
        entries.iter().for_each(|(key, value)| whole[*key] = value.clone());
        whole
    };
    let older = edited(|json| {
        json.as_object_mut().unwrap().remove("rope_parameters");
        json["rope_scaling"] = with(&[("type", json!("llama3"))]);
    });
    let both = edited(|json| json["rope_scaling"] = with(&[("type", json!("llama3")), ("rope_type", json!("llama3"))]));
    let newer = edited(|json| {
        json.as_object_mut().unwrap().remove("rope_theta");
        json.as_object_mut().unwrap().remove("rope_scaling");
        json["rope_parameters"] = with(&[("rope_type", json!("llama3")), ("rope_theta", json!(5000.0))]);
    });
    let config = older.unwrap();
    assert!(matches!(config.rope_scaling, llama::RopeScaling::Llama3(scaling) if scaling.factor == 8.0));
    assert_eq!(both.unwrap(), config);
    assert_eq!(newer.unwrap(), config);
    let written = config.to_json();
    assert_eq!(written["rope_scaling"], with(&[("rope_type", json!("llama3"))]));
    assert_eq!(written["rope_parameters"], with(&[("rope_type", json!("llama3")), ("rope_theta", json!(5000.0))]));
}

#[test]
fn what_the_model_code_does_not_do_is_refused() {
    let refusal = |key: &str, value: Value| edited(|json| json[key] = value).unwrap_err();
    assert!(refusal("model_type", json!("mistral")).contains("`model_type` is mistral, only llama is supported"));
    assert!(refusal("attention_bias", json!(true)).contains("attention_bias"));
    assert!(refusal("rope_scaling", json!({"rope_type": "yarn", "factor": 4})).contains("`rope_type` is yarn"));
    assert!(refusal("rope_scaling", json!({"type": "linear"})).contains("`factor` is absent"));
    assert!(
        refusal("max_position_embeddings", json!(1_i64 << 40)).contains("`max_position_embeddings` is 1099511627776")
    );
    assert!(refusal("num_hidden_layers", json!(1_000_000)).contains("num_hidden_layers"));
    assert!(refusal("num_key_value_heads", json!(3)).contains("num_key_value_heads"));
    assert!(refusal("hidden_act", json!("gelu")).contains("hidden_act"));
    assert!(refusal("num_hidden_layers", json!(0)).contains("num_hidden_layers"));
}

#[test]
fn a_weight_that_is_absent_or_misshapen_is_named() {
    let directory = tempfile::tempdir().unwrap();
    Llama::init(&Config { num_hidden_layers: 1, ..tiny() }, 0, Placement::CPU).save(directory.path()).unwrap();
    tiny().save(directory.path()).unwrap();
    let missing = Llama::load(directory.path(), Placement::CPU).unwrap_err().to_string();
    assert!(
        missing.contains("model.safetensors: tensor `model.layers.1.self_attn.q_proj.weight` is missing"),
        "{missing}"
    );
    Config { vocab_size: 33, ..tiny() }.save(directory.path()).unwrap();
    let misshapen = Llama::load(directory.path(), Placement::CPU).unwrap_err().to_string();
    assert!(misshapen.contains("has shape [32, 16], the config asks for [33, 16]"), "{misshapen}");
}
