"""Implements the style of Cerebras' create_tfrecords.py and create_tfrecords_mlm_only.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bertkit.codecs.strict_json import json_text
from bertkit.records.files.formats import TFRECORD
from bertkit.records.styles.style import FinishedFolder, RecordStyle
from bertkit.records.terms import OBJECTIVES, ONE_CORPUS, UNMASKED
from bertkit.storage.files import write_text

if TYPE_CHECKING:
    from bertkit.records.config import RecordsConfig
    from bertkit.records.files.instance import InstancePlan
    from bertkit.records.read_text import TextReader

PARAMS = "data_params.json"


class CerebrasStyle(RecordStyle):
    """Files in shuffled order, one random stream for all; pairs, or windows of running text."""

    name = "cerebras"
    help = "its order of files and its tokenizer"
    default_tokenizer = "cerebras"
    default_shards = ONE_CORPUS
    objectives = OBJECTIVES
    duplicate_lines = ""
    own_settings = frozenset(
        {
            "documents",
            "sentences",
            "split_files",
            "min_short_seq_length",
            "overlap",
            "cross_documents",
            "document_separator",
            "buffer_tokens",
        }
    )

    def plans(
        self, inputs: Sequence[str], config: RecordsConfig, reader: TextReader
    ) -> Iterator[InstancePlan]:
        """A plan per block of files, or per buffer of tokens; see `RecordStyle.plans`."""
        from bertkit.records.instances import cerebras

        if config.pairs:
            yield from cerebras.pair_plans(inputs, config, reader)
        else:
            yield from cerebras.window_plans(inputs, config, reader)

    def suffix(self, config: RecordsConfig) -> str:
        """`.tfrecords`, as Cerebras' input pipeline expects."""
        return ".tfrecords" if config.file_format == TFRECORD else super().suffix(config)

    def file_names(self, config: RecordsConfig) -> list[str]:
        """`examples-1.tfrecords` and so on, as Cerebras' input pipeline expects."""
        if config.file_format != TFRECORD:
            return super().file_names(config)
        return [f"examples-{index + 1}{self.suffix(config)}" for index in range(config.outputs)]

    def problems(self, config: RecordsConfig) -> list[str]:
        """See `RecordStyle.problems`."""
        found = []
        if not config.least_target <= config.shortest_target <= config.room:
            found.append(
                f"the shortest target length {config.shortest_target} is not between "
                f"{config.least_target} and {config.room}: see --min-short-seq-length and --overlap"
            )
        return found

    def remark(self, inputs: Sequence[str], config: RecordsConfig) -> str:
        """Listed files that are read otherwise than Cerebras' programs read theirs."""
        listed = any(str(name).startswith("@") for name in inputs)
        if not listed or config.documents == "file" or config.sentences != "line":
            return ""
        return (
            "the listed files are read as one sentence per line; Cerebras' programs take each as "
            "one document and cut it into sentences: --documents file --sentences MODEL (or rule)"
        )

    def write_beside(self, folder: FinishedFolder, config: RecordsConfig) -> None:
        """Write `data_params.json`, with the original's names of arguments."""
        text = json_text(_params(folder, config))
        path = folder.path / PARAMS
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def _params(folder: FinishedFolder, config: RecordsConfig) -> dict[str, Any]:
    values: dict[str, Any] = {
        # `@list.txt` is what the original calls a metadata file.
        "metadata_files": [name.removeprefix("@") for name in map(str, folder.inputs)],
        "multiple_docs_in_single_file": config.documents != "file",
        "multiple_docs_separator": "\\n",
        "single_sentence_per_line": config.sentences == "line",
        "input_files_prefix": folder.prefix,
        "vocab_file": folder.vocab,
        "do_lower_case": config.normalisation.do_lower_case,
        "max_seq_length": config.max_seq_length,
        "dupe_factor": config.dupe_factor,
        "short_seq_prob": config.short_seq_prob,
        "min_short_seq_length": config.min_short_seq_length,
        "masked_lm_prob": config.masked_lm_prob,
        "max_predictions_per_seq": config.predictions,
        "spacy_model": config.sentences,
        "mask_whole_word": config.whole_word_mask,
        "output_dir": str(folder.path),
        "num_output_files": config.outputs,
        "name": "examples",
        "seed": config.seed,
        "n_examples": folder.records,
        "n_docs": folder.text_files,
    }
    if config.pairs:
        return {**values, "split_num": config.split_files}
    return {
        **values,
        "allow_cross_document_examples": config.cross_documents,
        "document_separator_token": config.document_separator,
        "overlap_size": config.overlap,
        "buffer_size": config.buffer_tokens,
        "disable_masking": config.objective == UNMASKED,
    }


CEREBRAS = CerebrasStyle()
