#!/bin/sh
# The main job end to end on the built-in sample: no GPU, no download, minutes on two cores.
# Usage: sh examples/demo.sh [FOLDER]      (more flags for pretrain and finetune in $FLAGS)
# The same commands take your own text: replace the first one.
set -eu
out=${1:-demo}
backend=${BACKEND:-auto}
begin=$(date +%s)

run() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

run bertkit doctor --quiet
run bertkit download sample --output "$out/raw"
run bertkit extract --input "$out/raw/text" --output "$out/docs"
run bertkit split --input "$out/docs" --output "$out/split" --valid 0.1 --parts 2
run bertkit train-vocab --input "$out/split/train" --output "$out/vocab.txt" --size 4096 --overwrite

# Two lengths, as for the two phases of BERT.
run bertkit make-records --input "$out/split/train" --vocab "$out/vocab.txt" --msl 128 \
    --dupe-factor 10 --output "$out/train-128"
run bertkit make-records --input "$out/split/train" --vocab "$out/vocab.txt" --msl 512 \
    --dupe-factor 10 --output "$out/train-512"
run bertkit make-records --input "$out/split/valid.txt" --vocab "$out/vocab.txt" --msl 128 \
    --output "$out/valid-128"
run bertkit pick-eval --input "$out/valid-128" --count 300 --output "$out/eval-128"
run bertkit inspect "$out/train-128" --vocab "$out/vocab.txt" --count 1

run bertkit pretrain --preset tiny --input "$out/train-128" --eval-input "$out/eval-128" \
    --vocab "$out/vocab.txt" --backend "$backend" --max-steps 800 --global-batch-size 32 --eval-every 200 \
    --output "$out/phase1" ${FLAGS:-}
run bertkit pretrain --preset tiny --input "$out/train-512" --eval-input "$out/eval-128" \
    --vocab "$out/vocab.txt" --backend "$backend" --max-steps 100 --global-batch-size 8 --micro-batch-size 8 \
    --init-checkpoint "$out/phase1" --output "$out/phase2" ${FLAGS:-}
run bertkit eval --checkpoint "$out/phase1" --checkpoint "$out/phase2" --input "$out/eval-128" \
    --baseline "$out/train-128" --backend "$backend"
run bertkit report "$out/phase1" "$out/phase2" --output "$out/curves.png"

run bertkit finetune-squad --init-checkpoint "$out/phase2" --vocab "$out/vocab.txt" \
    --epochs 60 --learning-rate 1e-3 --train-file "$out/raw/squad/train.json" --predict-file "$out/raw/squad/dev.json" \
    --do-train --do-predict --do-eval --backend "$backend" --output "$out/squad" ${FLAGS:-}

# What the encoder has learnt, on another task: which topic a paragraph belongs to.
run bertkit finetune --task classify --init-checkpoint "$out/phase2" --vocab "$out/vocab.txt" \
    --train-file "$out/raw/topics/train.tsv" --eval-file "$out/raw/topics/dev.tsv" --max-seq-length 64 \
    --epochs 8 --learning-rate 1e-3 --global-batch-size 32 --backend "$backend" --output "$out/topics" ${FLAGS:-}
accuracy=$(sed -n 's/^ *"accuracy": *\([0-9.]*\).*/\1/p' "$out/topics/scores.json")
# The share of the most frequent topic: what answering without reading would score.
majority=$(tail -n +2 "$out/raw/topics/dev.tsv" | cut -f 2 | sort | uniq -c | sort -rn |
    awk '{ all += $1 } NR == 1 { most = $1 } END { print most / all }')

# A hundred questions teach a small model those questions, and little beyond them.
run bertkit finetune-squad --init-checkpoint "$out/squad" --vocab "$out/vocab.txt" \
    --predict-file "$out/raw/squad/train.json" --backend "$backend" --output "$out/squad-seen"

printf '\nTopics of paragraphs not seen before: %.0f %% right; the most frequent topic each time: %.0f %%.' \
    "$(echo "$accuracy" | awk '{ print 100 * $1 }')" "$(echo "$majority" | awk '{ print 100 * $1 }')"
printf '\nDone in %s seconds. The curves are in %s/curves.png, the answers in %s.\n' \
    "$(($(date +%s) - begin))" "$out" "$out/squad/predictions.json"
printf 'Now your own text: bertkit extract --input YOUR.txt --output my/docs, then as above.\n'
