#!/bin/sh
# The main job end to end on the built-in sample: no GPU, no download, minutes on two cores.
# Usage: sh examples/demo.sh [FOLDER]
# Settings: BACKEND=cuda (a device; by default the best that is there), FLAGS (more flags for
# pretrain and finetune), BERTKIT_EXTRACT_SPLITTER=unicode (sentences without spaCy).
# The same commands take your own text: replace the first one.
set -eu
out=${1:-demo}
backend=${BACKEND:-auto}
begin=$(date +%s)

# Bold where somebody looks, plain in a file.
bold= plain=
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi

# Shows a command, with quotes where a shell needs them to take it again, and runs it.
run() {
    line=
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=:,@%+-]*) word="\"$word\"" ;;
        esac
        line="$line $word"
    done
    printf '\n%s$%s%s\n' "$bold" "$line" "$plain"
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

# One page of all that was trained: curves, scores, records, answers.
run bertkit report "$out/phase1" "$out/phase2" "$out/squad" "$out/topics" --output "$out/report.html" --quiet

printf '\nTopics of paragraphs not seen before: %.0f %% right; the most frequent topic each time: %.0f %%.\n' \
    "$(echo "$accuracy" | awk '{ print 100 * $1 }')" "$(echo "$majority" | awk '{ print 100 * $1 }')"
# What answering without reading scores: the last three words of each passage.
guess=$(python "$(dirname "$0")/last_words.py" "$out/raw/squad/dev.json" 2>/dev/null || echo '?')
questions=$(grep -c '"question":' "$out/raw/squad/train.json")
printf 'Questions not seen before: F1 %.0f; the last three words of each passage: F1 %s.\n' \
    "$(sed -n 's/^ *"f1": *\([0-9.]*\).*/\1/p' "$out/squad/scores.json")" "$guess"
printf 'So %s questions teach a model of this size those questions, and not to read: SQuAD has 87,599, and\n' "$questions"
printf 'BERT had read 3.3 billion words before. One of those that it was taught:\n'

# The first passage without quotation marks, and its question.
passage=$(sed -n 's/^ *"context": "\(.*\)",*$/\1/p' "$out/raw/squad/train.json" | grep -v '\\' | head -n 1)
question=$(awk -v passage="$passage" 'index($0, passage) { here = 1 } here && /"question":/ { print; exit }' \
    "$out/raw/squad/train.json" | sed 's/^ *"question": "\(.*\)",*$/\1/')
run bertkit predict --init-checkpoint "$out/squad" --question "$question" --passage "$passage" --backend "$backend"

printf '\nDone in %s seconds. Open %s in a browser: file://%s\n' \
    "$(($(date +%s) - begin))" "$out/report.html" "$(cd "$out" && pwd)/report.html"
printf 'Now your own text: bertkit extract --input YOUR.txt --output my/docs, then as above.\n'
