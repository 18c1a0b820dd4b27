"""Bars on a terminal, beside other lines; in notebooks; and lines where nobody watches."""

from __future__ import annotations

import io
import logging
import sys
import types
import warnings

from bertkit import log
from bertkit.screen import bars


class Terminal(io.StringIO):
    """Stands for stderr on a terminal; `screen` is what a person then sees."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """Lines as they stand after all that was written, each carriage return obeyed."""
        lines = []
        for written in self.getvalue().split("\n"):
            shown = ""
            for text in written.split("\r"):
                shown = text + shown[len(text) :]
            lines.append(shown.rstrip())
        return lines


def on_terminal(monkeypatch) -> Terminal:
    """Put one in stderr's place; not in a fixture, after which pytest puts its own there."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setenv("COLUMNS", "80")
    log.setup(0)
    return found


def test_log_lines_stand_apart_from_the_bar(monkeypatch):
    terminal = on_terminal(monkeypatch)
    with log.progress(total=9, description="work") as bar:
        bar.update(3)
        bar.refresh()
        log.logger.info("evaluation at step 3")
        bar.set_postfix_str("loss 1.000, " * 5)
        log.logger.warning("odd")
    lines = terminal.screen()
    assert "evaluation at step 3" in lines and "warning: odd" in lines
    assert not any("work" in line for line in lines)  # the bar is gone at the end


def test_warnings_of_python_stand_apart_too(monkeypatch):
    terminal = on_terminal(monkeypatch)
    before = warnings.showwarning
    with log.progress(total=9, description="work") as bar:
        bar.update(3)
        bar.refresh()
        warnings.showwarning("strange numbers", UserWarning, "file.py", 3)
    assert warnings.showwarning is before
    lines = terminal.screen()
    assert any(line.startswith("warning: file.py:3: UserWarning") for line in lines)


def test_an_error_begins_on_a_line_of_its_own(monkeypatch):
    terminal = on_terminal(monkeypatch)
    from bertkit.cli import _report

    bar = log.progress(total=9, description="work")  # left open by what failed
    bar.update(3)
    bar.refresh()
    _report("it failed", "try again", 1, [])
    assert terminal.screen()[:2] == ["Error: it failed", "Hint: try again"]


def test_numbers_give_way_to_the_bar(monkeypatch):
    on_terminal(monkeypatch)
    numbers = "loss 9.008, MLM acc 0.188, NSP acc 0.519, lr 1.12e-04, 6,159 tokens/s"
    with log.progress(total=1000, unit="step") as bar:
        for columns in (60, 80, 120, 200):
            bar.ncols, bar.dynamic_ncols = columns, False
            bar.update(5)
            bar.set_postfix_str(numbers)
            text = str(bar)
            assert len(text) <= columns
            assert text.count("|") == 2 and len(text.split("|")[1]) >= 10
            kept = text.partition("s/step, ")[2] or text.partition("step/s, ")[2]
            assert numbers.startswith(kept.rstrip("]"))
        assert numbers in text  # where there is room for all


def test_a_notebook_has_bars_without_being_asked(monkeypatch, capsys):
    shell = types.SimpleNamespace(kernel=object(), config={"IPKernelApp": {}})
    python = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setattr(log.logger, "level", logging.NOTSET)
    assert bars.in_notebook() and log.bars_wanted()
    assert list(log.progress(range(3), total=3, description="reading")) == [0, 1, 2]
    assert "reading" in capsys.readouterr().err
    log.logger.setLevel(logging.WARNING)
    assert not log.bars_wanted()
    python.get_ipython = lambda: None  # plain IPython, or none
    assert not bars.in_notebook()


def test_where_nobody_watches_a_line_tells_now_and_then(monkeypatch, capsys):
    log.setup(0)
    clock = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: clock[0])
    for _ in log.progress(range(7), total=7, unit="batch", description="evaluating"):
        clock[0] += 25.0
    with log.progress(total=4_000_000, unit="B", scale=True, description="copy") as bar:
        bar.update(1_000_000)
        clock[0] += 61.0
        bar.update(1_000_000)
        assert bar.n == 2_000_000
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: 3 of 7 batches (43%), 0:01:40 left",
        "evaluating: 6 of 7 batches (86%), 0:00:25 left",
        "copy: 2.0 MB of 4.0 MB (50%), 0:02:02 left",
    ]


def test_lines_tell_no_time_where_none_is_known(monkeypatch, capsys):
    """The whole is not known, nothing new is done yet, all is done."""
    log.setup(0)
    clock = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: clock[0])
    for total, counts in ((None, (5,)), (9, (4, 0)), (9, (4, 5))):
        with log.progress(total=total, unit="part", description="extract") as bar:
            for number, count in enumerate(counts):
                clock[0] += 70.0 if number or total is None else 0.0
                bar.update(count)
    assert capsys.readouterr().err.splitlines() == [
        "extract: 5 parts",
        "extract: 4 of 9 parts (44%)",
        "extract: 9 of 9 parts (100%)",
    ]


def test_quiet_and_other_processes_say_nothing(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(log, "_rank", 1)
    log.setup(0)
    for _ in log.progress(range(3), total=3):
        clock[0] += 100.0
    monkeypatch.setattr(log, "_rank", 0)
    log.setup(-1)
    for _ in log.progress(range(3), total=3):
        clock[0] += 100.0
    assert capsys.readouterr().err == ""
