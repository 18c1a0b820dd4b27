"""Answers the questions of a file with a model, and reads and writes answer files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.backends.base import Adapter, Stepper
from bertkit.codecs.strict_json import json_text
from bertkit.errors import ConfigError, DataError
from bertkit.model.checkpoints.loading import load_into, load_weights
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.model.model_types import LABEL_HEAD, POOLER, PRETRAINING_HEADS, SPAN_HEAD
from bertkit.storage.files import is_utf8, read_json, write_text
from bertkit.tasks.finetuning.outputs import Forward, fetch
from bertkit.tasks.squad.auto_batch_size import find_batch_size
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.config import AnswerConfig
from bertkit.tasks.squad.decode import Decoder, Predictions, Scores
from bertkit.tasks.squad.features import Window
from bertkit.tasks.squad.question import Question
from bertkit.tasks.squad.review import review, write_review
from bertkit.tasks.squad.score import score
from bertkit.tokenization.wordpiece import WordPieceTokenizer

ANSWERS = "predictions.json"
NBEST = "nbest_predictions.json"
NULL_ODDS = "null_odds.json"
SCORES = "scores.json"
# What other checkpoints have beside the encoder.
OTHER_HEADS = (PRETRAINING_HEADS, POOLER, LABEL_HEAD)


def load_span_weights(model: BertForQuestionAnswering, place: Path) -> None:
    """Fill a model with the weights of a fine-tuned checkpoint.

    Args:
        model: of the checkpoint's shape.
        place: the checkpoint.

    Raises:
        DataError: broken or other files.
        ConfigError: it has no span head.
    """
    weights = load_weights(place, model.config.vocab_size)
    report = load_into(model, weights, (SPAN_HEAD,), OTHER_HEADS, str(place))
    if report.missing:
        raise ConfigError(
            f"{place} has no span head: it was not fine-tuned on SQuAD",
            "fine-tune it first, with `bertkit finetune-squad`",
        )
    log.logger.info("weights from %s", place)


def answer_windows(
    config: AnswerConfig,
    *,
    adapter: Adapter,
    stepper: Stepper,
    batcher: WindowBatcher,
    tokenizer: WordPieceTokenizer,
    questions: Sequence[Question],
    windows: Sequence[Window],
) -> Predictions:
    """Answers to the questions of windows, as the settings say; none but in the main process.

    Args:
        config: batch size, lengths and thresholds.
        adapter: of the machine.
        stepper: of a span model and `SpanObjective`.
        batcher: makes batches.
        tokenizer: the one that made the windows.
        questions: all to answer, also those whose passage is empty.
        windows: of all questions, those of one question side by side.
    """
    size = config.predict_size or (0 if windows else 1)
    if not size:
        own = find_batch_size(stepper, batcher, windows, fastest=adapter.caps.name == "cpu")
        size = min(adapter.process_group.gather(own))
    scores = score_windows(adapter, stepper, batcher, windows, batch_size=size)
    if not adapter.process_group.topology.is_main:
        return Predictions()
    decoder = Decoder(
        tokenizer,
        n_best_size=config.n_best_size,
        max_answer_length=config.max_answer_length,
        version_2=config.version_2_with_negative,
        null_threshold=config.null_score_diff_threshold,
    )
    return decoder.decode(windows, scores, questions)


def score_windows(
    adapter: Adapter,
    stepper: Stepper,
    batcher: WindowBatcher,
    windows: Sequence[Window],
    *,
    batch_size: int,
) -> dict[int, Scores]:
    """Start and end scores of every window's tokens.

    See `bertkit.tasks.finetuning.outputs.fetch`.

    Args:
        adapter: of the machine.
        stepper: of a span model and `SpanObjective`.
        batcher: makes batches.
        windows: any number of them.
        batch_size: windows per forward pass; windows of like length go together.

    Returns:
        unique id → (start scores, end scores), float32, one per token; nothing in the
        processes beside the main one.
    """
    forward = Forward(
        make_batch=batcher.batch,
        rows=batcher.rows,
        batch_size=batch_size,
        unit="window",
        doing="answering",
    )
    found: dict[int, Scores] = {}
    # Several processes: the main one has all outputs, the others none.
    for window, outputs in zip(windows, fetch(adapter, stepper, windows, forward), strict=False):
        first, last = (outputs[name][: window.length, 0] for name in ("start_scores", "end_scores"))
        found[window.unique_id] = (first, last)
    return found


def write_predictions(folder: str | Path, predictions: Predictions, version_2: bool) -> None:
    """Write `predictions.json`, `nbest_predictions.json` and, for v2.0, `null_odds.json`.

    The form is that of run_squad.py, so the official evaluation scripts read them.
    """
    place = Path(folder)
    _write(place / ANSWERS, predictions.answers)
    _write(place / NBEST, predictions.nbest)
    if version_2:
        _write(place / NULL_ODDS, predictions.null_odds)


def score_folder(
    folder: str | Path, questions: Sequence[Question], version_2: bool
) -> dict[str, float]:
    """Score a folder's `predictions.json`; write `scores.json` and `review.json` beside it.

    Raises:
        DataError: no predictions there, or of another form; nothing to score.
    """
    place = Path(folder)
    answers = read_answers(place / ANSWERS)
    odds = None
    if version_2 and (place / NULL_ODDS).is_file():
        odds = _read_odds(place / NULL_ODDS)
    scores = score(questions, answers, version_2, odds)
    _write(place / SCORES, scores)
    write_review(place, review(questions, answers, _read_nbest(place / NBEST), version_2))
    return scores


def read_answers(path: str | Path) -> dict[str, str]:
    """Question id → text, from a predictions file.

    Raises:
        DataError: not there, or not an object of texts.
    """
    if not Path(path).is_file():
        raise DataError(f"no {path}", "give --do-predict to make it")
    values: Any = read_json(path)
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected an object of question ids and texts")
    for name, text in values.items():
        if not isinstance(text, str) or not is_utf8(text):
            raise DataError(f"{path}: the answer to {name!r} is not a text")
    return values


def _read_odds(path: Path) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in read_json(path).items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: expected an object of question ids and numbers") from error


def _read_nbest(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Question id → guesses; nothing where there is no such file."""
    if not path.is_file():
        return {}
    try:
        return {
            name: [{"text": g["text"], "probability": _share(g["probability"])} for g in guesses]
            for name, guesses in read_json(path).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: expected question ids and lists of guesses") from error


def _share(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(value)
    return found


def _write(path: Path, values: Any) -> None:
    write_text(path, json_text(values, indent=4) + "\n")
