"""Plans masked-LM-only instances for the styles whose programs make sentence pairs.

As those programs without next sentence prediction: a document's sentences one after the other
in windows [CLS] tokens [SEP] of full length (now and then a shorter target, `short_seq_prob`),
none of which goes on into another document; masks as for pairs; `dupe_factor` passes with other
masks, all of them shuffled at the end.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from bertkit.kernels import mersenne
from bertkit.records.config import RecordsConfig
from bertkit.records.instances.kernels.pair_plan import Instances
from bertkit.records.instances.windows import WindowPlan, plan_windows
from bertkit.tokenization.corpus_tokens import TokenizedText
from bertkit.tokenization.vocabulary import Vocab


def plan_full_windows(
    text: TokenizedText, config: RecordsConfig, vocab: Vocab
) -> WindowPlan | None:
    """All windows of a corpus in the order of the records; None where it holds no document.

    Args:
        text: the corpus.
        config: the settings, with objective mlm.
        vocab: the vocabulary.

    Raises:
        ConfigError: max_seq_length or the vocabulary is too large.
    """
    if not text.document_count:
        return None
    source = mersenne.stream_of(random.Random(config.seed))
    passes = [
        plan
        for _ in range(config.dupe_factor)
        for plan in plan_windows([text], config, vocab, source)
    ]
    if not passes:
        return None
    lengths = np.concatenate([plan.instances.pairs["first_length"] for plan in passes])
    # A document that ends with a full window leaves an empty one behind it.
    order = np.flatnonzero(lengths).astype(np.uint32)
    mersenne.shuffle(source, order)
    joined = (
        np.concatenate([getattr(plan.instances, name) for plan in passes])[order]
        for name in Instances._fields
    )
    return replace(passes[0], instances=Instances(*joined))
