"""The commands behind the rows of docs/coming-from.md on checkpoints of other programs."""

from __future__ import annotations

from docs.coming_from_words import DATA, TRAIN, PRETRAIN, TF1, TF2

TENSORFLOW_1 = {
    "`bert_model.ckpt`": [
        f"convert {TF1}/bert_model.ckpt --output {{out}}/a --allow-missing 'cls.*'",
        f"convert {TF1}/bert_model.ckpt.index --output {{out}}/b --allow-missing 'cls.*'",
        f"convert {TF1} --output {{out}}/c --allow-missing 'cls.*'",
    ],
    "`bert_config.json`": ["eval --input {w}/eval --checkpoint {w}/as-published/tf1_ckpt"],
    "`…/adam_m`": "tests/model/checkpoints/tensorflow/test_tf1.py",
    "`global_step`": [f"convert {TF1} --output {{out}} --allow-missing 'cls.*'"],
    "`cls/predictions`": [f"convert {TF1} --check"],
    "`checkpoint_add_gradacc.py`": "tests/model/checkpoints/tensorflow/test_tf1.py",
    "shrinking a checkpoint": [f"convert {TF1} --to tf1 --output {{out}}"],
    "`--init_checkpoint` of their programs": [
        "convert {w}/run/step-0000002 --to tf1 --output {out}",
        "convert {w}/run --to tf1 --keep-optimizer --output {out}-slots",
    ],
    "`bert_config.json` says `gelu`": [f"{PRETRAIN} --set model.hidden_act=gelu_new"],
}

TENSORFLOW_2 = {
    "`tf2_encoder_checkpoint_converter.py`": [
        f"convert {TF2}_encoder --check --model-config {TF1}/bert_config.json",
        f"convert {TF2}_pretrainer --check --model-config {TF1}/bert_config.json",
    ],
    "`tf.train.Checkpoint(encoder=...)`": [
        "3: convert {w}/run --to tf2 --output {out}",
        "convert {w}/run --to tf2 --output {out} --allow-unexpected 'cls.seq_relationship.*'",
    ],
    "converting TF1 to TF2": [
        f"{TRAIN} --input {{w}}/keras-records --init-checkpoint {TF1}",
    ],
    "no `bert_config.json` beside it": [f"convert {TF2}_encoder --output {{out}}"],
    "`eval` of the encoder form": [
        f"3: eval --input {{w}}/keras-records --checkpoint {TF2}_encoder",
        f"{TRAIN} --input {{w}}/keras-records --init-checkpoint {TF2}_encoder",
    ],
    "SavedModel `variables/`": [
        f"3: convert {DATA}/checkpoints/savedmodel_tf2/variables --output {{out}}"
        f" --model-config {TF1}/bert_config.json",
    ],
}

PYTORCH = {
    "`ckpt_8601.pt`": ["convert {w}/nvidia --output {out}"],
    "`dense_act` layers": ["convert {w}/nvidia --check"],
    "vocabulary padded": [
        "convert {w}/nvidia --vocab-size 30522 --output {out}",
        "convert {w}/run --to nvidia --output {out}-back",
    ],
    "`data_loader`": ["convert {w}/nvidia --output {out}"],
    "`optimizer`": ["convert {w}/nvidia --keep-optimizer --output {out}"],
    "`--init_checkpoint` of their programs": [
        "convert {w}/run/step-0000002 --to nvidia --keep-optimizer --output {out}",
    ],
    "`--resume_from_checkpoint`": [
        PRETRAIN,
        PRETRAIN,
        f"{TRAIN}-2 --input {{w}}/records --init-checkpoint {{out}}",
    ],
}

GRAPHCORE_CHECKPOINTS = {
    "`step_N/`": ["convert {w}/graphcore --output {out}"],
    "`--pretrained-checkpoint`": [f"{TRAIN} --input {{w}}/records --init-checkpoint {{w}}/model"],
    "`optimizer_state_dict`": "tests/model/checkpoints/vendors/test_graphcore.py",
}

CEREBRAS_CHECKPOINTS = {
    "`checkpoint_N.mdl`": "tests/model/checkpoints/vendors/test_cerebras.py",
    "BERT with both heads": "tests/model/checkpoints/vendors/test_cerebras.py",
    "optimizer state": "tests/model/checkpoints/vendors/test_cerebras_moments.py",
    "TensorFlow estimator checkpoints": "tests/model/checkpoints/tensorflow/test_checkpoint.py",
    "continuing phase 2": [f"{TRAIN} --input {{w}}/records --init-checkpoint {{w}}/run"],
}

HUGGING_FACE_CHECKPOINTS = {
    "`model.safetensors`": ["convert {w}/model --check", "convert {w}/parts --check"],
    "`architectures` in `config.json`": "tests/model/checkpoints/test_model_class.py",
    "an untied decoder": "tests/commands/test_starting_points.py",
    "`tokenizer.json` without": "tests/tokenization/test_tokenizer_json.py",
    "`from_pretrained(FOLDER)`": "tests/commands/test_convert.py",
    "names on the model hub": "tests/commands/test_hub_names.py",
}
