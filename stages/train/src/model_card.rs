//! `README.md` of a model that was made from another one, as Hugging Face shows it.

use std::fmt::Write;

use formats::history::HistoryFile;

use crate::lora;
use crate::params::TrainParams;

/// The card of the model that `file` tells about.
pub(crate) fn text(file: &HistoryFile<TrainParams>) -> String {
    let mut out =
        String::from("---\nlibrary_name: transformers\npipeline_tag: text-generation\n---\n\n# A fine-tuned Llama\n\n");
    // Writing into a string cannot fail.
    let _ = writeln!(
        out,
        "{} parameters, trained in {} steps on {} examples ({} target tokens).",
        file.parameters, file.total_steps, file.examples, file.total_targets
    );
    if let Some(kept) = file.kept_step.filter(|kept| *kept != file.total_steps) {
        let _ = writeln!(out, "The weights are those after step {kept}, which had the lowest validation loss.");
    }
    let best = file.curve.evaluations.iter().find(|point| Some(point.step) == file.kept_step);
    if let Some(point) = best {
        let _ = writeln!(out, "Their loss on the validation split is {:.4}.", point.loss);
    }
    let Some(base) = &file.base else { return out };
    let tensors: Vec<String> = base.tensors.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let _ = writeln!(out, "\n## Base\n\nTensors of the base: {}.", tensors.join(", "));
    if base.quantized {
        let _ = writeln!(
            out,
            "Its weights were quantized: training began with what the quantization had left of them, in fp32."
        );
    }
    let (Some(adapters), Some(params)) = (&base.adapters, &file.params.lora) else {
        let _ = writeln!(out, "All weights were trained.");
        return out;
    };
    let _ = writeln!(
        out,
        "\n## Adapters\n\nLoRA of rank {}, alpha {}, dropout {}: {} trained parameters. The directory `{}` holds them for PEFT.",
        params.r,
        params.alpha,
        params.dropout,
        adapters.parameters,
        lora::DIRECTORY
    );
    let _ = match adapters.merge_difference {
        Some(difference) => writeln!(
            out,
            "The weights beside this file are those of the base with the adapters merged in fp32; logits differ by at most {difference:.1e}."
        ),
        None => writeln!(out, "Nothing is merged: load the base and put the adapters on it."),
    };
    out
}
