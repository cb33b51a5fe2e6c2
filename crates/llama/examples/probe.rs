//! What a model gives for some token ids, as JSON: tests/reference/check_base.py holds it against transformers.
//!
//!     cargo run -p llama --example probe -- MODEL COMPANIONS < ids.json
//!
//! `ids.json` is a list of lists of token ids. The output has, for each, the logits at its last position and 24 greedy tokens. The
//! small files of the model are written into the directory COMPANIONS.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use formats::ModelSource;
use llama::generate::Limits;
use llama::{Llama, Placement};
use tch::{Tensor, no_grad};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, companions] = arguments.as_slice() else { return Err("MODEL COMPANIONS".into()) };
    let source = ModelSource::open(Path::new(model))?;
    for companion in source.companions()? {
        std::fs::write(Path::new(companions).join(companion.name), companion.bytes)?;
    }
    let model = Llama::read(&source, Placement::CPU)?;
    let prompts: Vec<Vec<i64>> = serde_json::from_reader(std::io::stdin())?;
    let last = |ids: &Vec<i64>| -> Result<Vec<f32>, tch::TchError> {
        let logits = no_grad(|| model.forward(&Tensor::from_slice(ids).unsqueeze(0)));
        Vec::try_from(logits.get(0).get(-1))
    };
    let logits = prompts.iter().map(last).collect::<Result<Vec<_>, _>>()?;
    let limits = Limits { max_new_tokens: 24, stop: model.config.eos_token_ids.clone() };
    let greedy: Vec<Vec<i64>> = model.generate(&prompts, &limits).into_iter().map(|answer| answer.tokens).collect();
    let output = serde_json::json!({"logits": logits, "greedy": greedy});
    Ok(writeln!(std::io::stdout(), "{output}")?)
}
