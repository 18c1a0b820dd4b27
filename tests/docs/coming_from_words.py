"""What the commands of docs/coming-from.md's rows have in common; see `coming_from_walks`."""

from __future__ import annotations

NOTHING = "the row says that nothing takes its place"
DATA = "{shared}/data"
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 128,
}
TINY = " ".join(f"--set model.{key}={value}" for key, value in SHAPE.items())
STEP = "--gbs 4 --micro-batch-size 4 --backend cpu"
TRAIN = f"pretrain --max-steps 2 {STEP} --output {{out}}"
PRETRAIN = f"{TRAIN} --input {{w}}/records {TINY}"
MAKE = "make-records --input {w}/text --output {out} --vocab {vocab} --msl 64"
CEREBRAS = (
    "make-records --style cerebras --documents file --sentences rule"
    " --input @{owt}/metadata/val.txt"
    " --input-prefix {owt}/openwebtext --output {out} --vocab {vocab} --seed 0 --outputs 2"
)
SQUAD = (
    f"finetune-squad --max-steps 2 {STEP} --msl 64 --max-query-length 16"
    " --init-checkpoint {w}/run --train-file {w}/squad.json --output {out}"
)
PLAN = "--dry-run --vocab {vocab} --input {w}/records"
R170 = f"{DATA}/vendor_configs/cerebras_r170"
GRAPHCORE = f"{DATA}/vendor_configs/graphcore_v341"
HABANA = f"{DATA}/vendor_configs/habana_1.23/readme_commands.txt"
TF1 = f"{DATA}/checkpoints/keras_bert_tiny_tf1"
TF2 = f"{DATA}/checkpoints/keras_bert_tiny_tf2"

BASE = (
    "--output {out} --dry-run --init-checkpoint {w}/base --vocab {vocab} --backend cs"
    " --set epochs=0"
)
