"""What a check of the kernels of embeddings finds: nothing where they are right, else the fault."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from slow_cases import slow

from bertkit.model.bert import Embeddings
from bertkit.model.config import BertConfig
from bertkit.model.fused import embeddings as calls
from bertkit.model.fused.checks import embedding_check
from bertkit.model.fused.checks.embedding_check import what_is_wrong

OFF = "off, relative to its size"
WIDTH = 24


@pytest.fixture(autouse=True)
def few_rows(monkeypatch, device):
    """The interpreter takes its time."""
    if device.type == "cpu":
        monkeypatch.setattr(calls, "PIECE", 4)
        monkeypatch.setattr(calls, "_JOIN_TALL", 2)
        monkeypatch.setattr(embedding_check, "LONGEST", 3)
        monkeypatch.setattr(embedding_check, "SINGLE", 2)


@pytest.fixture
def half(device) -> torch.dtype:
    """That the interpreter rounds as GPUs do."""
    return torch.bfloat16 if device.type == "cuda" else torch.float16


def made(device, words=40, kinds=2, rate=0.25, places=20) -> Embeddings:
    config = BertConfig(
        vocab_size=words, hidden_size=WIDTH, num_attention_heads=2, num_hidden_layers=1,
        intermediate_size=8, type_vocab_size=kinds, max_position_embeddings=places,
        hidden_dropout_prob=rate,
    )  # fmt: skip
    with device:
        return Embeddings(config)


@pytest.mark.parametrize(
    ("words", "kinds", "places"), [(40, 3, 200), *slow((40, 2, 20), (11, 1, 3), (3, 2, 1))]
)
def test_right_kernels_pass(device, half, words, kinds, places):
    assert what_is_wrong(made(device, words, kinds, places=places), half) is None


def test_without_dropout_they_pass_too(device, half):
    assert what_is_wrong(made(device, rate=0.0), half) is None


@pytest.mark.parametrize("words", [1, 2, 3, 9, 200, 30_522, 119_547])
def test_the_case_has_words_of_all_kinds(monkeypatch, device, words):
    monkeypatch.undo()
    embeddings = made(device, words)
    tokens = embedding_check._drawn(embeddings)
    counts = torch.bincount(tokens.ids, minlength=words)
    assert len(counts) == words and counts[0] and (counts[-1] or words < 4)
    if words > 100:
        assert (counts == 1).sum() > 100 and (counts == 0).any()
        assert counts.max() > 3000
        ends = counts.cumsum(0)[counts > 0] % calls.PIECE
        assert (ends == 0).sum() > 2 and (ends > 0).sum() > 100
        assert set(tokens.positions.tolist()) == set(range(20))
        assert tokens.segments.tolist().count(1) > len(tokens.ids) // 4


def broken(monkeypatch, name, change):
    """Let calls of the kernels go through `change(call, *arguments)`."""
    call = getattr(calls, name)
    monkeypatch.setattr(calls, name, lambda *given: change(call, *given))


def scaled(place, factor, rows=slice(None)):
    """A result is so many times as large in some rows."""

    def change(call, *given):
        results = [tensor.clone() for tensor in call(*given)]
        results[place][rows] *= factor
        return tuple(results)

    return change


def last_column_left(call, places, facts, drop, weights):
    result, *kept = call(places, facts, drop, weights)
    result[:, -1] = 0.0
    return result, *kept


def positions_not_seen(call, places, facts, drop, weights):
    return call(replace(places, positions=places.positions * 0), facts, drop, weights)


def nothing_dropped(call, places, facts, drop, weights):
    return call(places, facts, replace(drop, rate=0.0), weights)


def another_mask(call, places, facts, drop, weights):
    return call(places, facts, replace(drop, seed=drop.seed + 1), weights)


def large_epsilon(call, places, facts, drop, weights):
    return call(places, replace(facts, epsilon=0.01), drop, weights)


@pytest.mark.parametrize(
    "change",
    [
        scaled(0, float("nan"), slice(7, 8)),
        last_column_left,
        *slow(
            scaled(0, 1.01),
            scaled(0, 0.0, slice(-1, None)),
            positions_not_seen,
            nothing_dropped,
            another_mask,
            large_epsilon,
        ),
    ],
)
@pytest.mark.slow
def test_rows_that_are_wrong_are_found(device, half, monkeypatch, change):
    broken(monkeypatch, "embeddings_forward", change)
    assert what_is_wrong(made(device), half).startswith("rows of embeddings ")


def wrong_mask(call, given, places, drop, kept, weights):
    return call(given, places, replace(drop, seed=drop.seed.flip(0)), kept, weights)


def no_mask(call, given, places, drop, kept, weights):
    return call(given, places, replace(drop, rate=0.0), kept, weights)


def deviations_not_seen(call, given, places, drop, kept, weights):
    return call(given, places, drop, (kept[0], kept[1] * 1.01), weights)


def a_row_left_out(call, given, *more):
    given = given.clone()
    given[len(given) // 2] = 0.0
    return call(given, *more)


def segments_swapped(call, given, *more):
    words, places, segments, *norm = call(given, *more)
    return words, places, segments.flip(0), *norm


def gain_and_shift_swapped(call, given, *more):
    *tables, gain, shift = call(given, *more)
    return *tables, shift, gain


WORDS = "the gradient of word embeddings"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wrong_mask, "with dropout is"),
        (a_row_left_out, WORDS),
        *slow(
            (no_mask, "with dropout is"),
            (deviations_not_seen, WORDS),
            (segments_swapped, "the gradient of segment embeddings"),
            (gain_and_shift_swapped, "the gradient of embeddings' gain"),
            (scaled(1, 1.01, slice(19, 20)), "the gradient of position embeddings"),
            (scaled(2, 1.01), "the gradient of segment embeddings"),
            (scaled(3, 1.001, slice(-1, None)), "the gradient of embeddings' gain"),
            (scaled(4, 1.001, slice(-1, None)), "the gradient of embeddings' shift"),
        ),
    ],
)
@pytest.mark.slow
def test_gradients_that_are_wrong_are_found(device, half, monkeypatch, change, said):
    broken(monkeypatch, "embeddings_backward", change)
    assert said in (what_is_wrong(made(device), half) or "nothing")


def sorted_rows_without(number):
    """As if the sum went over all rows of the sorted order but one."""

    def change(call, changes, ids, table):
        order = torch.sort(ids, stable=True)[1]
        changes = changes.clone()
        changes[order[number]] = 0.0
        return call(changes, ids, table)

    return change


def pieces_not_joined(call, changes, ids, table):
    result = call(changes, ids, table)
    result[torch.bincount(ids, minlength=len(table)) > calls.PIECE] *= 0.5
    return result


def border_goes_to_the_next(call, changes, ids, table):
    """The last row of a full piece is added to the word of the row after it."""
    numbers, order = torch.sort(ids, stable=True)
    ids = ids.clone()
    ids[order[3]], ids[order[7]] = numbers[4], numbers[8]
    return call(changes, ids, table)


def written_where_no_word_is(call, changes, ids, table):
    result = call(changes, ids, table)
    result[2] += 1e-6
    return result


def not_a_number_where_no_word_is(call, changes, ids, table):
    result = call(changes, ids, table)
    result[torch.bincount(ids, minlength=len(table)) == 0] = torch.nan
    return result


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (sorted_rows_without(16), OFF),
        (pieces_not_joined, OFF),
        *slow(
            *((sorted_rows_without(number), OFF) for number in (0, 3, 4, 15, 30, -1)),
            (border_goes_to_the_next, OFF),
            (written_where_no_word_is, "is not 0"),
        ),
        (not_a_number_where_no_word_is, "that do not occur is not 0"),
    ],
)
def test_sums_of_tables_that_are_wrong_are_found(device, half, monkeypatch, change, said):
    broken(monkeypatch, "sums_by_id", change)
    assert said in (what_is_wrong(made(device), half) or "nothing")


@pytest.mark.parametrize("kernel", ["_PIECES", "_JOIN"])
def test_a_kernel_that_is_not_run_is_found(device, half, monkeypatch, kernel):
    monkeypatch.setattr(calls, kernel, SimpleNamespace(launch=lambda *given, **more: None))
    assert WORDS in (what_is_wrong(made(device), half) or "nothing")


def test_a_sum_over_few_programs_only_is_found(device, half, monkeypatch):
    broken(monkeypatch, "add_groups", lambda call, sums, kind: call(sums[1:], kind))
    assert what_is_wrong(made(device), half).startswith("the gradient of segment")


@pytest.mark.parametrize("name", ["embeddings_forward", *slow("embeddings_backward")])
def test_what_is_another_number_each_time_is_found(device, half, monkeypatch, name):
    ran = []

    def racing(call, *given):
        ran.append(1)
        first, *more = call(*given)
        little = torch.finfo(half).eps if first.dtype == half else 5e-5
        return first * (1 + little * (len(ran) % 2)), *more

    broken(monkeypatch, name, racing)
    assert "is another one when it is computed again" in what_is_wrong(made(device), half)
