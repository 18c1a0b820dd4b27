"""Public function that reports, and drops, documents that a corpus is better without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Inputs, Place, path, paths, resolved

if TYPE_CHECKING:
    from bertkit.corpus.cleaning.results import CleanResult


def clean(
    inputs: Inputs,
    output: Place | None = None,
    config: Config = None,
    *,
    workers: int = 1,
    examples: int = 3,
    listing: Place | None = None,
    scratch: Place | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> CleanResult:
    """Report duplicates, repetition and overlap with test sets; drop them by request.

    Without the setting `drop` nothing is written. After an interruption the same call goes on.

    Args:
        inputs: Documents, one sentence per line, as `extract` writes them.
        output: Folder for what is kept; needed with `drop`, and only then.
        config: Settings: a mapping, a YAML file or a `CleanConfig`.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script. The output does not depend on it.
        examples: Documents to name per criterion.
        listing: File to write: a JSON line for each document that falls under a criterion.
        scratch: Folder for signatures, kept, so that a report and the call that drops compute
            them once.
        overwrite: Replace what another run left in the folder.
        **settings: Single settings by name, such as `drop=["exact", "near"]`.

    Returns:
        What was found by each criterion, dropped and kept.

    Raises:
        DataError: Empty or unreadable input, another run's folder, or everything would go.
        ConfigError: A wrong or unknown setting.
        UsageError: An output without anything to drop, or the reverse.

    Example:
        >>> found = bertkit.clean("data/docs")
        >>> found.documents > 50, sorted(found.criteria)[:3]
        (True, ['density', 'exact', 'lines'])
        >>> bertkit.clean("data/docs", "data/clean", drop=["exact"]).kept["documents"] > 50
        True
    """
    from bertkit.corpus.cleaning.clean_corpus import clean_corpus
    from bertkit.corpus.cleaning.config import CleanConfig

    return clean_corpus(
        paths(inputs),
        path(output or ""),
        resolved(CleanConfig, config, settings).config,
        workers=workers,
        overwrite=overwrite,
        scratch=path(scratch or ""),
        examples=examples,
        listing=path(listing or ""),
    )
