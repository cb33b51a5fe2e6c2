//! Containers that were damaged: an error or what is left of them, never a panic nor memory out of proportion to the file.

use std::collections::HashMap;
use std::path::Path;

use formats::ModelSource;
use formats::config::Config;
use formats::gguf::write::GgufWriter;
use formats::gguf::{GgufFile, TensorInfo, TensorType, Value};
use formats::gptq::read::GptqDirectory;
use formats::safetensors_writer::{Announced, SafetensorsWriter};
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

/// The damage done to a text of JSON that stays JSON more often than bytes changed at random leave it: a number of another size, a
/// lost piece, a piece said twice, another letter.
#[derive(Clone, Debug)]
enum Edit {
    Number(prop::sample::Index, &'static str),
    Cut(prop::sample::Index, usize),
    Twice(prop::sample::Index, usize),
    Letter(prop::sample::Index, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<prop::sample::Index>;
    let numbers = [
        "0",
        "-1",
        "1",
        "7",
        "2.5",
        "1e400",
        "4096",
        "16777216",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "99999999999999999999",
        "null",
        "[]",
        "\"x\"",
    ];
    let edit = prop_oneof![
        4 => (place(), prop::sample::select(numbers.to_vec())).prop_map(|(at, number)| Edit::Number(at, number)),
        1 => (place(), 1..40_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => (place(), 1..40_usize).prop_map(|(at, length)| Edit::Twice(at, length)),
        1 => (place(), 32..127_u8).prop_map(|(at, letter)| Edit::Letter(at, letter)),
    ];
    prop::collection::vec(edit, 1..4)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    edits.iter().fold(text.to_owned(), |text, edit| {
        let piece = |at: &prop::sample::Index, length: usize| {
            let start = at.index(text.len().max(1)).min(text.len());
            (start, (start + length).min(text.len()))
        };
        match edit {
            Edit::Number(at, number) => {
                let bytes = text.as_bytes();
                let first =
                    |i: &usize| bytes[*i].is_ascii_digit() && (*i == 0 || !bytes[*i - 1].is_ascii_alphanumeric());
                let starts: Vec<usize> = (0..bytes.len()).filter(first).collect();
                if starts.is_empty() {
                    return text;
                }
                let start = starts[at.index(starts.len())];
                let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                format!("{}{number}{}", &text[..start], &text[start + length..])
            }
            Edit::Cut(at, length) => {
                let (start, end) = piece(at, *length);
                format!("{}{}", &text[..start], &text[end..])
            }
            Edit::Twice(at, length) => {
                let (start, end) = piece(at, *length);
                format!("{}{}{}", &text[..end], &text[start..end], &text[end..])
            }
            Edit::Letter(at, letter) => {
                let (start, end) = piece(at, 1);
                format!("{}{}{}", &text[..start], char::from(*letter), &text[end..])
            }
        }
    })
}

/// Edits the header of the safetensors file at `path`, and says its new length where it is right.
fn edit_header(path: &Path, edits: &[Edit]) {
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = edited(std::str::from_utf8(&bytes[8..8 + length]).unwrap(), edits);
    let mut new = (header.len() as u64).to_le_bytes().to_vec();
    new.extend(header.as_bytes());
    new.extend(&bytes[8 + length..]);
    std::fs::write(path, new).unwrap();
}

fn edit_text(path: &Path, edits: &[Edit]) {
    std::fs::write(path, edited(&std::fs::read_to_string(path).unwrap(), edits)).unwrap();
}

/// Reads all that is in the model at `path`, if it is one.
fn read_model(path: &Path) {
    let Ok(source) = ModelSource::open(path) else { return };
    let _ = (source.companions(), source.bytes());
    for (name, shape) in source.config.tensors().into_iter().take(20) {
        let _ = source.floats(&name, &shape);
    }
}

/// A Llama of one layer, its tokenizer included.
fn write_gguf_model(path: &Path) {
    let config = small();
    let mut metadata = formats::gguf::llama::metadata(&config, TensorType::Q4_0);
    let text = |text: &str| Value::String(text.to_owned());
    metadata.extend(
        [
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("llama-bpe")),
            ("tokenizer.ggml.tokens", Value::Strings(["a", "b", "ab", "<e>"].map(str::to_owned).into())),
            ("tokenizer.ggml.token_type", Value::I32s(vec![1, 1, 1, 3])),
            ("tokenizer.ggml.merges", Value::Strings(vec!["a b".to_owned()])),
            ("tokenizer.ggml.eos_token_id", Value::U32(3)),
            ("tokenizer.ggml.bos_token_id", Value::U32(3)),
            ("tokenizer.chat_template", text("{{ x }}")),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    let sizes = |shape: &[i64]| shape.iter().map(|size| *size as u64).collect::<Vec<u64>>();
    let linears = formats::network::linears(&config).map(|(layer, linear)| TensorInfo {
        name: formats::gguf::llama::linear_name(layer, linear),
        shape: sizes(&linear.shape(&config)),
        kind: TensorType::Q4_0,
    });
    let plain = formats::network::plain_tensors(&config).into_iter().map(|(name, shape)| TensorInfo {
        name: formats::gguf::llama::plain_name(&name).unwrap(),
        shape: sizes(&shape),
        kind: TensorType::F16,
    });
    let infos: Vec<TensorInfo> = linears.chain(plain).collect();
    let mut writer = GgufWriter::create(path, &metadata, infos.clone()).unwrap();
    for info in infos {
        writer.tensor(&vec![1; info.bytes() as usize]).unwrap();
    }
    writer.finish().unwrap();
}

/// The same as a directory of two shards.
fn write_shards(directory: &Path) {
    let config = small();
    config.save(directory).unwrap();
    let tensors = config.tensors();
    let shards = tensors.chunks(tensors.len() / 2 + 1);
    let mut map = serde_json::Map::new();
    for (index, tensors) in shards.enumerate() {
        let name = format!("model-{index}.safetensors");
        let announced: Vec<Announced> = tensors
            .iter()
            .map(|(name, shape)| Announced {
                name: name.clone(),
                dtype: Dtype::F16,
                shape: shape.iter().map(|size| *size as usize).collect(),
            })
            .collect();
        let mut writer = SafetensorsWriter::create(&directory.join(&name), HashMap::new(), &announced).unwrap();
        for tensor in &announced {
            writer.tensor(&vec![1; tensor.bytes()]).unwrap();
            map.insert(tensor.name.clone(), serde_json::json!(name));
        }
        writer.finish().unwrap();
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
    std::fs::write(directory.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

fn small() -> Config {
    Config {
        hidden_size: 32,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 4,
        head_dim: 8,
        vocab_size: 4,
        tie_word_embeddings: true,
        ..config()
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
    let mut document = config().to_json();
    document["quantization_config"] =
        serde_json::json!({"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq"});
    std::fs::write(directory.join("config.json"), document.to_string()).unwrap();
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
    let (one, many) = (directory.path().join("one.gguf"), directory.path().join("many"));
    std::fs::create_dir(&many).unwrap();
    write_gguf_model(&one);
    write_shards(&many);
    for path in [one, many] {
        let source = ModelSource::open(&path).unwrap();
        assert_eq!(source.companions().unwrap().len(), if path.is_file() { 5 } else { 0 });
        assert!(source.config.tensors().iter().all(|(name, shape)| source.floats(name, shape).is_ok()));
    }
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

    #[test]
    fn a_damaged_model_in_gguf_is_refused_or_read(damage in damage()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.gguf");
        write_gguf_model(&path);
        damage.done_to(&path);
        let before = peak();
        read_model(&path);
        prop_assert!(peak() - before < 64 << 20);
    }

    #[test]
    fn a_model_with_edited_headers_is_refused_or_read(edits in edits(), which in 0..4_usize) {
        let directory = tempfile::tempdir().unwrap();
        write_shards(directory.path());
        let file = |name: &str| directory.path().join(name);
        match which {
            0 => edit_text(&file("config.json"), &edits),
            1 => edit_text(&file("model.safetensors.index.json"), &edits),
            _ => edit_header(&file("model-0.safetensors"), &edits),
        }
        let before = peak();
        read_model(directory.path());
        prop_assert!(peak() - before < 64 << 20);
    }

    #[test]
    fn a_quantized_model_with_edited_headers_is_refused_or_read(edits in edits(), which in 0..3_usize) {
        let directory = tempfile::tempdir().unwrap();
        write_gptq(directory.path());
        match which {
            0 => edit_text(&directory.path().join("config.json"), &edits),
            _ => edit_header(&directory.path().join("model.safetensors"), &edits),
        }
        let before = peak();
        if let Ok(gptq) = GptqDirectory::open(directory.path()) {
            let _ = (gptq.linear("m", &[8, 32]), gptq.plain("plain", &[2, 2]), gptq.notice());
        }
        prop_assert!(peak() - before < 64 << 20);
    }
}
