#!/usr/bin/env bash
# Checks bertkit on one GPU in under nine minutes, and goes past whatever fails.
#
#   OUT=/empty/folder bash benchmarks/gpu_check.sh        # in the root of the repository
#
# It leaves $OUT/summary.json (also printed), $OUT/profile.txt and $OUT/logs.txt.
#
# Groups, which ONLY="env runs ..." chooses from:
#   env       the card, versions of the driver and of PyTorch
#   pytest    the tests that run on a GPU, and those of the model
#   sample    records from the built-in sample; the groups below need them
#   runs      200 steps in every layout and precision, beside the same run on the CPU
#   resume    stopped, killed and resumed runs: are the weights those of an uninterrupted one?
#   compiled  the same with torch.compile, and compiled arms in bench and profile
#   bench     benchmarks/gpu.py: Hugging Face, eager, compiled; one after the other, since
#             two of them do not fit one GPU together
#   profile   where the time of a step of BERT-large goes
#   kernels   attention and matrix products by themselves, bit equality of repeated steps
#
# Settings: PYTHON=python3, DEVICE=cuda|cpu, SIZE=full|small (small: what a CPU can do),
#   LIMIT=525 seconds in all, SLOW=1 (times as long for every phase), JOBS small runs at once
#   (one per core), CASES="large-512 base-512 base-128" of benchmarks/gpu.py.
# Needs what setup.cfg says that bertkit needs, but for spacy and tfrecord: without, it says which
#   package is missing, and runs env alone. transformers and accelerate for Hugging Face's arm;
#   pytest and hypothesis for pytest.
set -u
begin=$(date +%s)
PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-cuda} SIZE=${SIZE:-full}
LIMIT=${LIMIT:-525} SLOW=${SLOW:-1}
# Counted before OMP_NUM_THREADS is set anywhere: nproc would answer with that.
JOBS=${JOBS:-$(env -u OMP_NUM_THREADS nproc)}
CASES=${CASES:-"large-512 base-512 base-128"}
[ "$SIZE" = small ] && CASES=test
ONLY=${ONLY:-"env pytest sample runs resume compiled bench profile kernels"}
OUT=${OUT:-$(mktemp -d)}
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd)
work=$(mktemp -d /tmp/gpu_check.XXXXXX)
mkdir -p "$work/log" "$work/results" "$work/run"
: > "$work/phases.jsonl"

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export TORCHINDUCTOR_CACHE_DIR=$work/inductor TRITON_CACHE_DIR=$work/triton
export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$work/numba} HF_HUB_OFFLINE=1
export TQDM_DISABLE=1 TOKENIZERS_PARALLELISM=false

elapsed() { echo $(( $(date +%s) - begin )); }
wants() { case " $ONLY " in *" $1 "*) return 0 ;; esac; return 1; }
compiles() { wants compiled && [ "$DEVICE" = cuda ]; }

not_run() { # NAME WHY
  echo "{\"phase\": \"$1\", \"status\": \"$2\"}" >> "$work/phases.jsonl"
}
# phase NAME SECONDS COMMAND...: with its own log and limit; notes and returns status, notes seconds.
phase() {
  local name=$1 seconds=$(( $2 * SLOW )) left=$(( LIMIT - $(elapsed) )) started status
  shift 2
  [ "$left" -lt "$seconds" ] && seconds=$left
  if [ "$seconds" -lt 8 ]; then
    not_run "$name" "no time left"
    return 1
  fi
  started=$(date +%s)
  timeout --kill-after=5 "$seconds" "$@" > "$work/log/$name.log" 2>&1
  status=$?
  echo "{\"phase\": \"$name\", \"status\": $status, \"seconds\": $(( $(date +%s) - started ))}" \
    >> "$work/phases.jsonl"
  echo "[$(elapsed) s] $name: status $status"
  return "$status"
}
check() { # PHASE SECONDS [OPTION...]: a phase of gpu_check.py
  local name=$1 seconds=$2
  shift 2
  phase "$name" "$seconds" "$PYTHON" benchmarks/gpu_check.py "$name" \
    --work "$work" --device "$DEVICE" --size "$SIZE" "$@"
}
bench() { # NAME SECONDS CASE ARM [OPTION...]: one arm of benchmarks/gpu.py
  local name=$1 seconds=$2 case=$3 arm=$4
  shift 4
  phase "$name" "$seconds" "$PYTHON" benchmarks/gpu.py --device "$DEVICE" --case "$case" \
    --arm "$arm" "$@"
}

check packages 20 || ONLY=env
wants env && check env 40
tests= warm=
if wants pytest; then # its records are not needed by anything, so the sample is made beside it
  phase pytest 90 "$PYTHON" -m pytest -p no:cacheprovider -q -m "not slow" \
    tests/backends/torch/test_cuda.py tests/backends/torch/test_step.py \
    tests/model/test_attention.py tests/model/test_heads.py tests/train/optimization/test_optimizers.py &
  tests=$!
fi
records=
wants sample && check sample 90 && records=yes
[ -n "$tests" ] && wait "$tests"

# What has to be compiled is compiled while only small runs use the GPU.
if compiles && { wants bench || wants profile; }; then
  for case in $CASES; do bench "warm-$case" 90 "$case" "bertkit bf16" --compile --rounds 1 --steps 1
  done &
  warm=$!
fi
if ! wants runs && ! wants resume && ! wants compiled; then :
elif [ -z "$records" ]; then not_run runs "not run: sample made no records"
else
  check runs 170 --jobs "$JOBS" --seconds $(( 160 * SLOW )) --only "$ONLY"
fi
[ -n "$warm" ] && wait "$warm"

if wants profile; then
  check profile 50
  compiles && check profile-compiled 90
fi
if wants kernels; then
  check kernels 60
  CUBLAS_WORKSPACE_CONFIG=:4096:8 check repeat 50 # which cuBLAS needs to be deterministic
fi
if wants bench; then
  for case in $CASES; do
    compiles && bench "bench-$case-compiled" 60 "$case" "bertkit bf16" --compile --rounds 2
    bench "bench-$case-eager" 50 "$case" "bertkit bf16" --rounds 2 --steps 5
    bench "bench-$case-hf" 60 "$case" "hf bf16" --rounds 2 --steps 5
  done
fi

LIMIT=$(( LIMIT + 20 )) # what was found is written in any case
check compare 20
cat "$work/results/profile.txt" > "$OUT/profile.txt" 2> /dev/null
for log in "$work"/log/*.log; do
  echo "===== $log"
  tail -c 4000 "$log"
done > "$OUT/logs.txt"
"$PYTHON" benchmarks/gpu_check.py summary --work "$work" > "$OUT/summary.json"
cat "$OUT/summary.json"
echo "[$(elapsed) s in all] results in $OUT, runs in $work"
