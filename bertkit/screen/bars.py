"""Draws progress bars on terminals and in notebooks, and lines now and then elsewhere."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

# Between two lines about work whose bar nobody sees.
LINE_SECONDS = 60.0
# What is counted sooner was done by an earlier run.
_KEPT_SECONDS = 1.0


def clock_time(seconds: float) -> str:
    """Hours, minutes and seconds: `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def in_notebook() -> bool:
    """Whether this process runs the cells of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def draw(items: Iterable[Any] | None, **settings: Any) -> Any:
    """A bar: of widgets in a notebook that has them, else of characters on stderr."""
    if in_notebook():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # says that it is new, or that there are no widgets
            from tqdm.autonotebook import tqdm
        return tqdm(items, leave=False, **settings)
    _keep_warnings_apart()
    return _bar_class()(items, file=sys.stderr, dynamic_ncols=True, leave=False, **settings)


@functools.cache
def _bar_class() -> type:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        """A bar that leaves out the last of its numbers rather than its own cells."""

        @property
        def format_dict(self) -> dict[str, Any]:
            found: dict[str, Any] = dict(super().format_dict)
            columns, numbers = found["ncols"], found["postfix"]
            # Without a width the bar itself has ten cells.
            while columns and numbers and self._length(found, numbers) > columns:
                numbers = numbers.rpartition(", ")[0]
            return {**found, "postfix": numbers}

        def close(self) -> None:
            super().close()
            if not getattr(tqdm, "_instances", None):
                logging.captureWarnings(False)

        def _length(self, found: dict[str, Any], numbers: str) -> int:
            settings = {**found, "ncols": None, "postfix": numbers}
            return len(self.format_meter(**settings))

    return Bar


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    """While other text is written to the terminal: the bars make way, and come back below it."""
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not getattr(tqdm, "_instances", None):
        yield
        return
    with tqdm.external_write_mode(file=sys.stderr):
        yield


def close_all() -> None:
    """Remove bars that an error left behind: what is written next stands on a line of its own."""
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    for bar in list(getattr(tqdm, "_instances", None) or ()):
        with contextlib.suppress(Exception):
            bar.close()


def _keep_warnings_apart() -> None:
    """While there are bars, send the warnings of Python, too, through what makes them give way."""
    own = logging.getLogger("bertkit")
    python = logging.getLogger("py.warnings")
    if own.handlers:
        python.handlers[:] = own.handlers
        python.propagate = False
        logging.captureWarnings(True)


class Lines:
    """Stands for a bar where nobody watches: counts, and logs a line now and then.

    Args:
        items: what to iterate over; None for counts that `update(n)` moves.
        total: number of steps, if it is known.
        description: what is done.
        unit: name of one step.
        scale: the unit is one of bytes or other things of which there are millions.
    """

    def __init__(
        self,
        items: Iterable[Any] | None,
        *,
        total: int | None,
        desc: str | None,
        unit: str,
        unit_scale: bool,
    ) -> None:
        self.n = 0
        self.total = total
        self._items = items
        self._text, self._unit, self._scale = desc or "working", unit, unit_scale
        self._begun = self._last = time.monotonic()
        self._kept = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items or ():
            yield item
            self.update(1)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def update(self, count: int = 1) -> None:
        """So many steps more are done."""
        self.n += count
        now = time.monotonic()
        if now - self._begun < _KEPT_SECONDS:
            self._kept = self.n
        if now - self._last >= LINE_SECONDS:
            self._last = now
            text = self._counts() + self._left(now - self._begun)
            logging.getLogger("bertkit").info("%s: %s", self._text, text)

    def _left(self, seconds: float) -> str:
        """How long the rest takes at the speed so far, where both are known."""
        done = self.n - self._kept
        if not self.total or done <= 0 or self.n >= self.total:
            return ""
        return f", {clock_time(seconds * (self.total - self.n) / done)} left"

    def _counts(self) -> str:
        from bertkit.storage.files import human_bytes

        plural = "es" if self._unit.endswith("ch") else "s"
        unit = "" if self._unit in ("it", "B") else f" {self._unit}{plural}"
        count = human_bytes if self._unit == "B" else "{:,}".format
        of = f" of {count(self.total)}" if self.total else ""
        share = f" ({self.n / self.total:.0%})" if self.total else ""
        return f"{count(self.n)}{of}{unit}{share}"

    def set_postfix_str(self, text: str) -> None:
        """Numbers of the last step: not for lines."""

    def close(self) -> None:
        """Nothing is left open."""
