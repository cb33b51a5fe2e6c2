#!/usr/bin/env python3
"""Times `quantize` beside other programs on one model and one calibration set, and measures what each loses.

    benches/quantize/bench.py MODEL TOKENS [--groups 32 128] [--samples 128] [--repeat 3] [--threads 2] [--only NAME ...]

MODEL is a Hugging Face directory (or one with a GGUF file, for ours alone), TOKENS an output of `tokenize`. Contenders take turns:

    ours            the stage, order `true_sequential`      gptqmodel       GPTQModel (true sequential by nature)
    ours-blocks     the stage, order `blocks`               llm-compressor  its GPTQModifier (inputs of unquantized blocks)
                                                            torch           the paper's loop in plain torch, true sequential

Those that cannot be imported are skipped and said. Time is that of the quantization itself: the sum of the stage's `block_seconds`, and for
the others the call that quantizes, without imports, loading and saving. Processor time is of the same, for ours of the whole run. KL divergence and perplexity are over the tokens of the validation
split, against the unquantized model, computed by transformers for all;
only linears are replaced, so that nobody is judged by the rounding of an embedding. Prints one JSON line a run, then a table.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))
CONTENDERS = ["ours", "ours-blocks", "torch", "llm-compressor", "gptqmodel"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("tokens", type=pathlib.Path)
    parser.add_argument("--groups", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--length", type=int, default=0, help="cut samples to so many tokens; 0: leave them")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=CONTENDERS, choices=CONTENDERS)
    parser.add_argument("--with", dest="params", default="{}", help="further params of ours, as JSON")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.model, options.tokens = options.model.resolve(), options.tokens.resolve()
    if options.run:
        return peer(options)
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        for repeat in range(options.repeat):
            for group in options.groups:
                for name in options.only:
                    out = pathlib.Path(scratch) / f"{name}-{group}-{repeat}"
                    run = contend(options, name, group, out)
                    if run:
                        run |= {"name": name, "group": group}
                        print(json.dumps(run), flush=True)
                        runs.append(run)
    table(options, runs)


def contend(options, name, group, out):
    """One run of one contender, in a process of its own."""
    command = [sys.executable, str(HERE), str(options.model), str(options.tokens), "--run", name, "--out", str(out)]
    command += ["--groups", str(group), "--samples", str(options.samples), "--length", str(options.length)]
    command += ["--threads", str(options.threads), "--with", options.params]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    environment |= {"GPTQMODEL_CPU_WORKERS": str(options.threads), "GPTQMODEL_TORCH_EXTENSIONS_DIR": str(ROOT / ".deps/python/extensions")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"skip {name}: {last}", flush=True)
        return None
    return json.loads(lines[-1])


def table(options, runs):
    print(f"\n{options.samples} samples, {options.threads} threads, median of {options.repeat}\n")
    print("| | group | seconds | processor s | KL mean | perplexity | of the original |\n|---|---|---|---|---|---|---|")
    for name in options.only:
        for group in options.groups:
            mine = [run for run in runs if (run["name"], run["group"]) == (name, group)]
            if mine:
                seconds, cpu = (statistics.median(run[what] for run in mine) for what in ("seconds", "cpu"))
                one = mine[0]
                print(f"| {name} | {group} | {seconds:.2f} | {cpu:.2f} | {one['kl']:.2e} | {one['perplexity']:.4f} | {one['original']:.4f} |")


# --- one contender


def peer(options):
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    group = options.groups[0]
    samples = split(options.tokens, "calibration")[: options.samples]
    if options.length:
        samples = [sample[: options.length] for sample in samples]
    name = options.run
    if name.startswith("ours"):
        (seconds, cpu), state = ours(options, group, name)
    else:
        quantize = {"torch": plain, "llm-compressor": llm_compressor, "gptqmodel": gptqmodel}[name]
        (seconds, cpu), state = quantize(options, group, samples)
    print(json.dumps({"seconds": round(seconds, 3), "cpu": round(cpu, 3)} | judge(options, state)))


class Clock:
    """Wall and processor seconds since it was made, of this process or of its children."""

    def __init__(self, whom=resource.RUSAGE_SELF):
        self.whom, self.start = whom, self.now(whom)

    def now(self, whom):
        used = resource.getrusage(whom)
        return time.time(), used.ru_utime + used.ru_stime

    def read(self):
        return tuple(now - then for now, then in zip(self.now(self.whom), self.start))


def split(tokens, name):
    from safetensors.numpy import load_file

    held = load_file(tokens / f"{name}.safetensors")
    offsets = held["offsets"]
    return [held["ids"][a:b].tolist() for a, b in zip(offsets, offsets[1:])]


def load(model):
    import torch
    import transformers

    kind = {"gguf_file": next(model.glob("*.gguf")).name} if list(model.glob("*.gguf")) else {}
    return transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="sdpa", **kind).eval()


def judge(options, state):
    """KL and perplexity on the validation split."""
    import torch

    original, quantized = load(options.model), load(options.model)
    missing = quantized.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys, missing
    kl, loss, base, count = 0.0, 0.0, 0.0, 0
    with torch.no_grad():
        for sample in split(options.tokens, "validation")[:64]:
            ids = torch.tensor([sample])
            a, b = (torch.log_softmax(m(ids).logits[0, :-1].double(), -1) for m in (original, quantized))
            kl += (a.exp() * (a - b)).sum().item()
            target = ids[0, 1:, None]
            base -= a.gather(1, target).sum().item()
            loss -= b.gather(1, target).sum().item()
            count += len(sample) - 1
    mean = lambda total: float(torch.tensor(total / count).exp())
    return {"kl": kl / count, "perplexity": mean(loss), "original": mean(base)}


def ours(options, group, name):
    with tempfile.TemporaryDirectory() as project:
        project = pathlib.Path(project)
        (project / "pipe.yaml").write_text("{}\n")
        for port in ("model", "tokens"):
            subprocess.run(["cp", "-rL", str(getattr(options, port)), str(project / port)], check=True)
        params = {"group_size": group, "threads": options.threads, "calibration_samples": options.samples}
        params |= {"sequence": "blocks" if name == "ours-blocks" else "true_sequential"} | json.loads(options.params)
        stage = {"uses": "quantize", "in": {"model": {"path": "model"}, "tokens": {"path": "tokens"}}, "with": params}
        (project / "bench.yaml").write_text(json.dumps({"pipeline": "bench", "stages": {"q": stage}}))
        pipe = os.environ.get("PIPE", str(ROOT / "target/debug/pipe"))
        clock = Clock(resource.RUSAGE_CHILDREN)
        done = subprocess.run([pipe, "run", "bench.yaml"], cwd=project, capture_output=True, text=True)
        cpu = clock.read()[1]
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        log = subprocess.run([pipe, "logs", "q"], cwd=project, capture_output=True, text=True).stdout
        seconds = sum(float(line.split(": ")[-1].split(" s (")[0]) for line in log.splitlines() if " s (forward" in line)
        print(log, file=sys.stderr)
        directory = project / "out/bench/q/gptq"
        return (seconds, cpu), unpacked(directory)


def unpacked(directory):
    """The weights that a GPTQ directory stands for; what is not packed stays that of the original."""
    import check_formats
    import torch

    quantization = json.loads((directory / "config.json").read_text())["quantization_config"]
    raw = check_formats.read_safetensors(directory / "model.safetensors")
    weights = check_formats.unpack_all(raw, quantization)
    return {name: torch.from_numpy(values.copy()) for name, values in weights.items()}


def gptqmodel(options, group, samples):
    import gptqmodel as library

    config = library.QuantizeConfig(bits=4, group_size=group, sym=True, desc_act=False, damp_percent=0.01)
    model = library.GPTQModel.load(str(options.model), config)
    data = [{"input_ids": sample, "attention_mask": [1] * len(sample)} for sample in samples]
    clock = Clock()
    model.quantize(data, batch_size=16)
    spent = clock.read()
    model.save(str(options.out))
    return spent, unpacked(options.out)


def llm_compressor(options, group, samples):
    import llmcompressor
    import torch
    from llmcompressor.modifiers.quantization import GPTQModifier

    scheme = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": group, "actorder": "static"}
    recipe = GPTQModifier(
        config_groups={"all": {"targets": ["Linear"], "weights": scheme}}, ignore=["lm_head"], dampening_frac=0.01
    )
    model = load(options.model)
    samples = sorted(samples, key=len)
    batches = []
    for start in range(0, len(samples), 16):
        batch = samples[start : start + 16]
        longest = max(map(len, batch))
        pad = lambda rows, filler: torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
        batches.append({"input_ids": pad(batch, 0), "attention_mask": pad([[1] * len(row) for row in batch], 0)})
    data = torch.utils.data.DataLoader(batches, batch_size=None)
    clock = Clock()
    llmcompressor.oneshot(model=model, dataset=data, recipe=recipe, num_calibration_samples=len(batches))
    spent = clock.read()
    return spent, {name: values for name, values in model.state_dict().items() if name.endswith("_proj.weight")}


def plain(options, group, samples):
    """The loop of the paper with static act-order and Hessians for each linear, as its repositories write it."""
    import torch

    model = load(options.model)
    samples = sorted(samples, key=len)
    batches = [samples[start : start + 16] for start in range(0, len(samples), 16)]
    clock = Clock()
    with torch.no_grad():
        states, angles, real = [], [], []
        for batch in batches:
            longest = max(map(len, batch))
            ids = torch.tensor([sample + [0] * (longest - len(sample)) for sample in batch])
            states.append(model.model.embed_tokens(ids))
            angles.append(model.model.rotary_emb(states[-1], torch.arange(longest)[None]))
            real.append(torch.tensor([[i < len(sample) for i in range(longest)] for sample in batch]).flatten())

        def step(block, index):
            output = block(states[index], attention_mask=None, position_embeddings=angles[index])
            return output[0] if isinstance(output, tuple) else output

        for block in model.model.layers:
            linears = {name: module for name, module in block.named_modules() if isinstance(module, torch.nn.Linear)}
            for part in (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)):
                chosen = [module for name, module in linears.items() if name.rsplit(".", 1)[-1] in part]
                hessians = [torch.zeros(module.in_features, module.in_features) for module in chosen]
                at = 0

                def hook(hessian):
                    def add(_, inputs, __):
                        x = inputs[0].flatten(0, -2)[real[at]]
                        hessian.addmm_(x.T, x)

                    return add

                hooks = [module.register_forward_hook(hook(hessian)) for module, hessian in zip(chosen, hessians)]
                for at in range(len(states)):
                    step(block, at)
                [one.remove() for one in hooks]
                for module, hessian in zip(chosen, hessians):
                    module.weight.data = gptq(module.weight.data, hessian, group)
            states = [step(block, at) for at in range(len(states))]
    spent = clock.read()
    return spent, {name: values.data for name, values in model.named_parameters() if name.endswith("_proj.weight")}


def gptq(weight, hessian, group):
    import torch

    weight = weight.clone()
    groups = weight.reshape(weight.shape[0], -1, group)
    scales = (groups.abs().amax(-1) / 7.5).half().float()
    diagonal = hessian.diag().clone()
    dead = diagonal == 0
    hessian[dead, dead] = 1
    weight[:, dead] = 0
    order = torch.argsort(diagonal, descending=True)
    weight, hessian = weight[:, order], hessian[order][:, order]
    hessian.diagonal().add_(0.01 * hessian.diag().mean())
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    stored = torch.zeros_like(weight)
    for start in range(0, weight.shape[1], 128):
        end = min(start + 128, weight.shape[1])
        live, part = weight[:, start:end].clone(), upper[start:end, start:end]
        errors = torch.zeros_like(live)
        for i in range(end - start):
            w, d = live[:, i], part[i, i]
            scale = scales[:, order[start + i] // group]
            q = torch.clamp(torch.round(w / scale), -8, 7) * scale
            stored[:, start + i] = q
            error = (w - q) / d
            live[:, i:] -= error[:, None] * part[i, i:][None]
            errors[:, i] = error
        weight[:, end:] -= errors @ upper[start:end, end:]
    return stored[:, torch.argsort(order)]


if __name__ == "__main__":
    main()
