"""The commands behind the rows of docs/coming-from.md on flags and steps of other programs."""

from __future__ import annotations

from docs.coming_from_words import NOTHING, DATA, TINY, STEP, TRAIN, PRETRAIN, MAKE, CEREBRAS, SQUAD, PLAN, R170, GRAPHCORE, HABANA, BASE

GOOGLE = {
    "`download_and_uncompress.sh`": [
        "download enwiki-20200101 --output {out} --dry-run",
        "download mlperf-text --output {out} --dry-run",
        "download mlperf-checkpoint --output {out} --dry-run",
        "2: download mlperf-checkpoint --output {out} --from-file {w}/text",
    ],
    "`WikiExtractor.py`": [
        f"3: extract --chain mlperf --input {DATA}/wikidump/enwiki-table-markup.xml.bz2"
        " --output {out}",
    ],
    "`cleanup_file.py`": [
        f"extract --chain mlperf --input '{DATA}/mlperf_sample/wiki_??' --output {{out}}",
    ],
    "`seperate_test_set.py": [
        "split --method mlperf --num-test-articles 2 --part-megabytes 26.92"
        " --input {w}/articles --output {out}",
    ],
    "the table of sizes": [
        "3: verify --reference mlperf {w}/parts",
    ],
    "`create_pretraining_data.py --input_file": [f"{MAKE} --style mlperf"],
    "`--random_seed`": [f"{MAKE} --style mlperf --seed 1 --whole-word-mask"],
    "`--max_predictions_per_seq=76`": [
        f"{MAKE} --style mlperf --max_predictions_per_seq=9 --dupe_factor=2"
        " --masked_lm_prob=0.2 --short_seq_prob=0.3",
    ],
    "`pick_eval_samples.py": ["pick-eval --input {w}/records --output {out}/eval_10k --count 300"],
    "record files without an ending": [
        f"{TRAIN} --input {{w}}/suffixless {TINY}",
        f"{TRAIN} --input '{{w}}/suffixless/part-*' {TINY}",
    ],
    "`run_pretraining.py --input_file": [PRETRAIN],
    "`--bert_config_file`": [f"{TRAIN} --input {{w}}/records --config {{w}}/bert_config.json"],
    "`--train_batch_size`": [f"{PRETRAIN} --global-batch-size 8"],
    "`--optimizer=lamb`": [
        f"{PRETRAIN} --optimizer mlperf --beta1 0.81 --beta2 0.91 --weight-decay 0.02",
    ],
    "`--log_epsilon`": [f"{PRETRAIN} --eps 1e-5"],
    "`--num_train_steps`": [
        f"{PRETRAIN} --max-steps 3 --warmup-steps 1 --start-warmup-step -1",
    ],
    "`--poly_power`": [f"{PRETRAIN} --schedule polynomial --power 0.5"],
    "`--clip_by_global_norm": [f"{PRETRAIN} --clip after", f"{PRETRAIN} --clip before --overwrite"],
    "`--steps_per_update`": [f"{PRETRAIN} --micro-batch-size 2"],
    "evaluating in a job": [
        "eval --input {w}/eval --checkpoint {w}/run --wait 1",
        "eval --input {w}/eval -c {w}/run/step-0000002 -c {w}/run/step-0000001",
        f"{PRETRAIN} --eval-first --eval-input {{w}}/eval",
    ],
    "`--save_checkpoints_steps`": [f"{PRETRAIN} --save-every 1 --keep-last 1"],
    "`--iterations_per_loop`": [
        "2: pretrain --use_tpu --input {w}/records --output {out}",
        "launch torchrun --backend cuda --devices 2 -- pretrain --input {w}/records --output {out}",
    ],
    "`--do_eval`": ["eval --input {w}/eval --checkpoint {w}/run --limit 4"],
    "the MLM loss divided": [f"{PRETRAIN} --mlm-normalisation micro_batch"],
    "evaluation every": [
        f"{PRETRAIN} --eval-input {{w}}/eval --eval-every-samples mlperf",
    ],
    "target accuracy": [f"5: {PRETRAIN} --eval-input {{w}}/eval --target-mlm-accuracy 0.72"],
    "masked LM accuracy 0.34085": ["eval --input {w}/eval --checkpoint {w}/as-published"],
    "rewriting `checkpoint`": ["eval --input {w}/eval --checkpoint {w}/run"],
    "`clip_by_global_norm` before": [f"{PRETRAIN} --clip before"],
    "`:::MLLOG`": [f"{PRETRAIN} --mlperf-log {{out}}.log"],
}

HUGGING_FACE = {
    "`create_vocab.py": [
        "train-vocab --input {w}/text --output {out}/vocab.txt --size 300",
        "download bert-base-uncased-vocab --output {out}/published --dry-run",
    ],
    "`create_pretraining_data.py": [f"{MAKE} --style hf --whole-word-mask --seed 7"],
    "`--train_file data/train_128.json`": "tests/records/test_foreign_readers.py",
    "`run_bert.py": [f"{PRETRAIN} --eval-input {{w}}/eval"],
    "`--model_name_or_path FOLDER_OR_NAME`": [
        f"{TRAIN} --input {{w}}/records --init-checkpoint {{w}}/model",
        f"{TRAIN} --input {{w}}/records --config {{w}}/model/config.json",
    ],
    "`--tokenizer_name`": NOTHING,
    "`--model_revision`": "tests/commands/test_hub_names.py",
    "`--per_device_train_batch_size`": [f"{PRETRAIN} --micro-batch-size 2 --global-batch-size 8"],
    "`--per_device_eval_batch_size`": NOTHING,
    "`--num_train_epochs`": [f"{PRETRAIN} --epochs 0.5", f"{PRETRAIN} --max-steps 1 --overwrite"],
    "`--lr_scheduler_type linear`": [
        f"{PRETRAIN} --schedule linear --warmup-steps 1",
        f"{PRETRAIN} --schedule cosine --warmup-proportion 0.5 --overwrite",
    ],
    "`--evaluation_strategy": [f"{PRETRAIN} --eval-input {{w}}/eval --eval-every 1"],
    "`--save_strategy": [f"{PRETRAIN} --save-every 1 --keep-last 2"],
    "`--logging_steps`": [f"{PRETRAIN} --log-every 1 --log-to tensorboard"],
    "`--dataloader_drop_last`": NOTHING,
    "`--max_train_samples`": [
        f"{MAKE} --limit 3",
        "eval --input {w}/eval --checkpoint {w}/run --limit 4",
    ],
    "`--eval_only_mlm`": ["eval --input {w}/eval --checkpoint {w}/run --mlm-only"],
    "`--overwrite_output_dir`": [PRETRAIN, PRETRAIN, f"{PRETRAIN} --lr 1e-3 --overwrite"],
    "`torch.distributed.run`": [
        "launch torchrun --backend cuda --devices 2 -- pretrain --input {w}/records --output {out}",
    ],
}

TUNE = f"finetune --max-steps 2 {STEP} --msl 32 --init-checkpoint {{w}}/run --output {{out}}"
SST = "--train-file {w}/glue/SST-2/train.tsv --eval-file {w}/glue/SST-2/dev.tsv"
HUGGING_FACE_TASKS = {
    "`run_glue.py": [
        f"{TUNE} --preset glue-mrpc --data-dir {{w}}/glue/MRPC",
        f"{TUNE} --task classify {SST} --predict-file {{w}}/glue/SST-2/dev.tsv --overwrite",
    ],
    "`run_ner.py": [
        f"{TUNE} --task tag --train-file {{w}}/train.conll --word-column 1 --tag-column 2"
        " --label-pieces all",
    ],
    "`run_qa.py": [
        f"{SQUAD} --predict-file {{w}}/squad.json --version-2-with-negative --doc-stride 16"
        " --max-answer-length 9 --n-best-size 5 --null-score-diff-threshold 0",
    ],
    "`load_dataset": "tests/tasks/finetuning/test_data_sets.py",
    "`ClassLabel`": "tests/tasks/finetuning/test_data_sets.py",
    "`--per_device_train_batch_size 8`": [
        f"{TUNE} --task classify {SST} --gbs 8 --warmup-steps 0 --weight-decay 0 --eps 1e-8",
    ],
    "`--eval_strategy steps": [
        f"{TUNE} --task classify {SST} --eval-every 1 --keep-best --metric accuracy",
    ],
    "`--max_train_samples`": [f"{TUNE} --task classify {SST} --limit 8"],
    "`all_results.json`": NOTHING,
}

CEREBRAS_ROWS = {
    "`extract.sh`": [
        "extract --form tar --input {shared}/data/owt/mini/openwebtext.tar.xz --output {out}/a",
        "extract --input {owt}/openwebtext --output {out}/b",
    ],
    "`create_tfrecords.py --metadata_files": [CEREBRAS],
    "`--spacy_model`": [f"{CEREBRAS} --split-files 2 --whole-word-mask"],
    "`--multiple_docs_in_single_file`": [
        f"{MAKE} --style cerebras --documents blank-line --sentences line",
    ],
    "metadata files, without unpacking": [
        "extract --form tar --input {shared}/data/owt/mini/openwebtext.tar.xz --output {out}/docs",
        "split --method lists --metadata {owt}/metadata/train_mini.txt"
        " --metadata {owt}/metadata/val_mini.txt --input {out}/docs --output {out}/split",
        "make-records --style cerebras --input {out}/split/valid.txt --output {out}/records"
        " --vocab {vocab}",
    ],
    "metadata files over unpacked folders": [
        "split --method lists --metadata {owt}/metadata/val.txt"
        " --input-prefix {owt}/openwebtext --output {out}",
    ],
    "`create_tfrecords_mlm_only.py`": [
        f"{CEREBRAS} --objective mlm",
        f"pretrain --max-steps 2 {STEP} --no-nsp --input {{out}} --output {{out}}-run {TINY}",
    ],
    "`create_tfrecords_mlm_only.py --disable_masking`": [
        f"{CEREBRAS} --objective unmasked",
        f"pretrain --max-steps 2 {STEP} --no-nsp --mask dynamic --vocab {{vocab}}"
        f" --input {{out}} --output {{out}}-run {TINY}",
    ],
    "`run.py --mode train": [
        f"pretrain --config {R170}/params_bert_base_msl128.yaml --output {{out}} {PLAN}"
        " --backend cs",
    ],
    "`--mode eval`": [
        "eval --input {w}/eval --checkpoint {w}/run",
        f"{PRETRAIN} --eval-input {{w}}/eval --eval-every 1",
    ],
    "`--validate_only`": [
        f"{PRETRAIN} --dry-run --precision bf16 --backend cs --set cs.validate_only=true",
        f"{PRETRAIN} --dry-run --precision bf16 --backend cs --set cs.compile_only=true",
    ],
    "`--cs_ip`": [
        "launch csrun --address 10.0.0.1 -- pretrain"
        f" --config {R170}/params_bert_base_msl128.yaml --output {{out}} --max-steps 9",
    ],
    "`--multireplica`": [f"{PRETRAIN} --dry-run --precision bf16 --backend cs --set cs.systems=2"],
    "`fine_tuning/qa`": [
        f"finetune-squad --config {R170}/params_bert_base_squad.yaml --output {{out}} --dry-run"
        " --train-file {w}/squad.json --predict-file {w}/squad.json"
        " --init-checkpoint {w}/base --vocab {vocab} --backend cs",
    ],
    "`fine_tuning/classifier`": [
        f"finetune --config {R170}/params_bert_base_mnli.yaml --data-dir {{w}}/glue/MNLI {BASE}",
        f"finetune --config {R170}/params_bert_base_sst2.yaml {BASE}"
        " --train-file {w}/glue/SST-2/train.tsv --eval-file {w}/glue/SST-2/dev.tsv",
    ],
    "`fine_tuning/token_classifier`": [
        f"finetune --config {R170}/params_bert_base_ner_bc5cdr-chem.yaml"
        f" --train-file {{w}}/train.conll --eval-file {{w}}/train.conll {BASE}",
    ],
    "`fine_tuning/extractive_summarization`": [
        f"3: finetune --config {{w}}/bertsum.yaml --train-file {{w}}/stories {BASE}",
        "finetune --config {w}/bertsum.yaml --train-file {w}/stories --eval-file {w}/stories"
        " --output {out} --init-checkpoint {w}/run --vocab {vocab} --backend cpu --precision fp32"
        " --msl 128 --max-steps 2 --set stage=[] --layout padded",
    ],
    "Linformer": ["3: pretrain --config {w}/linformer.yaml --output {out} --input {w}/records"],
    "the same `model_dir` for phase 2": [
        f"{TRAIN} --input {{w}}/records --init-checkpoint {{w}}/run/step-0000002",
    ],
}

HABANA_ROWS = {
    "`data_gen.yaml`": [
        "download enwiki-20200101 --output {out} --dry-run",
        "extract --input {w}/raw --output {out}/docs",
        "split --input {out}/docs --output {out}/split --valid 0.5 --seed 3",
        "make-records --style nvidia --input {out}/split --output {out}/records --vocab {vocab}",
    ],
    "`--input_dir FOLDER`": "tests/records/test_foreign_readers.py",
    "`pack_pretraining_data_pytorch.py": [
        f"{MAKE} --packing habana",
        f"{MAKE} --style nvidia --output {{out}}-hdf5",
        "pack-records --input {out}-hdf5 --output {out}-packs --sequences-per-pack 4",
    ],
    "`run_pretraining.py`'s flags": [
        f"pretrain --config {DATA}/vendor_configs/voyager_v111/bert_phase1_1card.yaml"
        f" --output {{out}} {PLAN} --backend hpu",
    ],
    "`run_squad.py`'s flags": [
        f"finetune-squad --config {DATA}/vendor_configs/voyager_v111/bert_ftuning_8cards.yaml"
        " --output {out} --dry-run --train-file {w}/squad.json"
        " --predict-file {w}/squad.json --init-checkpoint {w}/large --vocab {vocab}"
        " --backend hpu",
    ],
    "`bert_phase1_8cards.yaml`": [
        f"pretrain --config {DATA}/vendor_configs/voyager_v111/bert_phase1_8cards.yaml"
        f" --output {{out}} {PLAN} --backend hpu",
        "launch kubernetes --backend hpu --devices 8 --image bertkit:1 --output {out}.yaml"
        " -- pretrain --input /data/records --output /data/run",
        f"launch check {DATA}/vendor_configs/voyager_v111/bert_phase1_8cards.yaml",
    ],
    "a page or script": [
        f"3: pretrain --config {HABANA} --output {{out}} {PLAN} --backend hpu",
        f"pretrain --config {HABANA}:3 --output {{out}} {PLAN} --backend hpu",
    ],
    "`--json-summary`": [
        f"{PRETRAIN} --json-summary {{out}}.json",
        f"{SQUAD}-squad --json-summary {{out}}.json",
    ],
    "`--predict_batch_size`": [
        f"{SQUAD} --predict-file {{w}}/squad.json --predict-batch-size 2 --epochs 1"
        " --global-batch-size 4",
    ],
    "`--use_hpu_graphs`": [
        f"{PRETRAIN} --dry-run --backend hpu --set hpu.graphs=true --set hpu.mode=lazy"
        " --precision bf16",
        f"{PRETRAIN} --dry-run --backend hpu --set hpu.mode=compile",
    ],
    "`setup.sh` on every node": [
        "launch kubernetes --backend hpu --devices 8 --image bertkit:1 --output {out}.yaml"
        " --setup 'cd /ceph/bertkit && pip install .'"
        " -- pretrain --input /data/records --output /data/run",
    ],
    "`--eval_script`": NOTHING,
    "`--skip_cache`": [f"{SQUAD} --cache {{out}}-cache"],
}

GRAPHCORE_ROWS = {
    "`run_pretraining.py CONFIG.json`": [
        f"pretrain --config {GRAPHCORE}/pretrain_base_128_phase1.json --output {{out}} {PLAN}"
        " --backend ipu --set log_to=[]",
        f"pretrain --config {GRAPHCORE}/pytorch_configs_pretraining.yml:pretrain_base_128"
        f" --output {{out}} {PLAN} --backend ipu",
    ],
    "`--dataset-dir`": [
        f"{TRAIN} --input {{w}}/records --init-checkpoint {{w}}/run",
    ],
    "`--total-num-train-samples`": [
        f"{PRETRAIN} --max-steps 1",
        f"{PRETRAIN} --epochs 0.5 --overwrite",
    ],
    "`vocab_size` 30400": [
        f"pretrain --config {GRAPHCORE}/pretrain_base_128_phase1.json --output {{out}} {PLAN}"
        " --backend ipu --set log_to=[]",
    ],
    "`LAMBNoBiasCorrection`": [f"{PRETRAIN} --optimizer max_weight_norm_no_debias"],
    "`run_squad.py CONFIG.json`": [
        f"finetune-squad --config {GRAPHCORE}/squad_large.json --output {{out}} --dry-run"
        " --train-file {w}/squad.json"
        " --predict-file {w}/squad.json --init-checkpoint {w}/large --vocab {vocab} --backend ipu",
    ],
    "`run_seq_classification.py": [
        f"finetune --config {GRAPHCORE}/glue_base.json --output {{out}} --dry-run --set log_to=[]"
        " --data-dir {w}/glue/MRPC --init-checkpoint {w}/base --vocab {vocab} --backend ipu",
        f"finetune --config {GRAPHCORE}/glue_base.json --output {{out}} --dry-run --set log_to=[]"
        " --glue stsb --task regress --data-dir {w}/glue/STS-B --init-checkpoint {w}/base"
        " --vocab {vocab} --backend ipu",
    ],
    "`--name`, wandb settings": [f"4: {PRETRAIN} --log-to wandb --dry-run"],
    "`create_pretraining_data.py`": [
        MAKE,
        "pack-records --input {out} --output {out}-packs --packing graphcore",
        f"{MAKE} --packing graphcore --overwrite",
    ],
    "`poprun ...`": [
        "launch poprun --devices 16 -- pretrain --backend ipu"
        " --input {w}/records --output {out} --set ipu.replicas=16",
    ],
}
