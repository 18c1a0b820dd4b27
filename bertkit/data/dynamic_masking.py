"""Masks the same sequences anew in every epoch (dynamic masking).

As in RoBERTa (Liu et al. 2019, section 4.1), with the rules of BERT (Devlin et al. 2019,
section 3.1). The masks of a record are a pure function of (seed, epoch, number of the
record), so neither workers nor interruptions change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bertkit.tokenization.vocabulary import Vocab

# Constants of splitmix64 (Steele, Lea and Flood 2014).
_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(frozen=True)
class DynamicMasking:
    """Chooses tokens to predict; 80 % become [MASK], 10 % any token, 10 % stay as they are.

    Attributes:
        vocab: tells special tokens and which are "##" pieces.
        probability: share of a sequence's tokens to predict.
        seed: any whole number from 0.
        whole_words: choose all pieces of a word or none.
    """

    vocab: Vocab
    probability: float
    seed: int
    whole_words: bool = False

    def __call__(
        self, records: Mapping[str, np.ndarray], numbers: np.ndarray, epoch: int
    ) -> dict[str, np.ndarray]:
        """The same sequences with the masks of an epoch.

        Args:
            records: the seven features; the masks they have are undone first.
            numbers: int64 [B], of the records.
            epoch: from 0.

        Returns:
            The seven features, of the same shapes and types.
        """
        ids = restored(records)
        # Every real token but [CLS] and [SEP] may be predicted, as many as the length asks for.
        real = records["input_mask"] != 0
        candidates = real & (ids != self.vocab.cls_id) & (ids != self.vocab.sep_id)
        most = records["masked_lm_ids"].shape[1]
        wanted = np.rint(real.sum(axis=1) * self.probability).astype(np.int64).clip(1, most)
        draws = _draws(self.seed, epoch, numbers, ids.shape[1])
        choose = self._choose_words if self.whole_words else _choose_tokens
        chosen = choose(ids, candidates, wanted, draws)
        # The chosen tokens, row by row, fill the prediction slots from the left.
        rows, columns = np.nonzero(chosen)
        counts = chosen.sum(axis=1)
        slots = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        result = {name: np.array(values) for name, values in records.items()}
        for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"):
            result[name][:] = 0
        labels = ids[rows, columns]
        result["masked_lm_positions"][rows, slots] = columns
        result["masked_lm_ids"][rows, slots] = labels
        result["masked_lm_weights"][rows, slots] = 1
        ids[rows, columns] = self._replacements(labels, draws[rows, columns])
        result["input_ids"] = ids
        return result

    def _replacements(self, labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
        share = _mixed(draws + np.uint64(1)) / 2.0**64
        other = _mixed(draws + np.uint64(2)) % np.uint64(len(self.vocab))
        kept = np.where(share < 0.9, labels, other.astype(labels.dtype))
        return np.where(share < 0.8, self.vocab.mask_id, kept).astype(labels.dtype)

    def _choose_words(
        self, ids: np.ndarray, candidates: np.ndarray, wanted: np.ndarray, draws: np.ndarray
    ) -> np.ndarray:
        """Words in random order until the number is reached; one that exceeds it is passed over."""
        # Token ids that continue a word, and the column at which each token's word begins.
        pieces = np.zeros(max(self.vocab.ids.values()) + 1, np.bool_)
        pieces[[n for token, n in self.vocab.ids.items() if token.startswith("##")]] = True
        first = np.cumsum(candidates, axis=1) == 1
        heads = candidates & (first | ~pieces[np.minimum(ids, len(pieces) - 1)])
        count, length = ids.shape
        columns = np.where(heads, np.arange(length), 0)
        head_of = np.maximum.accumulate(columns, axis=1)
        flat = (np.arange(count)[:, None] * length + head_of)[candidates]
        # Words are tried in the order of their first token's draw, all rows at once.
        sizes = np.bincount(flat, minlength=count * length).reshape(count, length)
        order = np.argsort(np.where(heads, draws, ~np.uint64(0)), axis=1, kind="stable")
        rows = np.arange(count)
        total = np.zeros(count, np.int64)
        taken = np.zeros((count, length), np.bool_)
        for place in range(int(heads.sum(axis=1).max(initial=0))):
            head = order[:, place]
            size = sizes[rows, head]
            fits = (size > 0) & (total + size <= wanted)
            taken[rows, head] |= fits
            total += size * fits
            if (total >= wanted).all():
                break
        return candidates & np.take_along_axis(taken, head_of, axis=1)


def restored(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """The sequences as they were before masking, int32 [B, L]."""
    ids = np.array(records["input_ids"])
    rows, slots = np.nonzero(records["masked_lm_weights"] > 0)
    places = records["masked_lm_positions"][rows, slots]
    ids[rows, places] = records["masked_lm_ids"][rows, slots]
    return ids


def _choose_tokens(
    ids: np.ndarray, candidates: np.ndarray, wanted: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """The `wanted` candidates of each row with the smallest draws."""
    order = np.argsort(np.where(candidates, draws, ~np.uint64(0)), axis=1, kind="stable")
    chosen = np.zeros(ids.shape, np.bool_)
    np.put_along_axis(chosen, order, np.arange(ids.shape[1]) < wanted[:, None], axis=1)
    taken: np.ndarray = chosen & candidates
    return taken


def _draws(seed: int, epoch: int, numbers: np.ndarray, length: int) -> np.ndarray:
    """uint64 [B, L], one draw per record and position."""
    key = np.zeros(1, np.uint64)
    for word in (seed & (2**64 - 1), epoch):
        key = _mixed(key + np.uint64(word))
    rows = _mixed(key + numbers.astype(np.uint64))
    return _mixed(rows[:, None] + np.arange(length, dtype=np.uint64) * np.uint64(_GAMMA))


def _mixed(values: np.ndarray) -> np.ndarray:
    """One step of splitmix64: well mixed bits from any different numbers."""
    z = values + np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed
