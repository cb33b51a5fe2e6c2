//! Models from a directory and from URLs: what is handed on, what is refused, and how an interrupted download goes on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use contract::{Context, Digest, Job, JobInput, Limits, Stage, StageError, Type};
use fetch::Fetch;
use fetch::checksum::sha256;
use fetch::params::{FetchParams, RemoteFile, Source};
use formats::gguf::write::GgufWriter;
use formats::gguf::{TensorInfo, TensorType, Value, llama};
use formats::{Config, Linear, RopeScaling};

/// A GGUF file of a tiny Llama, all of its weights zero.
fn write_gguf(path: &Path) {
    let config = Config {
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        vocab_size: 3,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: RopeScaling::Default,
        tie_word_embeddings: true,
        bos_token_id: None,
        eos_token_ids: Vec::new(),
        pad_token_id: None,
    };
    let texts = |texts: &[&str]| Value::Strings(texts.iter().map(|text| (*text).to_owned()).collect());
    let mut values = llama::metadata(&config, TensorType::F32);
    values.extend(
        [
            ("tokenizer.ggml.model", Value::String("gpt2".into())),
            ("tokenizer.ggml.pre", Value::String("smollm".into())),
            ("tokenizer.ggml.tokens", texts(&["<|im_end|>", "a", "b"])),
            ("tokenizer.ggml.token_type", Value::I32s(vec![3, 1, 1])),
            ("tokenizer.ggml.merges", texts(&[])),
            ("tokenizer.ggml.eos_token_id", Value::U32(0)),
            ("tokenizer.chat_template", Value::String("{{ messages }}".into())),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    let infos: Vec<TensorInfo> = config
        .tensors()
        .into_iter()
        .map(|(name, shape)| {
            let linear = Linear::ALL.into_iter().find(|linear| linear.tensor_name(0) == name);
            let name = linear.map_or_else(|| llama::plain_name(&name).unwrap(), |linear| llama::linear_name(0, linear));
            TensorInfo { name, shape: shape.iter().map(|size| *size as u64).collect(), kind: TensorType::F32 }
        })
        .collect();
    let mut writer = GgufWriter::create(path, &values, infos.clone()).unwrap();
    infos.iter().for_each(|info| writer.tensor(&vec![0; info.bytes() as usize]).unwrap());
    writer.finish().unwrap();
}

/// Runs the stage in `home`; checkpoints of an earlier run there are offered again.
fn run(home: &Path, from: Option<Source>, directory: Option<&Path>) -> Result<(), StageError> {
    for name in ["out", "scratch", "checkpoints"] {
        std::fs::create_dir_all(home.join(name)).unwrap();
    }
    let input = directory.map(|path| {
        let digest = Digest::of(b"directory");
        let input = JobInput { label: None, path: path.to_owned(), artifact: Type::DIR, digest };
        ("directory".to_owned(), vec![input])
    });
    let job = Job {
        kind: "fetch".into(),
        version: 1,
        params: serde_json::Value::Null,
        inputs: BTreeMap::from_iter(input),
        outputs: BTreeMap::from([("model".to_owned(), home.join("out/model"))]),
        scratch: home.join("scratch"),
        checkpoints: home.join("checkpoints"),
        limits: Limits { threads: 1, memory: 0 },
        trace: "test/fetch".into(),
    };
    Fetch::run(FetchParams { from }, &Context::new(job, Box::new(std::io::sink())))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

const COMPLETE: [&str; 7] = [
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "m.gguf",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Serves `bytes` under any name, ranges included; the first `cut` answers break off after a third. Gives the address and the
/// ranges asked for.
fn serve(bytes: Vec<u8>, cut: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&ranges);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream: TcpStream = stream.unwrap();
            let mut range = String::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap();
                if let Some(value) = line.strip_prefix("Range: bytes=") {
                    range = value.to_owned();
                }
                if line.is_empty() {
                    break;
                }
            }
            let start: usize = range.trim_end_matches('-').parse().unwrap_or(0);
            asked.lock().unwrap().push(range);
            let (rest, total) = (&bytes[start.min(bytes.len())..], bytes.len());
            let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
            let content = format!("Content-Range: bytes {start}-{}/{total}\r\n", total - 1);
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{content}Connection: close\r\n\r\n", rest.len());
            stream.write_all(head.as_bytes()).unwrap();
            let sent = if number < cut { rest.len() / 3 } else { rest.len() };
            // A client that knows enough hangs up.
            let _ = stream.write_all(&rest[..sent]);
        }
    });
    (address, ranges)
}

fn urls(url: String, sha256: String) -> Option<Source> {
    Some(Source::Urls(vec![RemoteFile { url, sha256 }]))
}

#[test]
fn a_directory_with_a_gguf_file_becomes_a_whole_model() {
    let (source, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_gguf(&source.path().join("m.gguf"));
    std::fs::write(source.path().join("notes.txt"), "mine").unwrap();
    run(home.path(), None, Some(source.path())).unwrap();
    assert_eq!(names(&home.path().join("out/model")), COMPLETE);
    let model = formats::ModelSource::open(&home.path().join("out/model")).unwrap();
    assert_eq!(model.config.vocab_size, 3);
    assert_eq!(names(source.path()), ["m.gguf", "notes.txt"]);
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("m.gguf");
    write_gguf(&file);
    let bytes = std::fs::read(&file).unwrap();
    let length = bytes.len();
    let (address, ranges) = serve(bytes, 1);
    let from = urls(format!("{address}/models/m.gguf?download=true"), sha256(&file).unwrap());
    let error = run(home.path(), from.clone(), None).unwrap_err();
    assert!(error.message.starts_with(&format!("curl could not download {address}")), "{error}");
    assert!(error.help.unwrap().contains("bring it by hand: download http://"));
    run(home.path(), from, None).unwrap();
    assert_eq!(names(&home.path().join("out/model")), COMPLETE);
    assert_eq!(*ranges.lock().unwrap(), [String::new(), format!("{}-", length / 3)]);
}

#[test]
fn a_file_with_another_digest_is_not_taken() {
    let home = tempfile::tempdir().unwrap();
    let (address, _) = serve(b"another file".to_vec(), 0);
    let error = run(home.path(), urls(format!("{address}/m.gguf"), "0".repeat(64)), None).unwrap_err();
    assert!(error.message.contains("has the SHA-256") && error.message.contains(&"0".repeat(64)), "{error}");
    assert_eq!(names(&home.path().join("checkpoints/files")), [""; 0]);
}

#[test]
fn a_source_that_cannot_be_meant_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let refusal =
        |url: &str, digest: &str| run(home.path(), urls(url.into(), digest.into()), None).unwrap_err().message;
    let digest = "0".repeat(64);
    assert!(refusal("file:///etc/passwd", &digest).contains("is no http or https URL"));
    assert!(refusal("https://me:secret@host/m.gguf", &digest).contains("holds a user name or a password"));
    assert!(refusal("https://host/..", &digest).contains("does not end with the name of a file"));
    assert!(refusal("https://host", &digest).contains("names no file"));
    assert!(refusal("https://host/m.gguf", "abc").contains("is no SHA-256"));
    assert!(run(home.path(), None, None).unwrap_err().message.starts_with("nothing says where"));
    let empty = tempfile::tempdir().unwrap();
    let error = run(home.path(), None, Some(empty.path())).unwrap_err().message;
    assert!(error.contains("config.json"), "{error}");
}
