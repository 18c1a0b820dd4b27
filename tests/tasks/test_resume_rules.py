"""What may change between the calls of a run is listed here, for every task."""

from __future__ import annotations

import dataclasses

import pytest

from bertkit.configuration.settings import FIXED, FREE, ROUNDING, resume_rules
from bertkit.tasks import registry
from bertkit.tasks.classify.config import ClassifyConfig, RegressConfig
from bertkit.tasks.finetuning.config import FinetuneConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.summarise.config import SummariseConfig
from bertkit.tasks.tag.config import TagConfig

# Where things are, when the loop does something, and how the same numbers are computed.
OF_ALL = {
    "output", "init_checkpoint", "resume", "vocab", "steps_this_run", "save_every", "keep_last",
    "keep_every", "background_save", "eval_every", "eval_first", "eval_every_samples",
    "log_every", "log_to", "log_project", "log_name", "log_tag",
    "measure_peak", "profile_steps", "recompute", "shard_optimizer", "json_summary",
    "allow_other_vocab", "on_nonfinite", "process_timeout",
}  # fmt: skip
# Of `finetune`, whatever the task.
OF_FINETUNING = OF_ALL - {"json_summary"} | {
    "train_file", "eval_file", "predict_file", "do_train", "do_eval", "do_predict",
    # Facts of the vocabulary: they are compared as such.
    "do_lower_case", "strip_accents", "tokenize_chinese_chars",
    # Of what is done with the model, not of the model.
    "metric", "keep_best", "predict_batch_size", "seeds",
}  # fmt: skip
FREE_OF = {
    PretrainConfig: OF_ALL
    | {
        "input", "text", "text_cache", "workers", "eval_input", "mlperf_log",
        "target_mlm_accuracy",
        # Facts of the vocabulary, and the shape: they are compared as such.
        "records.do_lower_case", "records.strip_accents", "records.tokenize_chinese_chars",
        "records.word_length",
        "model_config",
        # What the log says of who ran the benchmark.
        "submission.org", "submission.platform", "submission.division", "submission.status",
        "submission.cache_cleared",
        # These two become max_steps and warmup_steps, which are fixed.
        "epochs", "warmup_proportion",
    },
    SquadConfig: OF_ALL
    | {
        "train_file", "predict_file", "cache", "do_train", "do_predict", "do_eval", "seeds",
        # Facts of the vocabulary: they are compared as such.
        "do_lower_case", "strip_accents", "tokenize_chinese_chars",
        # Of answering, which comes after training.
        "predict_batch_size", "n_best_size", "max_answer_length", "null_score_diff_threshold",
    },
    FinetuneConfig: OF_FINETUNING,
    TagConfig: OF_FINETUNING | {"strict_entities", "predictions"},
    SummariseConfig: OF_FINETUNING | {"block_trigrams", "cache"},
    ClassifyConfig: OF_FINETUNING | {"header", "data_dir"},
    RegressConfig: OF_FINETUNING | {"header", "data_dir"},
}  # fmt: skip
ROUNDING_OF = {
    PretrainConfig: {
        "backend", "layout", "micro_batch_size", "bucket_boundaries", "sequences_per_pack",
    },
    SquadConfig: {"backend", "layout", "micro_batch_size"},
    FinetuneConfig: {"backend", "layout", "micro_batch_size"},
    ClassifyConfig: {"backend", "layout", "micro_batch_size"},
    TagConfig: {"backend", "layout", "micro_batch_size"},
    SummariseConfig: {"backend", "layout", "micro_batch_size"},
    RegressConfig: {"backend", "layout", "micro_batch_size"},
}  # fmt: skip


@pytest.mark.parametrize("kind", FREE_OF)
def test_a_setting_is_fixed_unless_it_is_listed(kind):
    rules = resume_rules(kind)
    assert {name for name, rule in rules.items() if rule == FREE} == FREE_OF[kind]
    sections = {item.name for item in dataclasses.fields(kind)} - rules.keys()
    rounding = {name.partition(".")[0] for name, rule in rules.items() if rule == ROUNDING}
    assert rounding - sections == ROUNDING_OF[kind]
    assert set(rules.values()) == {FREE, ROUNDING, FIXED}


def test_a_new_setting_that_says_nothing_is_fixed():
    kind = dataclasses.make_dataclass("More", [("more", int, 1)], bases=(SquadConfig,), frozen=True)
    assert resume_rules(kind)["more"] == FIXED


def test_every_task_is_listed():
    rows = (*registry.TASKS, *registry.FINETUNING)
    assert FREE_OF.keys() == {row.config_class() for row in rows}
