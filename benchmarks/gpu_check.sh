#!/usr/bin/env bash
# Checks bertkit on one GPU in under nine minutes, and goes past whatever fails.
#
#   OUT=/empty/folder bash benchmarks/gpu_check.sh        # in the root of the repository
#
# What decides most comes first, so that less time gives less, but not nothing. Where a GPU is
# to be had for minutes only, records are made before (see SAMPLE), and:
#
#   LIMIT=200 ONLY="env sample fused trial tiles bench profile" CASES="large-512 base-128"
#       fused layers: are they right, do steps repeat, how fast are they, which tiles are best
#   LIMIT=300 ONLY="env pytest sample runs resume fused trial graphs tiles bench profile" CASES="large-512 base-128"
#       and the other tests, small runs in all layouts, recorded steps of small models, more arms of
#       benchmarks/gpu.py
#   LIMIT=525   all groups and cases, which is what happens without settings
#
# It leaves $OUT/summary.json (also printed), $OUT/profile.txt, $OUT/tiles.json, $OUT/logs.txt and
# the logs of the tests. The summary is written anew after every phase: it is there, too, when the
# machine goes away before the end.
#
# Groups, which ONLY="env runs ..." chooses from:
#   env       the card, versions of the driver and of PyTorch
#   pytest    the tests that run on a GPU, and those of the model
#   sample    records from the built-in sample; the groups below need them
#   runs      200 steps in every layout and precision, beside the same run on the CPU
#   resume    stopped, killed and resumed runs: are the weights those of an uninterrupted one?
#   compiled  the same with torch.compile, and compiled arms in bench and profile
#   fused     bertkit's own kernels (cuda.fused): their tests, small runs beside the CPU, resumed
#             runs, profiled steps, and arms in bench
#   trial     what a long run of BERT-large finds when it tries them
#   fp8       benchmarks/gpu_fp8.py: what products in 8 bits cost and gain; an arm in bench
#   graphs    recorded steps (cuda.graphs): their tests, small runs beside the CPU, resumed runs, which
#             passes are recorded by default, and small models in bench, run and recorded
#   tiles     benchmarks/gpu_tiles.py: which tiles are fastest. What comes after uses them
#   bench     benchmarks/gpu.py: fused, eager, compiled, Hugging Face; one after the other, since
#             two of them do not fit one GPU together
#   profile   where the time of a step of BERT-large goes
#   kernels   attention and matrix products by themselves, bit equality of repeated steps
#
# Tests, small runs and compilers share the first part, at most 0.4 of the time; from then on
# each phase has the GPU alone.
#
# Settings: PYTHON=python3, DEVICE=cuda|cpu, SIZE=full|small (small: what a CPU can do),
#   LIMIT=525 seconds in all, SLOW=1 (times as long for every phase), JOBS small runs at once
#   (one per core), CASES="large-512 base-512 base-128" of benchmarks/gpu.py,
#   TILES=FILE of gpu_tiles.py for fused layers (tiles makes one, which is used then),
#   FEW=0 variants of tiles (all), SAMPLE=FOLDER that keeps the records of sample: made at the
#   first call, which may be on another machine (DEVICE=cpu ONLY=sample), taken from it later.
#   Making them takes 20 to 45 seconds, which small runs wait for.
# Needs what setup.cfg says that bertkit needs, but for spacy and tfrecord: without, it says which
#   package is missing, and runs env alone. transformers and accelerate for Hugging Face's arm;
#   pytest and hypothesis for pytest and fused, triton for fused and tiles.
set -u
begin=$(date +%s)
PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-cuda} SIZE=${SIZE:-full}
LIMIT=${LIMIT:-525} SLOW=${SLOW:-1}
# Counted before OMP_NUM_THREADS is set anywhere: nproc would answer with that.
JOBS=${JOBS:-$(env -u OMP_NUM_THREADS nproc)}
CASES=${CASES:-"large-512 base-512 base-128"}
[ "$SIZE" = small ] && CASES=test
ONLY=${ONLY:-"env pytest sample runs resume compiled fused fp8 trial graphs tiles bench profile kernels"}
TILES=${TILES:-} FEW=${FEW:-0} SAMPLE=${SAMPLE:-}
OUT=${OUT:-$(mktemp -d)}
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd)
work=$(mktemp -d /tmp/gpu_check.XXXXXX)
mkdir -p "$work/log" "$work/results" "$work/run"
: > "$work/phases.jsonl"

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export TORCHINDUCTOR_CACHE_DIR=$work/inductor TRITON_CACHE_DIR=$work/triton
export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$work/numba} HF_HUB_OFFLINE=1
export COLUMNS=100 TQDM_DISABLE=1 TOKENIZERS_PARALLELISM=false

elapsed() { echo $(( $(date +%s) - begin )); }
wants() { case " $ONLY " in *" $1 "*) return 0 ;; esac; return 1; }
compiles() { wants compiled && [ "$DEVICE" = cuda ]; }
fuses() { wants fused && [ "$DEVICE" = cuda ]; }
records_steps() { wants graphs && [ "$DEVICE" = cuda ]; }
ends=$(( LIMIT - 12 )) # of phases; what is left is for the summary

not_run() { # NAME WHY
  echo "{\"phase\": \"$1\", \"status\": \"$2\"}" >> "$work/phases.jsonl"
}
# phase NAME SECONDS COMMAND...: with its own log and limit; notes and returns status, notes seconds.
phase() {
  local name=$1 seconds=$(( $2 * SLOW )) left=$(( ends - $(elapsed) )) started status
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
  [ -n "$alone" ] && summary
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

summary() {
  cp "$work/tiles.json" "$work"/log/pytest*.log "$OUT" 2> /dev/null
  cp "$work/results/profile.txt" "$OUT" 2> /dev/null
  "$PYTHON" benchmarks/gpu_check.py summary --work "$work" > "$OUT/summary.part" &&
    mv "$OUT/summary.part" "$OUT/summary.json"
}
tests() { # NAME SECONDS WORD...: pytest, on some cores where it can
  local name=$1 seconds=$2
  shift 2
  phase "$name" "$seconds" "$PYTHON" -m pytest -p no:cacheprovider -v --tb=short -m "not slow" \
    $workers "$@"
}

alone= # set once phases have the GPU alone
check packages 20 || ONLY=env

# The part in which only tests, small runs and compilers use the GPU, all at once.
whole=$ends ends=$(( LIMIT * 4 / 10 ))
[ "$SLOW" -gt 1 ] && ends=$whole
workers=
"$PYTHON" -c "import sys, importlib.util as u; sys.exit(not u.find_spec('xdist'))" 2> /dev/null &&
  workers="-n $(( (JOBS + 2) / 3 ))"
waiting=
later() { waiting="$waiting $!"; }
if wants env; then check env 40 & later; fi
if wants fused; then
  tests pytest-fused 90 -k "fused or stopped_run or 8_bits or one_pass or update_check" \
    tests/model/fused tests/backends/torch/test_cuda.py tests/backends/torch/fused \
    tests/train/optimization/test_one_pass.py tests/train/optimization/test_update_check.py & later
fi
if wants graphs; then
  tests pytest-graphs 90 -k "record or replay" tests/backends/torch/graphs \
    tests/tasks/finetuning/test_recorded.py & later
fi
if wants tiles && [ "$DEVICE" = cuda ]; then
  phase tiles-compile 150 "$PYTHON" benchmarks/gpu_tiles.py --only-compile \
    --compiled "$work/tiles.jsonl" --jobs $(( (JOBS + 1) / 2 )) --few "$FEW" & later
fi
if wants pytest; then
  wants fused && others="not fused and not stopped_run and not 8_bits and not one_pass" || others="not nothing"
  wants graphs && others="$others and not record and not replay"
  tests pytest 90 -k "$others" \
    tests/backends/torch/test_cuda.py tests/backends/torch/test_step.py \
    tests/model/test_attention.py tests/model/test_heads.py tests/train/optimization/test_optimizers.py & later
fi
records=
if wants sample; then
  if [ -n "$SAMPLE" ] && [ -e "$SAMPLE/valid-128/manifest.json" ]; then
    cp -r "$SAMPLE"/. "$work" && records=yes
  elif check sample 90; then
    records=yes
    [ -n "$SAMPLE" ] && mkdir -p "$SAMPLE" &&
      cp -r "$work"/{vocab.txt,train-128,valid-128} "$SAMPLE"
  fi
fi
if compiles && { wants bench || wants profile; }; then
  for case in $CASES; do
    bench "warm-$case" 90 "$case" "bertkit bf16" --no-fused --compile --rounds 1 --steps 1
    fuses && bench "warm-$case-fused" 90 "$case" "bertkit bf16" --compile --fused --rounds 1 --steps 1
  done & later
fi
if ! wants runs && ! wants resume && ! wants compiled && ! wants fused && ! wants graphs; then :
elif [ -z "$records" ]; then not_run runs "not run: sample made no records"
else
  check runs 170 --jobs "$JOBS" --seconds $(( ends - $(elapsed) - 5 )) --only "$ONLY"
fi
for job in $waiting; do wait "$job"; done
ends=$whole alone=yes
check compare 30

fuses && wants profile && check profile-fused 60 ${TILES:+--tiles "$TILES"}
if wants tiles && [ -s "$work/tiles.jsonl" ]; then
  phase tiles 60 "$PYTHON" benchmarks/gpu_tiles.py --compiled "$work/tiles.jsonl" \
    --output "$work/tiles.json"
  [ -s "$work/tiles.json" ] && TILES=$work/tiles.json
fi
if fuses && wants bench; then
  for case in $CASES; do
    fused="--fused --rounds 2 ${TILES:+--tiles $TILES}"
    bench "bench-$case-fused" 45 "$case" "bertkit bf16" $fused
    wants fp8 && bench "bench-$case-fp8" 45 "$case" "bertkit bf16" $fused --fp8
    compiles && bench "bench-$case-fused-compiled" 60 "$case" "bertkit bf16" $fused --compile
  done
fi
if wants fp8 && [ "$DEVICE" = cuda ]; then
  phase fp8 40 "$PYTHON" benchmarks/gpu_fp8.py
fi
if wants trial && [ "$DEVICE" = cuda ]; then # the answers are for this call alone
  XDG_CACHE_HOME=$work/cache phase trial 60 "$PYTHON" benchmarks/gpu_trial.py --case large-512
fi
records_steps && phase graphs-choice 30 "$PYTHON" benchmarks/gpu_graphs.py
if records_steps && wants bench; then
  for case in mini-128 small-128; do
    bench "bench-$case-graphs" 30 "$case" "bertkit bf16" --no-fused --graphs --rounds 3 --steps 40
    bench "bench-$case-eager" 30 "$case" "bertkit bf16" --no-fused --rounds 2 --steps 40
    bench "bench-$case-hf" 30 "$case" "hf bf16" --rounds 2 --steps 20
  done
fi
if wants bench; then
  for case in $CASES; do
    bench "bench-$case-eager" 50 "$case" "bertkit bf16" --no-fused --rounds 2 --steps 5
    compiles && bench "bench-$case-compiled" 60 "$case" "bertkit bf16" --no-fused --compile --rounds 2
    bench "bench-$case-hf" 60 "$case" "hf bf16" --rounds 2 --steps 5
  done
fi
if wants profile; then
  check profile 50
  compiles && check profile-compiled 90
fi
if wants kernels; then
  check kernels 60
  CUBLAS_WORKSPACE_CONFIG=:4096:8 check repeat 50 # which cuBLAS needs to be deterministic
fi

summary
for log in "$work"/log/*.log; do
  echo "===== $log"
  tail -c 4000 "$log"
done > "$OUT/logs.txt"
cat "$OUT/summary.json"
echo "[$(elapsed) s in all] results in $OUT, runs in $work"
