//! Both containers of a fixed network. Codes themselves may differ between processors, since sums do; what is written for given
//! codes may not: when a digest moves, raise the card's version and put the new one here.

use contract::Digest;
use formats::grid::Quantized;
use formats::network::{Network, PackedLinear, Plain};
use formats::{Config, Linear, gguf, gptq};
use half::f16;
use quantize::QuantizeParams;
use quantize::verify::verify;
use serde_json::json;

use crate::micro;

/// Codes, scales and other values that only count upwards.
fn network(config: Config) -> Network {
    let packed = |layer: i64, linear: Linear| {
        let shape = linear.shape(&config);
        let (rows, columns) = (shape[0] as usize, shape[1] as usize);
        let codes = (0..rows * columns).map(|i| (i * 7 % 16) as u8).collect();
        let scales = (0..rows * columns / 32).map(|i| f16::from_f32((i % 9) as f32 / 64.0 - 0.05)).collect();
        let quantized = Quantized { rows, columns, group_size: 32, codes, scales };
        PackedLinear { layer, linear, module: linear.module_name(layer), quantized }
    };
    let linears = (0..config.num_hidden_layers).flat_map(|layer| Linear::ALL.map(|linear| packed(layer, linear)));
    let linears: Vec<PackedLinear> = linears.collect();
    let is_linear = |name: &str| linears.iter().any(|linear| linear.module.clone() + ".weight" == name);
    let plain = config.tensors().into_iter().filter(|(name, _)| !is_linear(name)).map(|(name, shape)| {
        let count = shape.iter().product::<i64>();
        Plain { name, shape, values: (0..count).map(|i| f16::from_f32((i % 31) as f32 / 8.0)).collect() }
    });
    let plain = plain.collect();
    Network { config, linears, plain }
}

#[test]
fn fixed_codes_give_known_files() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path();
    let split = dataset::words::LLAMA_3_SPLIT;
    let tokenizer = json!({
        "added_tokens": [{"id": 0, "content": "<|begin_of_text|>", "special": true}, {"id": 1, "content": "<|eot_id|>", "special": true}],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": split}}]},
        "post_processor": {"type": "TemplateProcessing"},
        "model": {"type": "BPE", "vocab": {"a": 2, "b": 3, "ab": 4}, "merges": [["a", "b"]]},
    });
    std::fs::write(source.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let config =
        json!({"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"}, "chat_template": "{{ x }}"});
    std::fs::write(source.join("tokenizer_config.json"), config.to_string()).unwrap();

    let network = network(Config { vocab_size: 8, ..micro::config() });
    let (directory, file) = (source.join("gptq"), source.join("gguf"));
    std::fs::create_dir(&directory).unwrap();
    gptq::write::write(&network, &QuantizeParams::default().config(), &[], &directory).unwrap();
    gguf::export::write(&network, source, &file).unwrap();
    verify(&network, &directory, &file).unwrap();
    let digests = [directory.join("model.safetensors"), directory.join("config.json"), file.clone()]
        .map(|path| Digest::of(&std::fs::read(path).unwrap()).short());
    assert_eq!(digests, ["4ed19dc736", "971af41b2e", "726f55ed67"]);

    // One nibble turned over in either container is found.
    for (path, place) in [(directory.join("model.safetensors"), 100_000), (file.clone(), 60_000)] {
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let place = place.min(bad.len() - 40);
        bad[place] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let error = verify(&network, &directory, &file).unwrap_err();
        assert!(error.message.contains("reads back differently"), "{error}");
        std::fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_split_without_a_name_in_llama_cpp_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let tokenizer = json!({
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null,
        "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
    });
    std::fs::write(root.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let error = gguf::vocabulary::metadata(root.path(), 1).unwrap_err();
    assert!(error.to_string().contains("llama.cpp has no name for: {\"type\":\"Whitespace\"}"), "{error}");
    // Rows of the embedding beyond the tokenizer get names of their own; a tokenizer beyond the embedding is refused.
    std::fs::write(root.path().join("tokenizer.json"), tokenizer.to_string().replace("\"a\":0", "\"a\":5")).unwrap();
    let error = gguf::vocabulary::metadata(root.path(), 1).unwrap_err();
    assert!(error.to_string().contains("token 5 lies beyond the model's vocabulary of 1"), "{error}");
}
