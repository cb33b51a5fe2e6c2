//! The stage on a micro model: what it writes, and what it refuses.

use std::path::PathBuf;

use crate::micro::{self, Micro};
use contract::{Stage, StageError, Type};
use formats::LayersReport;
use formats::gguf::{GgufFile, TensorType, Value};
use formats::gptq::GptqDirectory;
use quantize::{Quantize, QuantizeParams, Sequence};
use serde_json::json;

fn quantize(micro: &Micro, model: PathBuf, name: &str, params: &QuantizeParams) -> Result<PathBuf, StageError> {
    let directory = micro.path(name);
    std::fs::create_dir(&directory).unwrap();
    let inputs = [("model", Type::HF_MODEL, model), ("tokens", Type::TOKENS, micro.path("tokens"))];
    let outputs = ["gptq", "q4_0", "layers"].map(|port| (port, directory.join(port)));
    micro.run::<Quantize>(serde_json::to_value(params).unwrap(), &inputs, &outputs)?;
    Ok(directory)
}

fn params() -> QuantizeParams {
    QuantizeParams { threads: 1, ..QuantizeParams::default() }
}

fn layers(directory: &std::path::Path) -> LayersReport {
    serde_json::from_slice(&std::fs::read(directory.join("layers")).unwrap()).unwrap()
}

#[test]
fn both_containers_hold_the_same_weights_and_the_tokenizer() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let out = quantize(&micro, model, "out", &params()).unwrap();

    let gptq = GptqDirectory::open(&out.join("gptq")).unwrap();
    let file = GgufFile::open(&out.join("q4_0")).unwrap();
    let value = gptq.linear("model.layers.1.self_attn.v_proj", &[32, 64]).unwrap().unwrap();
    assert_eq!(file.tensor("blk.1.attn_v.weight").unwrap(), value.dequantize());
    assert_eq!(file.tensors().filter(|info| info.kind == TensorType::Q4_0).count(), 14);
    assert_eq!(file.value("tokenizer.ggml.pre"), Some(&Value::String("llama-bpe".to_owned())));
    assert_eq!(file.value("tokenizer.ggml.eos_token_id"), Some(&Value::U32(3)));
    assert_eq!(file.value("tokenizer.ggml.padding_token_id"), Some(&Value::U32(4)));
    assert_eq!(file.value("llama.attention.head_count_kv"), Some(&Value::U32(2)));
    let Some(Value::Strings(tokens)) = file.value("tokenizer.ggml.tokens") else { panic!("no tokens") };
    assert_eq!((tokens.len(), tokens[3].as_str()), (320, "<|eot_id|>"));

    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("gptq/config.json")).unwrap()).unwrap();
    assert_eq!(config["quantization_config"]["quant_method"], "gptq");
    assert_eq!(config["quantization_config"]["desc_act"], json!(false));
    assert!(out.join("gptq/tokenizer.json").exists());
}

#[test]
fn every_layer_is_reported_and_beats_rounding() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    for sequence in [Sequence::TrueSequential, Sequence::Blocks] {
        let params = QuantizeParams { sequence, ..params() };
        let report = layers(&quantize(&micro, model.clone(), &format!("{sequence:?}"), &params).unwrap());
        assert_eq!(report.layers.len(), 14);
        assert_eq!(report.calibration_samples, 12);
        let worse: Vec<_> = report.layers.iter().filter(|l| l.relative_error > l.nearest_relative_error).collect();
        assert!(worse.is_empty(), "{sequence:?}: {worse:?}");
        assert!(report.mean_relative_error < 0.8 * report.mean_nearest_relative_error, "{report:?}");
        let negative = LayersReport::mean(&report.layers, |layer| layer.negative_scales);
        assert!((0.3..0.7).contains(&negative), "signed scales go both ways: {negative}");
    }
}

#[test]
fn one_seed_and_thread_count_give_the_same_bytes() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let digests = ["a", "b"].map(|name| {
        let out = quantize(&micro, model.clone(), name, &params()).unwrap();
        ["gptq/model.safetensors", "gptq/config.json", "q4_0", "layers"]
            .map(|file| contract::Digest::of(&std::fs::read(out.join(file)).unwrap()))
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_tied_model_has_no_head_of_its_own() {
    let micro = Micro::new();
    let config = llama::Config { tie_word_embeddings: true, ..micro::config() };
    let model = micro.model("model", &config);
    let out = quantize(&micro, model, "out", &params()).unwrap();
    let file = GgufFile::open(&out.join("q4_0")).unwrap();
    assert!(file.tensors().all(|info| info.name != "output.weight"));
    llama::weights::dequantize(&GptqDirectory::open(&out.join("gptq")).unwrap(), llama::Placement::CPU).unwrap();
}

#[test]
fn sizes_that_do_not_fill_blocks_are_refused_by_name() {
    let micro = Micro::new();
    let config = llama::Config { intermediate_size: 80, ..micro::config() };
    let model = micro.model("model", &config);
    let error = quantize(&micro, model, "out", &params()).unwrap_err();
    assert!(error.message.contains("`model.layers.0.mlp.down_proj.weight` has 80 inputs"), "{error}");
    assert!(error.message.contains("`model.layers.1.mlp.up_proj.weight` has 80 outputs"), "{error}");
    assert!(error.help.unwrap().contains("multiples of 32"));
}

#[test]
fn tokens_of_another_vocabulary_are_refused() {
    let micro = Micro::new();
    let model = micro.model("model", &llama::Config { vocab_size: 100, ..micro::config() });
    let error = quantize(&micro, model, "out", &params()).unwrap_err();
    assert!(error.message.contains("outside the model's vocabulary of 100"), "{error}");
}

#[test]
fn the_card_accepts_four_bits_and_known_group_sizes_only() {
    let schema = contract::params::schema_of::<QuantizeParams>();
    assert_eq!(
        (&schema["properties"]["bits"]["minimum"], &schema["properties"]["bits"]["maximum"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(schema["properties"]["group_size"]["enum"], json!([32, 64, 128]));
    assert_eq!(Quantize::card().outputs.len(), 3);
}
