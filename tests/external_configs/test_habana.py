"""Flags of Habana's program in a job file."""

from __future__ import annotations

import pytest

JOB = """
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - name: launcher
            command: ["/bin/bash", "-c"]
            args:
            - >-
              mpirun -np {cards} --allow-run-as-root \\
                python3 run_pretraining.py --do_train --bert_model=bert-large-uncased \\
                --autocast --config_file=./missing.json --use_habana --use_lazy_mode True \\
                --allreduce_post_accumulation --allreduce_post_accumulation_fp16 \\
                --json-summary=${{dllog}}/log.json --output_dir=/out --use_fused_lamb \\
                --input_dir=/data/hdf5 --train_batch_size=8192 --max_seq_length=128 \\
                --max_predictions_per_seq=20 --max_steps=7038 --warmup_proportion=0.2843 \\
                --num_steps_per_checkpoint=200 --learning_rate 0.006 \\
                --gradient_accumulation_steps=128 --enable_packed_data_mode False ;
    Worker:
      replicas: 1
"""


@pytest.mark.parametrize("cards", [8, 32])
def test_habana_job(read, monkeypatch, cards):
    monkeypatch.delenv("dllog", raising=False)
    found, config = read(JOB.format(cards=cards))
    assert config.global_batch_size == 8192 * cards and config.micro_batch_size == 64
    assert (config.backend, config.optimizer, config.precision) == ("hpu", "nvlamb", "bf16")
    assert (config.schedule, config.power, config.warmup_proportion) == ("polynomial", 0.5, 0.2843)
    assert (config.learning_rate, config.max_steps, config.save_every) == (0.006, 7038, 200)
    assert (config.layout, config.hpu.mode) == ("padded", "lazy")
    assert config.model.num_hidden_layers == 24 and found.values["output"] == "/out"
    reasons = {key.key: key.text for key in found.with_outcome("ignored")}
    assert "variable" in reasons["--json-summary"] and "no such file" in reasons["--config_file"]
