from __future__ import annotations

import pytest

from bertkit.configuration.config import COMMAND_LINE, Layer, resolve
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
        (
            ExtractConfig,
            {"chain": "mlperf", "form": "mediawiki"},
            "--form mediawiki does not go with --chain mlperf, which begins with wikiextractor",
        ),
        (
            ExtractConfig,
            {"chain": "cerebras", "form": "text"},
            "--chain cerebras, which begins with pubmed or pmc files",
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


def test_size_of_a_part_is_that_of_the_method():
    """MLPerf's process_wiki.sh runs do_gather.py --block_size=26.92."""
    assert SplitConfig().part_size == 25
    assert SplitConfig(method="mlperf").part_size == 26.92
    given = Layer(COMMAND_LINE, {"method": "mlperf", "part_megabytes": 26.5})
    assert resolve(SplitConfig, [given]).config.part_size == 26.5


def test_namespaces_as_numbers():
    assert ExtractConfig(namespaces="0, 14").namespace_numbers() == (0, 14)
