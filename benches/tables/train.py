"""Training beside PyTorch in eager mode with transformers, and with PEFT."""
from .layout import figures, results, several, source, table

SHAPES = {
    "full": "34 M weights, 4 full sequences of 512 tokens a step, 2 threads",
    "real": "tiny, 24 examples of `full.yaml` a step, 1 thread",
    "lora": "adapters beside SmolLM2-135M, 6 full sequences of 256 tokens a step, 2 threads",
    "lora real": "the same, 12 examples of `finetune.yaml` a step, 2 threads",
}


@figures
def training():
    rows = []
    for shape, programs in results("train").items():
        for name, row in programs.items():
            ours = name == "pipe"
            ratios = ["", "", ""] if ours else [f"{row[key]:.2f}" for key in ("ratio", "cpu_ratio", "memory_ratio")]
            rows.append([SHAPES[shape] if ours else "", name, f"{row['tokens_per_second']:,.0f}", f"{row['cpu_per_kilotoken']:.2f}",
                         f"{row['peak_mib']:,.0f}", *ratios])
    head = ["", "program", "tokens/s", "CPU s a 1,000", "peak MiB", "pipe: times as fast", "by CPU s", "of the memory"]
    return several(source("train"), table(head, rows))
