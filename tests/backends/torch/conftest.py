"""Two processes of one run, for the tests of torch.distributed; small runs on a GPU."""

from __future__ import annotations

import pytest
import synthetic
import torch
from together import ends_of, free_ports

from backends.torch.pairs import start_pair
from bertkit.backends import registry
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain


@pytest.fixture(scope="session")
def ranks(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    (port,) = free_ports(1)
    processes = start_pair("two_processes.py", str(folder), MASTER_PORT=port)
    ends = ends_of(processes)
    assert [status for status, *_ in ends] == [0, 0], ends
    return [torch.load(folder / f"rank-{rank}.pt") for rank in range(2)]


@pytest.fixture
def alone():
    """An adapter of the only process."""
    return registry.get("cpu")


@pytest.fixture
def run(tmp_path):
    """Trains a small model on the GPU, with dropout if not said otherwise."""
    path = synthetic.write(tmp_path / "r.tfrecord", 40, seed=1)
    numbers = iter(range(100))

    def trained(dropout=0.1, into=None, **more):
        shape = BertConfig(
            vocab_size=synthetic.VOCAB, hidden_size=128, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=256, max_position_embeddings=32,
            hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        )  # fmt: skip
        settings = {
            "input": [str(path)], "global_batch_size": 8, "micro_batch_size": 4, "max_steps": 6,
            "learning_rate": 1e-3, "model": shape, "save_every": 3,
            "output": str(into or tmp_path / f"run{next(numbers)}"), **more,
        }  # fmt: skip
        return pretrain(PretrainConfig(**settings), registry.get("cuda"))

    yield trained
    torch.use_deterministic_algorithms(False)
