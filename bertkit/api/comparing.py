"""Public functions that compare: record sets, text with what is published, runs and scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertkit.api.arguments import Inputs, Place, path, paths

if TYPE_CHECKING:
    from bertkit.corpus.chains.mlperf_reference import ReferenceComparison
    from bertkit.records.tools.verify import Verification
    from bertkit.report.whole import RunsReport
    from bertkit.tasks.comparison.results import Comparison


def verify(
    first: Place,
    second: Place,
    *,
    vocab: Place | None = None,
    order: str = "files",
    workers: int = 1,
) -> Verification:
    """Check that two record sets hold the same instances, whatever program wrote them.

    Args:
        first: A record file, a glob or a folder, of any format, packed or not.
        second: The same.
        vocab: Shows a difference in tokens; by default the one that a folder's manifest names.
        order: `files`: file after file; `dealt`: one record of each file in turn; `any`.
        workers: Processes; 0 starts one per core. More than 1 needs `if __name__ == "__main__":`
            in a script.

    Returns:
        Whether they are the `same`, their counts and digests, and the first difference.

    Raises:
        DataError: Unreadable, damaged or unfinished sets.
        ConfigError: No such order.

    Example:
        >>> bertkit.verify("data/records", "data/records").same
        True
    """
    from bertkit.records.tools.verify import verify as work
    from bertkit.workers.engine import Engine

    words = None if vocab is None else path(vocab)
    return work(path(first), path(second), words, order=order, engine=Engine(workers))


def verify_text(
    inputs: Place, *, reference: str = "mlperf", sums: Place | None = None
) -> ReferenceComparison:
    """Compare a folder of prepared text with what is published of it.

    Args:
        inputs: The folder, such as the output of `split` with `method="mlperf"`.
        reference: Whose text it should be: `mlperf`.
        sums: A list of further MD5 sums, `md5  name` per line.

    Returns:
        Whether all files with a published sum are the `same`, and each file.

    Raises:
        UsageError: No such reference.
        DataError: No such folder, none of the files in it, or a broken list.

    Example:
        >>> try:
        ...     bertkit.verify_text("data/docs")
        ... except bertkit.DataError as error:
        ...     print("eval.txt" in str(error) or "data/docs" in str(error))
        True
    """
    from bertkit.corpus.chains.mlperf_reference import compare_with_reference

    return compare_with_reference(path(inputs), reference, None if sums is None else path(sums))


def make_report(runs: Inputs, output: Place | None = None, *, over: str = "step") -> RunsReport:
    """Make a page of one or several runs, or a picture of their curves.

    Args:
        runs: Folders of runs, also of such that are still training; or those that
            `finetune_seeds` wrote, for the runs in them.
        output: Page or picture: .html, .png, .svg or .pdf; None: `report.html` in the first run.
        over: What a picture's curves are drawn over: `step`, `tokens` or `seconds`.

    Returns:
        The last numbers of each run as it wrote them, what predictions got wrong, the scores of
        seeds with mean and deviation, and where the page is.

    Raises:
        DataError: A folder is no run, a file of it is damaged, or the name's ending is none of
            these.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> bertkit.make_report("runs/tiny").output
        'runs/tiny/report.html'
    """
    from bertkit.errors import UsageError
    from bertkit.report.whole import report_runs

    places = paths(runs)
    if not places:
        raise UsageError("no run is given", "give the folder of a run, or several")
    return report_runs(places, path(output or ""), over)


def compare(runs: Inputs, *, metrics: Sequence[str] = ()) -> Comparison:
    """Compare encoders by the scores of their fine-tuning runs, over seeds and tasks.

    Args:
        runs: Folders of runs, or folders that hold such, as `finetune_seeds` makes them.
        metrics: Scores to compare instead of the one that each task is judged by.

    Returns:
        A table: rows of encoders, columns of tasks, each cell with its mean and its spread.

    Raises:
        DataError: A folder is not there, or nothing in them was scored.

    Example:
        >>> found = bertkit.compare("runs/topics")
        >>> [column.metric for column in found.columns], len(found.rows)
        (['accuracy'], 1)
    """
    from bertkit.tasks.comparison.compare import compare as work

    return work(paths(runs), [metrics] if isinstance(metrics, str) else list(metrics))
