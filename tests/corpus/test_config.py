from __future__ import annotations

import pytest

from bertkit.config import COMMAND_LINE, Layer, resolve
from bertkit.corpus.config import ExtractConfig, SplitConfig
from bertkit.errors import ConfigError, UsageError


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (ExtractConfig, {"namespaces": "0,talk"}, "expected numbers such as 0,14"),
        (
            ExtractConfig,
            {"chain": "mlperf", "limit": 3},
            "--limit does not work with --chain mlperf",
        ),
        (SplitConfig, {"metadata": ["train.txt"]}, "--metadata goes with --method lists"),
        (SplitConfig, {"valid": 0.5, "test": 0.5}, "take 1 of the documents"),
    ],
)
def test_settings_that_contradict_each_other(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        resolve(kind, [Layer("file", values)])


def test_form_is_one_of_the_table():
    assert resolve(ExtractConfig, [Layer("file", {"form": "pmc"})]).config.form == "pmc"
    with pytest.raises(UsageError, match="not one of auto, mediawiki"):
        resolve(ExtractConfig, [Layer(COMMAND_LINE, {"form": "docx"})])


def test_namespaces_as_numbers():
    assert ExtractConfig(namespaces="0, 14").namespace_numbers() == (0, 14)
