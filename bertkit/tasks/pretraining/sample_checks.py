"""Refuses records that teach nothing, and warns of those that teach less than they seem to.

Looks at records that a run's plan has sampled anyway, see `UsualRecords`; reading refuses by itself
what is no record, such as padding alone.
"""

from __future__ import annotations

import numpy as np

from bertkit import log
from bertkit.data.step_batch import Records
from bertkit.errors import DataError
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.estimate import UsualRecords
from bertkit.tokenization.vocabulary import Vocab

_ENOUGH = 32  # records of which all being alike is no chance
_MOST_UNKNOWN = 0.5  # share of [UNK] among words


def check_samples(records: UsualRecords, config: PretrainConfig, vocab: Vocab | None) -> None:
    """Check what a run is trained on.

    Args:
        records: of the run.
        config: its settings.
        vocab: of the records; None where it is not at hand.

    Raises:
        DataError: no sampled record has a token to predict; names one.
    """
    sample = records.sample
    if config.mask == "static":  # else masks are drawn in training
        require_predictions(records)
    if config.nsp:
        _warn_of_pairs(sample, config.model.type_vocab_size)
    if vocab is not None:
        _warn_of_unknown(sample, vocab)


def require_predictions(records: UsualRecords) -> None:
    """Refuse records of which none has a token to predict.

    Raises:
        DataError: names one.
    """
    if (records.sample["masked_lm_weights"] > 0).any():
        return
    count = len(records.numbers)
    every = "the only one" if len(records.source) == 1 else f"as all {count:,} that were looked at"
    raise DataError(
        f"{records.place(0)} has no token to predict, {every}: masked_lm_weights are 0",
        "make the records with masked tokens (`bertkit make-records`, --masked-lm-prob); for those"
        " of a run --mask dynamic --vocab VOCAB draws masks in training",
    )


def _warn_of_pairs(sample: Records, segments: int) -> None:
    """Say where next sentence prediction has nothing to learn from."""
    labels = sample["next_sentence_labels"].reshape(-1)
    labelled = labels >= 0
    if not labelled.any():
        log.logger.info("the records have no next_sentence_labels: only masked LM is trained")
        return
    found = np.unique(labels[labelled])
    count = int(labelled.sum())
    if count < _ENOUGH:
        return
    if len(found) == 1:
        log.logger.warning(
            "next_sentence_labels are %d in all %s records that were looked at: next sentence"
            " prediction learns nothing from them (--no-nsp leaves it out)",
            found[0],
            f"{count:,}",
        )
    elif segments > 1 and not sample["segment_ids"][labelled].any():
        log.logger.warning(
            "segment_ids are 0 in all %s records that were looked at: next sentence prediction"
            " cannot tell the second text from the first (--no-nsp leaves it out)",
            f"{count:,}",
        )


def _warn_of_unknown(sample: Records, vocab: Vocab) -> None:
    """Say where the vocabulary writes few of the words."""
    tokens = sample["input_ids"][sample["input_mask"] != 0]
    others = [vocab.pad_id, vocab.cls_id, vocab.sep_id, vocab.mask_id]
    words = tokens[~np.isin(tokens, others)]
    share = float((words == vocab.unk_id).mean()) if len(words) else 0.0
    if share > _MOST_UNKNOWN:
        log.logger.warning(
            "%.0f %% of the words in %s records that were looked at are [UNK]: the vocabulary does"
            " not fit the text (`bertkit train-vocab` makes one that does)",
            100 * share,
            f"{len(sample['input_ids']):,}",
        )
