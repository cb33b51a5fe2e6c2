//! The stage on a micro model: what it writes, and what it refuses.

use std::path::{Path, PathBuf};

use crate::micro::{self, Micro};
use contract::{Stage, StageError, Type};
use formats::LayersReport;
use formats::gguf::{GgufFile, TensorType, Value};
use formats::gptq::GptqDirectory;
use quantize::params::EmbeddingType;
use quantize::{Analyst, Export, Quantize, QuantizeParams, ScaleChoice, Sequence, ZeroPoint};
use serde_json::json;

fn quantize(micro: &Micro, model: PathBuf, name: &str, params: &QuantizeParams) -> Result<PathBuf, StageError> {
    let directory = micro.path(name);
    std::fs::create_dir_all(&directory).unwrap();
    let inputs = [("model", Type::HF_MODEL, model), ("tokens", Type::TOKENS, micro.path("tokens"))];
    let outputs = ["gptq", "model", "layers"].map(|port| (port, directory.join(port)));
    micro.run::<Quantize>(serde_json::to_value(params).unwrap(), &inputs, &outputs)?;
    Ok(directory)
}

fn params() -> QuantizeParams {
    QuantizeParams { threads: 1, ..QuantizeParams::default() }
}

fn layers(directory: &Path) -> LayersReport {
    serde_json::from_slice(&std::fs::read(directory.join("layers")).unwrap()).unwrap()
}

#[test]
fn both_containers_hold_the_same_weights_and_the_tokenizer() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let out = quantize(&micro, model, "out", &params()).unwrap();

    let gptq = GptqDirectory::open(&out.join("gptq")).unwrap();
    let file = GgufFile::open(&out.join("model")).unwrap();
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

fn digests(directory: &Path) -> [contract::Digest; 4] {
    ["gptq/model.safetensors", "gptq/config.json", "model", "layers"]
        .map(|file| contract::Digest::of(&std::fs::read(directory.join(file)).unwrap()))
}

#[test]
fn one_seed_and_thread_count_give_the_same_bytes() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let digests = ["a", "b"].map(|name| digests(&quantize(&micro, model.clone(), name, &params()).unwrap()));
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_run_that_ended_after_any_block_goes_on_to_the_same_bytes() {
    let micro = Micro::new();
    let model = micro.model("model", &llama::Config { num_hidden_layers: 3, ..micro::config() });
    for params in [params(), QuantizeParams { sequence: Sequence::Blocks, zero: ZeroPoint::Asymmetric, ..params() }] {
        let name = format!("{:?}", params.sequence);
        let out = quantize(&micro, model.clone(), &name, &params).unwrap();
        let whole = digests(&out);
        let block = |index: u32| out.join(format!("checkpoints/block-{index:04}.safetensors"));
        for finished in 0..3 {
            (finished..3).for_each(|index| std::fs::remove_file(block(index)).unwrap());
            // What a kill leaves of the block at hand.
            std::fs::write(block(finished).with_extension("partial"), b"half").unwrap();
            quantize(&micro, model.clone(), &name, &params).unwrap();
            assert_eq!(digests(&out), whole, "{name} {finished}");
        }
        // A block that is damaged, and those behind it, are made again.
        let mut bytes = std::fs::read(block(1)).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(block(1), &bytes).unwrap();
        quantize(&micro, model.clone(), &name, &params).unwrap();
        assert_eq!(digests(&out), whole, "{name} damaged");
        // Blocks of other params are not taken for those of these.
        let other = QuantizeParams { damping: 0.5, ..params };
        quantize(&micro, model.clone(), &name, &other).unwrap();
        assert_ne!(digests(&out), whole, "{name} other");
    }
}

/// The stage itself compares both containers with what was solved, bit for bit.
#[test]
fn every_grid_that_gguf_holds_is_written() {
    let micro = Micro::new();
    let config = llama::Config { hidden_size: 128, intermediate_size: 256, head_dim: 32, ..micro::config() };
    let model = micro.model("model", &config);
    let mut errors = Vec::new();
    for (zero, kinds) in [
        (
            ZeroPoint::Symmetric,
            [(2, TensorType::Q4_0), (3, TensorType::Q4_0), (4, TensorType::Q4_0), (8, TensorType::Q8_0)],
        ),
        (
            ZeroPoint::Asymmetric,
            [(2, TensorType::Q4_1), (3, TensorType::Q4_1), (4, TensorType::Q4_1), (4, TensorType::Q4_1)],
        ),
    ] {
        for ((bits, kind), group_size) in kinds.into_iter().zip([-1, 32, 64, 128]) {
            let params = QuantizeParams { zero, bits, group_size, scale: ScaleChoice::Hessian, threads: 2, ..params() };
            let name = format!("{zero:?}-{bits}-{group_size}");
            let out = quantize(&micro, model.clone(), &name, &params).unwrap();
            let file = GgufFile::open(&out.join("model")).unwrap();
            assert_eq!(file.tensors().filter(|info| info.kind == kind).count(), 14, "{name}");
            let config: serde_json::Value =
                serde_json::from_slice(&std::fs::read(out.join("gptq/config.json")).unwrap()).unwrap();
            let quantization = &config["quantization_config"];
            assert_eq!((&quantization["bits"], &quantization["group_size"]), (&json!(bits), &json!(group_size)));
            assert_eq!(quantization["sym"], json!(zero == ZeroPoint::Symmetric));
            let report = layers(&out);
            assert!(report.mean_relative_error < report.mean_nearest_relative_error, "{name}: {report:?}");
            errors.push((bits, report.mean_relative_error));
        }
    }
    let worst = |bits| errors.iter().filter(|(b, _)| *b == bits).map(|(_, error)| *error).fold(0.0, f64::max);
    assert!(worst(8) < worst(4) && worst(4) < worst(3) && worst(3) < worst(2), "{errors:?}");
}

#[test]
fn codes_that_gguf_cannot_hold_are_refused_by_name() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let params = QuantizeParams { bits: 8, zero: ZeroPoint::Asymmetric, ..params() };
    let error = quantize(&micro, model, "out", &params).unwrap_err();
    assert_eq!(error.message, "GGUF has no tensor type for asymmetric codes of 8 bits");
    assert!(error.help.unwrap().contains("zero: symmetric"));
}

#[test]
fn an_embedding_of_eight_bits_is_the_same_in_both_containers_and_what_is_said_of_the_model_is_there() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    std::fs::write(model.join("README.md"), "---\nlicense: apache-2.0\n---\n").unwrap();
    let params = QuantizeParams { embedding: EmbeddingType::Q8_0, name: Some("Small".to_owned()), ..params() };
    let out = quantize(&micro, model.clone(), "out", &params).unwrap();
    let file = GgufFile::open(&out.join("model")).unwrap();
    let kinds = ["token_embd.weight", "output.weight", "output_norm.weight"]
        .map(|name| file.tensors().find(|info| info.name == name).unwrap().kind);
    assert_eq!(kinds, [TensorType::Q8_0, TensorType::Q8_0, TensorType::F32]);
    let text = |key: &str| file.value(key).and_then(Value::text);
    assert_eq!((text("general.name"), text("general.license")), (Some("Small"), Some("apache-2.0")));
    assert_eq!((text("general.author"), text("general.size_label")), (None, Some("103K")));
    assert!(text("tokenizer.chat_template").is_some());
}

#[test]
fn a_model_is_written_as_a_plain_file_of_each_type() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let original = llama::Llama::load(&model, llama::Placement::CPU).unwrap();
    for (name, kind, near) in
        [("f16", TensorType::F16, 1e-4), ("bf16", TensorType::Bf16, 1e-3), ("q8_0", TensorType::Q8_0, 1e-3)]
    {
        let path = micro.path(&format!("{name}.gguf"));
        let params = json!({"type": name, "name": null, "author": "somebody", "license": null});
        std::fs::create_dir_all(micro.path("scratch")).unwrap();
        let inputs = [("model", Type::HF_MODEL, model.clone())];
        micro.run::<Export>(params, &inputs, &[("model", path.clone())]).unwrap();
        let file = GgufFile::open(&path).unwrap();
        assert_eq!(file.tensors().filter(|info| info.kind == kind).count(), 16);
        assert_eq!(file.value("general.author").and_then(Value::text), Some("somebody"));
        // Read as a model, with q and k back in their order.
        let read = llama::Llama::load(&path, llama::Placement::CPU).unwrap();
        for ((name, ours), (_, theirs)) in read.tensors().iter().zip(original.tensors()) {
            let gap = (ours - &theirs).abs().max().double_value(&[]);
            assert!(gap <= near, "{name}: {gap}");
        }
    }
}

#[test]
fn both_containers_get_what_the_model_has_to_know_and_nothing_else_changes() {
    let micro = Micro::new();
    let model = micro.model("model", &micro::config());
    let out = quantize(&micro, model, "out", &params()).unwrap();
    let settings =
        r#"{"version":1,"context":160,"dataset":"ab","tasks":{"finding":{"system":"Rate.","limit":96,"gate":0.93}}}"#;
    std::fs::write(micro.path("analyst.json"), settings).unwrap();
    let release = |name: &str, from: &std::path::Path| {
        let to = micro.path(name);
        std::fs::create_dir_all(&to).unwrap();
        let inputs = [
            ("analyst", Type::METRICS, micro.path("analyst.json")),
            ("model", Type::GGUF, from.join("model")),
            ("gptq", Type::GPTQ_MODEL, from.join("gptq")),
        ];
        let outputs = [("model", to.join("model")), ("gptq", to.join("gptq"))];
        micro.run::<Analyst>(json!({}), &inputs, &outputs).map(|()| to)
    };
    let released = release("released", &out).unwrap();
    let [before, after] = [&out, &released].map(|at| GgufFile::open(&at.join("model")).unwrap());
    assert_eq!(after.value("pipe.analyst").and_then(Value::text), Some(settings));
    assert_eq!(after.metadata[..after.metadata.len() - 1], before.metadata[..]);
    for info in before.tensors() {
        assert_eq!(after.stored(&info.name).unwrap(), before.stored(&info.name).unwrap(), "{}", info.name);
    }
    let text = std::fs::read_to_string(released.join("gptq/analyst.json")).unwrap();
    assert_eq!(text.trim_end(), settings);
    let weights = [&out, &released].map(|at| std::fs::read(at.join("gptq/model.safetensors")).unwrap());
    assert!(weights[0] == weights[1]);
    llama::weights::dequantize(&GptqDirectory::open(&released.join("gptq")).unwrap(), llama::Placement::CPU).unwrap();

    // Other settings replace those, in both.
    std::fs::write(micro.path("analyst.json"), settings.replace("0.93", "0.5")).unwrap();
    let again = release("again", &released).unwrap();
    let file = GgufFile::open(&again.join("model")).unwrap();
    assert!(file.value("pipe.analyst").and_then(Value::text).unwrap().contains("0.5"));
    assert_eq!(file.metadata.len(), after.metadata.len());
    std::fs::write(micro.path("analyst.json"), settings.replace("\"version\":1", "\"version\":7")).unwrap();
    let error = release("wrong", &out).unwrap_err();
    assert!(error.message.contains("version 7") && error.help.unwrap().contains("evaluate"), "{}", error.message);
}

#[test]
fn a_tied_model_has_no_head_of_its_own() {
    let micro = Micro::new();
    let config = llama::Config { tie_word_embeddings: true, ..micro::config() };
    let model = micro.model("model", &config);
    let out = quantize(&micro, model, "out", &params()).unwrap();
    let file = GgufFile::open(&out.join("model")).unwrap();
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
fn the_card_accepts_known_bits_and_group_sizes_only() {
    let schema = contract::params::schema_of::<QuantizeParams>();
    assert_eq!(schema["properties"]["bits"]["enum"], json!([2, 3, 4, 8]));
    assert_eq!(schema["properties"]["group_size"]["enum"], json!([-1, 32, 64, 128]));
    assert_eq!(Quantize::card().outputs.len(), 3);
}
