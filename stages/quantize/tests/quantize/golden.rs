//! Both containers of a fixed network. Codes themselves may differ between processors, since sums do; what is written for given
//! codes may not: when a digest moves, raise the card's version and put the new one here.

use contract::{Digest, StageError};
use formats::gguf::{export, vocabulary};
use formats::grid::{Quantized, Zero};
use formats::network::{Network, Packing, Plain, PlainType, ZeroFormat};
use formats::{Config, Linear, gptq};
use half::f16;
use quantize::verify::verify;
use quantize::{QuantizeParams, ZeroPoint};
use serde_json::json;

use crate::micro;

/// Codes, scales and other values that only count upwards.
struct Counted {
    config: Config,
    packing: Packing,
    plain: PlainType,
}

impl Network for Counted {
    fn config(&self) -> &Config {
        &self.config
    }

    fn packing(&self) -> Packing {
        self.packing
    }

    fn plain_type(&self, name: &str) -> PlainType {
        if name.ends_with("norm.weight") { PlainType::Half } else { self.plain }
    }

    fn linear(&self, _layer: i64, linear: Linear) -> Result<Quantized, StageError> {
        let (shape, grid) = (linear.shape(&self.config), self.packing.grid);
        let (rows, columns) = (shape[0] as usize, shape[1] as usize);
        let codes = (0..rows * columns).map(|i| (i * 7) as u8 & grid.top()).collect();
        // Seven significant bits, so that products with zeros are exact.
        let scales: Vec<f16> = (0..rows * columns / 32).map(|i| f16::from_f32((i % 9 + 1) as f32 / 64.0)).collect();
        let zeros = match grid.zero {
            Zero::Middle => Vec::new(),
            Zero::OfGroup => (0..scales.len()).map(|i| (i * 5) as u8 & grid.top()).collect(),
        };
        Ok(Quantized { grid, rows, columns, group_size: 32, codes, scales, zeros })
    }

    fn plain(&self, name: &str, shape: &[i64]) -> Result<Plain, StageError> {
        let count = shape.iter().product::<i64>();
        Ok(match self.plain_type(name) {
            PlainType::Half => Plain::Half((0..count).map(|i| f16::from_f32((i % 31) as f32 / 8.0)).collect()),
            PlainType::EightBits => Plain::EightBits((0..count / 32).flat_map(|_| [[0, 0x30]; 17]).flatten().collect()),
        })
    }
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

    let config = Config { vocab_size: 8, ..micro::config() };
    let cases = [
        (ZeroPoint::Symmetric, 4, ZeroFormat::V1, PlainType::Half),
        (ZeroPoint::Symmetric, 8, ZeroFormat::V1, PlainType::EightBits),
        (ZeroPoint::Symmetric, 3, ZeroFormat::V1, PlainType::Half),
        (ZeroPoint::Asymmetric, 4, ZeroFormat::V2, PlainType::Half),
        (ZeroPoint::Asymmetric, 2, ZeroFormat::V2, PlainType::EightBits),
    ];
    let mut written = Vec::new();
    for (zero, bits, zeros, plain) in cases {
        let params = QuantizeParams { zero, bits, ..QuantizeParams::default() };
        let network = Counted { config: config.clone(), packing: params.packing(zeros), plain };
        let (directory, file) = (source.join(format!("gptq-{zero:?}-{bits}")), source.join("gguf"));
        std::fs::create_dir(&directory).unwrap();
        gptq::write::write_config(&config, &params.config(zeros), &[], &directory).unwrap();
        gptq::write::write_weights(&network, &directory).unwrap();
        let metadata = vocabulary::metadata(source, config.vocab_size, &[]).unwrap();
        export::write(&network, &metadata, &file).unwrap();
        verify(&network, &directory, &file).unwrap();
        let digests = [directory.join("model.safetensors"), directory.join("config.json"), file.clone()]
            .map(|path| Digest::of(&std::fs::read(path).unwrap()).short());
        written.push((format!("{zero:?} {bits}"), digests.join(" ")));

        // One bit turned over in either container is found.
        for (path, place) in [(directory.join("model.safetensors"), 100_000), (file.clone(), 60_000)] {
            let good = std::fs::read(&path).unwrap();
            let mut bad = good.clone();
            let place = place.min(bad.len() - 40);
            bad[place] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            let error = verify(&network, &directory, &file).unwrap_err();
            let said = ["reads back differently", "consecutive columns", "not symmetric"];
            assert!(said.iter().any(|text| error.message.contains(text)), "{error}");
            std::fs::write(&path, &good).unwrap();
        }
    }
    let written: Vec<(&str, &str)> = written.iter().map(|(case, digests)| (case.as_str(), digests.as_str())).collect();
    let expected = [
        ("Symmetric 4", "ff3540811f b2f5953324 68625ccb3a"),
        ("Symmetric 8", "ba69cddfe2 7931021e73 8d22fda259"),
        ("Symmetric 3", "06b8d5cf07 4fecdd934f 80dd2f473d"),
        ("Asymmetric 4", "b0c2dc2c15 51acd07c98 d1dc8ac26a"),
        ("Asymmetric 2", "83a734006e 1fbbded751 2dbc314e8b"),
    ];
    assert_eq!(written, expected);
}

/// What a program writes that converts v1 to v2 in memory and saves with the label it read.
#[test]
fn zeros_of_v2_under_the_label_of_v1_are_recognized_and_said() {
    let root = tempfile::tempdir().unwrap();
    let config = Config { vocab_size: 8, ..micro::config() };
    for bits in [2, 3, 4, 8] {
        let params = QuantizeParams { bits, ..QuantizeParams::default() };
        let network =
            |zeros| Counted { config: config.clone(), packing: params.packing(zeros), plain: PlainType::Half };
        let directory = root.path().join(bits.to_string());
        std::fs::create_dir(&directory).unwrap();
        gptq::write::write_config(&config, &params.config(ZeroFormat::V1), &[], &directory).unwrap();
        let read = |zeros| {
            gptq::write::write_weights(&network(zeros), &directory).unwrap();
            let opened = gptq::GptqDirectory::open(&directory).unwrap();
            let linear = opened.linear("model.layers.1.mlp.up_proj", &[96, 64]).unwrap().unwrap();
            (opened.notice(), linear.dequantize())
        };
        let (right, wrong) = (read(ZeroFormat::V1), read(ZeroFormat::V2));
        assert_eq!(right.0, None);
        assert!(wrong.0.unwrap().contains("holds zeros of `gptq_v2` although it says `checkpoint_format: gptq`"));
        assert_eq!(right.1, wrong.1, "{bits}");
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
    let error = vocabulary::metadata(root.path(), 1, &[]).unwrap_err();
    assert!(error.to_string().contains("llama.cpp has no name for: {\"type\":\"Whitespace\"}"), "{error}");
    // Rows of the embedding beyond the tokenizer get names of their own; a tokenizer beyond the embedding is refused.
    std::fs::write(root.path().join("tokenizer.json"), tokenizer.to_string().replace("\"a\":0", "\"a\":5")).unwrap();
    let error = vocabulary::metadata(root.path(), 1, &[]).unwrap_err();
    assert!(error.to_string().contains("token 5 lies beyond the model's vocabulary of 1"), "{error}");
}
