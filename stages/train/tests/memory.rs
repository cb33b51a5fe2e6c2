//! What a training will take is known from sizes alone, and what does not fit is refused with the numbers.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use llama::Config;
use serde_json::json;
use tch::{Device, Kind};
use train::machine::Room;
use train::memory::{Demand, Trains, gib};

/// The config of Llama 3 8B, with a file of weights that has a full header, the full length, and no data.
fn llama_3_8b(directory: &Path) -> Config {
    let json = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
        "hidden_act": "silu", "bos_token_id": 128000, "eos_token_id": 128001, "torch_dtype": "bfloat16"
    });
    std::fs::write(directory.join("config.json"), json.to_string()).unwrap();
    let config = Config::load(directory).unwrap();
    let mut start = 0;
    let mut header = serde_json::Map::new();
    for (name, shape) in config.tensors() {
        let end = start + shape.iter().product::<i64>() * 2;
        header.insert(name, json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
        start = end;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = File::create(directory.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    // A hole: nothing of it lies on the disk.
    file.set_len(8 + header.len() as u64 + start as u64).unwrap();
    config
}

fn full(config: &Config) -> Demand<'_> {
    Demand {
        config,
        trained: config.parameters(),
        trains: Trains::Weights,
        moments: 1,
        device: Device::Cuda(0),
        kind: Kind::BFloat16,
        micro_batch: 12,
        longest: 512,
        checkpointing: false,
    }
}

#[test]
fn eight_billion_weights_cannot_all_be_trained_on_24_gb_and_lora_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let config = llama_3_8b(directory.path());
    let source = formats::ModelSource::open(directory.path()).unwrap();
    assert_eq!(source.config.parameters(), 8_030_261_248);
    let demand = full(&source.config);
    assert_eq!(demand.config, &config);
    let error = Room::of_card("NVIDIA A10G").admit(&demand).unwrap_err();
    let start = "this training takes about ";
    assert!(error.message.starts_with(start), "{}", error.message);
    for part in ["weights 45, gradients 30, optimizer 30, ", "; NVIDIA A10G has 22 GiB and nothing was allocated"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    let help = error.help.unwrap();
    assert!(
        help.starts_with("LoRA in place of full fine-tuning (`lora`) with `gradient_checkpointing: true` and"),
        "{help}"
    );
}

#[test]
fn the_first_change_that_makes_it_fit_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let config = llama_3_8b(directory.path());
    let lora = Demand { trains: Trains::Adapters { dropout: false }, trained: 41_943_040, ..full(&config) };
    let needs = lora.predict().total();
    let room = |bytes| Room { name: "the card".to_owned(), bytes: Some(bytes) };
    assert!(room(needs).admit(&lora).is_ok());
    let help = |bytes| room(bytes).admit(&lora).unwrap_err().help.unwrap();
    assert!(help(needs * 0.99).starts_with("`micro_batch_size: 6` would fit"), "{}", help(needs * 0.99));
    let recomputed = Demand { checkpointing: true, micro_batch: 1, ..lora.clone() }.predict().total();
    let last = help(recomputed);
    assert!(last.starts_with("`gradient_checkpointing: true`"), "{last}");
    assert!(help(recomputed * 0.9).starts_with("no setting makes it fit"));
    // On fp32, 16 bits may be what is lacking.
    let fp32 = Demand { kind: Kind::Float, ..full(&config) };
    let help = Room::of_card("NVIDIA A10G").admit(&fp32).unwrap_err().help.unwrap();
    assert!(help.starts_with("LoRA over a base in 16 bits"), "{help}");
}

#[test]
fn a_card_that_is_not_in_the_table_refuses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = llama_3_8b(directory.path());
    assert!(Room::of_card("Voodoo 2").admit(&full(&config)).is_ok());
    assert_eq!(Room::of_card("NVIDIA L40S").bytes.map(gib).as_deref(), Some("45"));
    assert_eq!(Room::of_card("NVIDIA L4").bytes.map(gib).as_deref(), Some("22"));
}
