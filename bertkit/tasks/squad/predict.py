"""`bertkit predict`: answers single questions with a fine-tuned model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from bertkit import log
from bertkit.backends.base import Adapter, CompiledOnly, OptimizerSpec, StepPlan
from bertkit.backends.sections import options_of
from bertkit.codecs.json_lines import json_objects
from bertkit.errors import DataError
from bertkit.model.bert import without_new_weights
from bertkit.model.heads import BertForQuestionAnswering
from bertkit.storage.files import is_utf8
from bertkit.tasks.finetuning.open import open_encoder
from bertkit.tasks.finetuning.predict import PredictResult
from bertkit.tasks.squad.answer_files import answer_windows, load_span_weights
from bertkit.tasks.squad.batches import WindowBatcher
from bertkit.tasks.squad.config import PredictConfig
from bertkit.tasks.squad.decode import Predictions
from bertkit.tasks.squad.features import WindowMaker
from bertkit.tasks.squad.objective import SpanObjective
from bertkit.tasks.squad.prepare import answering_plan, answering_problems
from bertkit.tasks.squad.question import Passage, Question
from bertkit.tokenization.wordpiece import WordPieceTokenizer
from bertkit.train.checkpoints import checkpoint
from bertkit.train.step_settings import chosen_precision, refuse

TASK = "squad"
_FORM = 'one object per line: {"question": "...", "passage": "..."}'


def one_question(question: str, passage: str) -> Question:
    """A question about a passage."""
    return Question("1", question, Passage(passage), [])


def read_question_lines(lines: Iterable[str], source: str) -> list[Question]:
    """Questions from JSON lines.

    Args:
        lines: objects with `question`, `passage` (or `context`, as SQuAD has it) and, if
            wanted, `id`; without it the number of the line, from 1, is the id.
        source: name of where they come from, for messages.

    Raises:
        DataError: a line is not such an object, an id occurs again, or there is none.
    """
    questions: dict[str, Question] = {}
    passages: dict[str, Passage] = {}
    for number, entry in json_objects(lines, source, _FORM):
        text = _text(entry, ("question",), f"{source}:{number}")
        passage = _text(entry, ("passage", "context"), f"{source}:{number}")
        name = str(entry.get("id", number))
        if name in questions:
            raise DataError(f"{source}:{number}: the id {name!r} has occurred before")
        questions[name] = Question(name, text, passages.setdefault(passage, Passage(passage)), [])
    if not questions:
        raise DataError(f"{source}: holds no question", _FORM)
    return list(questions.values())


def _text(entry: dict[str, Any], names: Sequence[str], place: str) -> str:
    found = next((entry[name] for name in names if name in entry), None)
    if not isinstance(found, str) or not is_utf8(found):
        raise DataError(f"{place}: {names[0]!r} is missing or not a text", _FORM)
    return found


def predict(
    config: PredictConfig, questions: Sequence[Question], adapter: Adapter
) -> PredictResult:
    """Answer questions with a fine-tuned model.

    Of each question it tells `id`, `question`, `answer` (empty for "no answer"), `probability`
    among the listed answers, `nbest` as in nbest_predictions.json, and `null_odds` for v2.0.

    Args:
        config: the settings; `init_checkpoint` is a checkpoint or a run, see
            `checkpoint.find_one`.
        questions: with different ids.
        adapter: of the machine.

    Raises:
        DataError: missing or broken files.
        ConfigError: no span head; vocabulary or lengths that do not fit; or settings that
            the machine cannot do.
    """
    begin = time.perf_counter()
    start = checkpoint.find_one(str(config.init_checkpoint))
    shape, vocab, facts = open_encoder(config, start)
    assert facts.normalisation is not None
    config = replace(config, layout=adapter.caps.layout(config.layout))
    options = options_of(config, adapter.caps.name)
    precision = chosen_precision(adapter, config.precision, shape.hidden_size)
    masks = config.layout == "padded"
    plan = StepPlan(precision, layout=config.layout, model=shape, options=options, masks=masks)
    plan = answering_plan(plan, config)
    refuse([*adapter.validate(plan, OptimizerSpec()), *answering_problems(config, adapter)])
    adapter.start(options)
    with without_new_weights():
        model = BertForQuestionAnswering(shape)
    load_span_weights(model, start)
    tokenizer = WordPieceTokenizer(vocab, facts.normalisation, facts.word_length)
    maker = WindowMaker(
        tokenizer, config.max_seq_length, config.doc_stride, config.max_query_length
    )
    windows = maker.windows(questions, training=False)
    padded = config.max_seq_length if config.layout == "padded" else 0
    batcher = WindowBatcher(vocab.cls_id, vocab.sep_id, padded)
    stepper = adapter.build(adapter.place(model), SpanObjective(), plan)
    try:
        found = answer_windows(
            config,
            adapter=adapter,
            stepper=stepper,
            batcher=batcher,
            tokenizer=tokenizer,
            questions=questions,
            windows=windows,
        )
    except CompiledOnly as done:
        log.logger.info("%s; nothing was answered", done)
        return PredictResult(TASK, str(start), [], round(time.perf_counter() - begin, 3))
    answers = [_entry(question, found) for question in questions]
    return PredictResult(TASK, str(start), answers, round(time.perf_counter() - begin, 3))


def _entry(question: Question, found: Predictions) -> dict[str, Any]:
    """What is told of one question."""
    nbest = found.nbest.get(question.id, [])
    answer = found.answers.get(question.id, "")
    chance = next((guess["probability"] for guess in nbest if guess["text"] == answer), 0.0)
    entry = {
        "id": question.id,
        "question": question.text,
        "answer": answer,
        "probability": chance,
        "nbest": nbest,
    }
    if question.id in found.null_odds:
        entry["null_odds"] = found.null_odds[question.id]
    return entry
