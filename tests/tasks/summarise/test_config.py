"""Settings of summarisation, on the command line."""

from __future__ import annotations

import pytest

from bertkit.tasks.registry import finetuning_row
from bertkit.tasks.summarise.config import SummariseConfig


def test_sizes_default_to_those_of_bertsum():
    config = SummariseConfig()
    assert finetuning_row("summarise").config_class() is SummariseConfig
    assert (config.task, config.max_seq_length, config.summary_sentences) == ("summarise", 512, 3)
    assert (config.min_sentence_words, config.max_sentence_words) == (5, 200)
    assert (config.min_sentences, config.max_sentences, config.block_trigrams) == (3, 100, True)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--oracle", "best"], 2, "--oracle"),
        (["--summary-sentences", 0], 2, "summary-sentences"),
        (["--label-column", "x"], 2, "--label-column is for --task classify"),
        (["--metric", "rouge9", "--eval-file", "{train}", "--max-steps", 1], 3, "rougeLsum"),
    ],
)
def test_bad_settings_are_refused(command, bertkit, words, status, text):
    file = command[command.index("--train-file") + 1]
    found = bertkit(*command, *[str(word).format(train=file) for word in words])
    assert found.status == status, found.err
    assert text in found.err
