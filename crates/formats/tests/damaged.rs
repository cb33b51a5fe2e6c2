//! Containers that were damaged: an error or what is left of them, never a panic nor memory out of proportion to the file.

use std::collections::HashMap;
use std::path::Path;

use formats::config::Config;
use formats::gguf::write::GgufWriter;
use formats::gguf::{GgufFile, TensorInfo, TensorType, Value};
use formats::gptq::read::GptqDirectory;
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// The damage done to a file: changed bytes, another length, a lost end.
#[derive(Clone, Debug)]
struct Damage {
    bytes: Vec<(prop::sample::Index, u8)>,
    word: Option<(prop::sample::Index, u64)>,
    cut: Option<prop::sample::Index>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop_oneof![Just(u64::MAX), any::<u64>(), 0..1_u64 << 40, Just(1 << 62)];
    (
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        prop::option::weighted(0.7, (any::<prop::sample::Index>(), word)),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
    )
        .prop_map(|(bytes, word, cut)| Damage { bytes, word, cut })
}

impl Damage {
    fn done_to(&self, file: &Path) {
        let mut bytes = std::fs::read(file).unwrap();
        for (place, byte) in &self.bytes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Some((place, word)) = &self.word {
            let place = place.index(bytes.len() - 8);
            bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
        }
        if let Some(cut) = &self.cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        std::fs::write(file, bytes).unwrap();
    }
}

/// Bytes of address space that this process had at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix(" kB")).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

fn write_gguf(path: &Path) {
    let metadata = [
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", Value::U32(2)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
        ("tokenizer.ggml.token_type", Value::I32s(vec![1, 3, -1])),
        ("tokenizer.ggml.tokens", Value::Strings(vec!["a".into(), "é".into(), String::new()])),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    let tensors: Vec<TensorInfo> = [
        ("f32", TensorType::F32, vec![2, 3]),
        ("f16", TensorType::F16, vec![4]),
        ("q4", TensorType::Q4_0, vec![2, 64]),
    ]
    .map(|(name, kind, shape)| TensorInfo { name: name.to_owned(), shape, kind })
    .into();
    let mut writer = GgufWriter::create(path, &metadata, tensors.clone()).unwrap();
    for info in tensors {
        writer.tensor(&vec![1; info.bytes() as usize]).unwrap();
    }
    writer.finish().unwrap();
}

fn config() -> Config {
    Config {
        hidden_size: 64,
        intermediate_size: 96,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        vocab_size: 320,
        max_position_embeddings: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: formats::RopeScaling::Default,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![3],
        pad_token_id: Some(4),
    }
}

/// The layer `m`, 8 rows and 32 columns in one group, and the fp16 tensor `plain`.
fn write_gptq(directory: &Path) {
    config().save(directory).unwrap();
    let words = |words: &[i32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let tensors = [
        ("m.scales", Dtype::F16, vec![1, 8], vec![1; 16]),
        ("m.qweight", Dtype::I32, vec![4, 8], words(&[7; 32])),
        ("m.qzeros", Dtype::I32, vec![1, 1], words(&[0x7777_7777])),
        ("m.g_idx", Dtype::I32, vec![32], words(&[0; 32])),
        ("plain", Dtype::F16, vec![2, 2], vec![2; 8]),
    ];
    let views =
        tensors.iter().map(|(name, kind, shape, data)| (*name, TensorView::new(*kind, shape.clone(), data).unwrap()));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &directory.join("model.safetensors")).unwrap();
}

#[test]
fn what_is_not_damaged_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.gguf");
    write_gguf(&path);
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.tensors().map(|info| file.tensor(&info.name).unwrap().len()).collect::<Vec<_>>(), [6, 4, 128]);
    write_gptq(directory.path());
    let gptq = GptqDirectory::open(directory.path()).unwrap();
    assert_eq!(gptq.linear("m", &[8, 32]).unwrap().unwrap().codes.len(), 256);
    assert_eq!(gptq.plain("plain", &[2, 2]).unwrap().len(), 4);
}

proptest! {
    #[test]
    fn a_damaged_gguf_file_is_refused_or_read(damage in damage()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.gguf");
        write_gguf(&path);
        damage.done_to(&path);
        let before = peak();
        match GgufFile::open(&path) {
            Err(error) => prop_assert!(error.to_string().contains("m.gguf: ")),
            Ok(file) => {
                for info in file.tensors() {
                    file.tensor(&info.name).unwrap();
                }
            }
        }
        prop_assert!(peak() - before < 64 << 20);
    }

    #[test]
    fn a_damaged_gptq_file_is_refused_or_read(damage in damage()) {
        let directory = tempfile::tempdir().unwrap();
        write_gptq(directory.path());
        damage.done_to(&directory.path().join("model.safetensors"));
        let before = peak();
        match GptqDirectory::open(directory.path()) {
            Err(error) => prop_assert!(error.to_string().contains("model.safetensors: ")),
            Ok(gptq) => {
                let _ = (gptq.linear("m", &[8, 32]), gptq.plain("plain", &[2, 2]));
            }
        }
        prop_assert!(peak() - before < 64 << 20);
    }
}
