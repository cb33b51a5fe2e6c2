#!/usr/bin/env python3
"""Holds the tokens that we may draw, and their probabilities, against transformers' logits processors.

    check_sampling.py [CANDIDATES]

CANDIDATES is the example `candidates` of the crate llama, built; target/debug/examples/candidates by default. The processors compute
in 64 bits here, as ours do, so that no token stays or goes by rounding.

1. `generate` applies temperature, top_k and top_p in this order.
2. The tokens that stay are the same, and their probabilities differ by at most 1e-9.
"""

import json
import subprocess
import sys
from math import isfinite

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

CASES = 120
VOCABULARIES = [1, 2, 17, 1000, 49152]


def cases(random):
    def number(low, high):
        return low + (high - low) * torch.rand((), generator=random).item()

    for case in range(CASES):
        size = VOCABULARIES[case % len(VOCABULARIES)]
        logits = number(0.1, 6.0) * torch.randn(size, generator=random)
        if case % 7 == 0:
            # Tokens that a schema does not permit, and equal ones.
            logits = logits.round()
            logits[torch.rand(size, generator=random) < 0.3] = -float("inf")
            logits[size // 2] = 1.0
        top_k = int(number(1, 80)) if case % 2 else None
        # Equal logits at the edge of top_p stay by their place in a sort that torch does not promise to be stable.
        top_p = round(number(0.05, 1.0), 3) if case % 3 and case % 7 else None
        yield {"logits": logits, "temperature": round(number(0.2, 2.5), 3), "top_k": top_k, "top_p": top_p}


def processors(case):
    yield TemperatureLogitsWarper(case["temperature"])
    if case["top_k"] is not None:
        yield TopKLogitsWarper(case["top_k"])
    if case["top_p"] is not None:
        yield TopPLogitsWarper(case["top_p"])


def check_order():
    config = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    settings = GenerationConfig(do_sample=True, temperature=0.5, top_k=3, top_p=0.5)
    made = [type(one) for one in LlamaForCausalLM(config)._get_logits_processor(settings, input_ids_seq_length=1)]
    assert made == [TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper], made


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    program = sys.argv[1] if len(sys.argv) == 2 else "target/debug/examples/candidates"
    check_order()
    all_cases = list(cases(torch.Generator().manual_seed(42)))
    # JSON has no infinity.
    written = [{**case, "logits": [logit if isfinite(logit) else None for logit in case["logits"].tolist()]} for case in all_cases]
    ours = json.loads(subprocess.run([program], input=json.dumps(written), text=True, check=True, capture_output=True).stdout)
    worst, kept = 0.0, 0
    for case, candidates in zip(all_cases, ours, strict=True):
        scores = case["logits"].double().unsqueeze(0)
        for processor in processors(case):
            scores = processor(torch.zeros(1, 1, dtype=torch.long), scores)
        theirs = scores[0].softmax(-1)
        tokens = torch.isfinite(scores[0]).nonzero().flatten().tolist()
        assert [token for token, _ in candidates] == tokens, (len(candidates), len(tokens), {**case, "logits": "..."})
        worst = max(worst, *(abs(probability - theirs[token].item()) for token, probability in candidates))
        kept += len(tokens)
    assert worst <= 1e-9, worst
    print(f"ok   sampling: {len(all_cases)} rows of logits keep the {kept} tokens that transformers keeps, probabilities within {worst:.1e}")


if __name__ == "__main__":
    main()
