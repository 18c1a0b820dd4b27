"""Keeps the model of a run's best evaluation in `best/`, beside the checkpoints.

best/model.safetensors, config.json, vocab.txt, tokenizer_config.json
best/best.json   which step it is of, by which score, and all scores of that evaluation
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from bertkit import log
from bertkit.codecs.strict_json import json_text
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.checkpoints.run_state import BEST, BEST_FACTS, read_best
from bertkit.storage.files import atomic_folder, write_text
from bertkit.tasks.comparison.units import smaller_is_better
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.tokenizer_facts import TokenizerFacts


class BestModel:
    """Writes `best/` whenever an evaluation is better than all before it.

    Args:
        run: folder of the run.
        metric: name of the score that decides; the higher, the better, but for errors.
        goes_on: the run was begun before this call: what it kept counts.
    """

    def __init__(self, run: str | Path, metric: str, goes_on: bool) -> None:
        self._run, self._metric = Path(run), metric
        if not goes_on and (self._run / BEST).is_dir():
            shutil.rmtree(self._run / BEST)
        self._sign = -1.0 if smaller_is_better(metric) else 1.0
        before = read_best(run)
        known = before is not None and before["metric"] == metric
        self._best = self._sign * float(before["value"]) if before and known else -math.inf

    def is_better(self, scores: Mapping[str, float]) -> bool:
        """Whether these scores are the best so far; ones that are not numbers never are."""
        return self._sign * scores[self._metric] > self._best

    def keep(
        self,
        model: nn.Module,
        weights: Mapping[str, Tensor],
        *,
        step: int,
        scores: Mapping[str, float],
        vocab: bytes,
        tokenizer: TokenizerFacts,
    ) -> None:
        """Write the model, in place of the one before.

        Args:
            model: bertkit's, on no device; it takes over the weights.
            weights: as they are now.
            step: updates done.
            scores: of the evaluation.
            vocab: content of the vocabulary file.
            tokenizer: what is known about the tokens.
        """
        value = scores[self._metric]
        self._best = self._sign * value
        model.load_state_dict(dict(weights), assign=True)
        facts = {"step": step, "metric": self._metric, "value": value, "scores": dict(scores)}
        with atomic_folder(self._run / BEST) as folder:
            save_pretrained(model, folder)
            tokenizer_files.write_vocabulary(folder, vocab, tokenizer)
            write_text(folder / BEST_FACTS, json_text(facts, indent=1) + "\n")
        log.logger.info("best so far: %s %.4f at step %d", self._metric, value, step)
