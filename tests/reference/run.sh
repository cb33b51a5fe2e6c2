#!/bin/sh
# tests/reference/run.sh [OUTPUTS]: opens a quantized model and a dataset with readers that are not ours (check_formats.py,
# check_dataset.py) and with llama.cpp (check_llamacpp.py), holds the tokens of conversations against transformers
# (check_tokenize.py) and the tokens that sampling may draw (check_sampling.py), trains adapters beside PEFT (check_lora.py), and trains with TRL on our data (check_trl.py), in the Python
# environment of environment.sh. Runs pipelines/finetune.yaml with few steps, where pip finds the base.
# OUTPUTS holds the outputs of a run of pipelines/full.yaml, as out/full does; without it a small run is made under
# target/reference, a project of its own that leaves the user's store and outputs alone. The dataset is always that of
# dataset.yaml, made there too. The Python package of integrations/ is built, installed and tested with the quantized model
# (check_package.sh).
# What passed is not checked again: the digests of the outputs, of the readers and of the code they are held against are kept.
set -eu
outputs=
if [ $# -gt 0 ]; then outputs=$(CDPATH='' cd -- "$1" && pwd); fi
cd "$(dirname "$0")/../.."
here=tests/reference
work=target/reference

# small_run PIPELINE OPTIONS: in the project of these checks.
small_run() {
  mkdir -p "$work/pipelines"
  cp pipe.yaml "$work/"
  cp -Rp pipelines/. "$work/pipelines"
  cp "$here/dataset.yaml" "$work/pipelines/"
  pipeline=$1
  shift
  if ! (cd "$work" && ../../pipe run "pipelines/$pipeline" "$@") >"$work/run.log" 2>&1; then
    cat "$work/run.log" >&2
    echo "check: the small run of $pipeline failed" >&2
    exit 1
  fi
}

# finetune: pipelines/finetune.yaml, bounded. Its base comes from the package index that pip's own configuration names.
finetune() {
  if ! (cd "$work" && ../../pipe run pipelines/base.yaml) >"$work/base.log" 2>&1; then
    if grep -q 'pip could not download' "$work/base.log"; then
      echo "check: finetune.yaml was not run: $(grep -o 'pip could not download.*' "$work/base.log" | head -1)"
      return
    fi
    cat "$work/base.log" >&2
    exit 1
  fi
  # shellcheck disable=SC2046 # a word each
  small_run finetune.yaml $(sed 's/^/-S /' "$here/finetune.params")
  if ! grep -q '"total_steps": 10,' "$work/out/finetune/model/history.json"; then
    echo 'check: finetune.yaml did not train for 10 steps' >&2
    exit 1
  fi
  echo 'ok   finetune.yaml: 10 steps of adapters beside SmolLM2, merged, quantized and judged'
}

tests/reference/environment.sh
if [ -z "$outputs" ]; then
  # Small sizes: the formats are the same, the minutes are not.
  # shellcheck disable=SC2046 # a word each
  small_run full.yaml $(sed 's/^/-S /' "$here/small.params")
  outputs=$work/out/full
fi
for gptq in "$outputs"/*/gptq; do gguf=${gptq%/gptq}/model.gguf; done
if ! [ -d "$gptq" ] || ! [ -f "$gguf" ]; then
  echo "check: no quantized model in $outputs: a directory with */gptq and */model.gguf is wanted" >&2
  exit 2
fi
mkdir -p "$work/pipelines"
cp -f "$gptq/tokenizer.json" "$work/pipelines/"
small_run dataset.yaml
finetune
"$here/check_package.sh" "$gguf"
dataset=$work/out/dataset/dataset/dataset
parquet=$work/out/dataset/parquet/dataset

passed=target/reference.passed
conversations=$outputs/dataset/dataset tokens=$outputs/tokens/tokens
now=$(find "$gptq" "$gguf" "$dataset" "$parquet" "$conversations" "$tokens" "$here" stages/train/src crates/llama/src crates/llama/examples crates/tokens stages/tokenize \
  -type f ! -path '*__pycache__*' -exec sha256sum {} + | sort -k2)
if [ "$(cat "$passed" 2>/dev/null)" = "$now" ]; then
  echo 'ok   reference: as it passed before'
  exit 0
fi

# Bytecode makes the second import fast; nothing may come from the user's own site, nor go into their home.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH=.deps/python PYTHONNOUSERSITE=1 PYTHONWARNINGS=ignore
export GPTQMODEL_TORCH_EXTENSIONS_DIR="$PWD/.deps/python/extensions" HF_HUB_OFFLINE=1 HF_HOME="$PWD/$work/huggingface"
log=$work/check.log
cargo build --quiet --target-dir target -p llama --example candidates
status=0
{
  python3 "$here/check_dataset.py" "$dataset" "$gptq/tokenizer.json" "$parquet" &&
    python3 "$here/check_formats.py" "$gptq" "$gguf" &&
    python3 "$here/check_llamacpp.py" "$gguf" "$gptq" "$dataset/test.jsonl" &&
    python3 "$here/check_tokenize.py" target/debug/pipe-torch &&
    python3 "$here/check_sampling.py" target/debug/examples/candidates &&
    python3 "$here/check_lora.py" ./pipe &&
    python3 "$here/check_trl.py" "$outputs/model/model" "$conversations" "$tokens"
} >"$log" 2>&1 || status=$?
if [ "$status" != 0 ] || grep -q '^skip' "$log"; then
  cat "$log" >&2
  echo "check: the reference checks failed" >&2
  exit 1
fi
grep '^ok' "$log"
printf '%s\n' "$now" >"$passed"
