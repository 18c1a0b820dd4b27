"""Runs every command of README.md and of the how-to pages on small stand-ins for their inputs.

    python examples/run_docs.py                         # this Python's bertkit, in this process
    python examples/run_docs.py --bertkit bin/bertkit   # that program, a process for each command
    python examples/run_docs.py README.md --keep work   # one page; keep what it wrote

A command block is one that is indented by four spaces or fenced as `sh`; text of other kinds is
fenced with its own language. Commands of a page run in the order of the page, in an empty folder,
where a file that a command names and that no earlier command has written is made small
(`stand_ins.py`). `docs_rules.py` has the flags that make a command small, and which commands are
only planned or left out, with the reason.
The exit status is 1 if a command fails, 2 if a block has something that is no known command.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import glob
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docs_rules
import stand_ins

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/start.md", "docs/how-to/*.md", "docs/finetune.md", "docs/cleaning.md",
         "docs/text-summary.md")  # fmt: skip
HOW = ("run", "planned", "left out")
_FENCE = re.compile(r"^( *)```(\w*)")


@dataclass
class Command:
    """A command of a page.

    Attributes:
        page: path of the page.
        line: of its first line.
        text: its lines, joined.
        how: `run`, `planned` (with --dry-run), or `left out`.
        reason: why it was not run as it stands.
        status: exit status; None: not run.
        output: what it printed.
        seconds: that it took.
    """

    page: str
    line: int
    text: str
    how: str = "run"
    reason: str = ""
    status: int | None = None
    output: str = ""
    seconds: float = 0.0
    wanted: tuple[int, ...] = (0,)
    words: list[str] = field(default_factory=list)

    def failed(self) -> bool:
        """Whether it ended otherwise than it should."""
        return self.how != "left out" and (
            self.status not in self.wanted or "Traceback" in self.output
        )


def blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, lines) of every command block of a page."""
    fence = ""  # language of the fence that a line stands in
    begin, found = 0, []
    before = ""
    for number, line in enumerate([*text.splitlines(), "end"], start=1):
        mark = _FENCE.match(line)
        indented = line.startswith("    ") and bool(found or _may_begin(before))
        inside = fence == "sh" if fence else indented or not line.strip()
        if mark or not inside:
            if any(found):
                yield begin, found
            begin, found = number + 1, []
            if mark:
                fence = "" if fence else mark[2] or "sh"
        elif found or line.strip():
            begin = begin if found else number
            found.append(line.strip())
        before = line


def _may_begin(before: str) -> bool:
    """Whether an indented block may follow a line."""
    return not before.strip() or before.startswith("#")


def commands(page: Path, root: Path = ROOT) -> list[Command]:
    """The commands of a page, in order.

    Raises:
        ValueError: a line that is no command of a known program; names page and line.
    """
    name = str(page.relative_to(root)) if page.is_relative_to(root) else str(page)
    found: list[Command] = []
    for begin, lines in blocks(page.read_text(encoding="utf-8")):
        joined, first = "", begin
        for number, line in enumerate(lines, start=begin):
            first = first if joined else number
            joined += line.removesuffix("\\")
            if line.endswith("\\") or not joined.strip():
                continue
            if not joined.lstrip().startswith("#"):
                found.append(_command(name, first, joined))
            joined = ""
    return found


def _command(page: str, line: int, text: str) -> Command:
    words = shlex.split(text, comments=True)
    command = Command(page, line, " ".join(text.split()), words=words)
    program = words[0]
    for beginning, reason in docs_rules.LEFT_OUT.items():
        if text.strip().startswith(beginning):
            command.how, command.reason = "left out", reason
            return command
    if program in docs_rules.LAUNCHERS:
        command.how, command.reason = "planned", docs_rules.LAUNCHERS[program]
        place = words.index("bertkit") if "bertkit" in words else len(words)
        command.words = words = words[place:]
    if not words or words[0] != "bertkit":
        raise ValueError(
            f"{page}:{line}: {text.strip()!r} is no command of bertkit, and docs_rules.LEFT_OUT "
            "does not have it; fence a block that holds no commands as ```text"
        )
    if "..." in words:
        raise ValueError(f"{page}:{line}: a command with '...' cannot be run: write all of it")
    return command


def prepare(command: Command, world: stand_ins.World) -> None:
    """Make what the command names, and add the flags that make it small."""
    words = command.words
    if reason := docs_rules.left_out(words):
        command.how, command.reason = "left out", reason
        return
    reason = docs_rules.planned(words, world)
    if reason and command.how == "run":
        command.how, command.reason = "planned", reason
    for word in docs_rules.inputs(words):
        world.provide(word)
    expanded: list[str] = []
    for word in words[1:]:
        matches = sorted(glob.glob(word)) if re.search(r"[*?\[]", word) else []
        expanded += matches or [word]
    command.words = docs_rules.smaller(expanded, plan=command.how == "planned", world=world)
    command.wanted = docs_rules.statuses(words)


def run(command: Command, program: str | None) -> None:
    """Run a command in the current folder, and note its status and output."""
    words, source, target = list(command.words), None, None
    for mark in ("<", ">"):
        if mark in words:
            place = words.index(mark)
            name = words[place + 1]
            del words[place : place + 2]
            source, target = (name, target) if mark == "<" else (source, name)
    begin = time.monotonic()
    if program:
        command.status, out, err = _outside([program, *words], source)
    else:
        command.status, out, err = _inside(words, source)
    command.seconds = time.monotonic() - begin
    command.output = out + err
    if target and command.status == 0:
        Path(target).write_text(out, encoding="utf-8")


def _outside(words: list[str], source: str | None) -> tuple[int, str, str]:
    given = Path(source).read_text(encoding="utf-8") if source else ""
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _inside(words: list[str], source: str | None) -> tuple[int, str, str]:
    from bertkit.cli import main
    from bertkit.log import logger

    logger.handlers.clear()  # as in a new process
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(Path(source).read_bytes() if source else b""), "utf-8")
    before, sys.stdin = sys.stdin, given
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
    except Exception:  # what bertkit itself would show as a traceback
        status = 1
        err.write(traceback.format_exc())
    finally:
        sys.stdin = before
    return status, out.getvalue(), err.getvalue()


def _make(program: str | None, *words: object) -> None:
    """Run a command that makes a stand-in."""
    command = Command("stand_ins.py", 0, "", words=[*map(str, words), "--quiet"])
    run(command, program)
    if command.status:
        raise SystemExit(f"bertkit {shlex.join(command.words)}\n{command.output}")


def run_page(
    found: list[Command], place: Path, program: str | None, world: stand_ins.World
) -> None:
    """Run the commands of one page in the folder `place`."""
    place.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(place)
    try:
        for command in found:
            if command.how == "left out":
                continue
            prepare(command, world)
            if command.how == "left out":
                continue
            run(command, program)
            mark = "FAILED" if command.failed() else command.how
            sys.stderr.write(f"{command.seconds:6.1f} s  {mark:8}  {command.page}:{command.line}\n")
            if command.failed():
                shown = shlex.join(["bertkit", *command.words])
                sys.stderr.write(f"$ {shown}\n{command.output}\nexit status {command.status}\n")
    finally:
        os.chdir(before)


def report(found: list[Command]) -> str:
    """What was run, planned, left out and why, as a table."""
    rows = [f"{'page':<24} run  planned  left out  failed"]
    for page in dict.fromkeys(command.page for command in found):
        of_page = [command for command in found if command.page == page]
        counts = [
            sum(command.how == how for command in of_page) for how in ("run", "planned", "left out")
        ]
        failed = sum(command.failed() for command in of_page)
        rows.append(f"{page:<24} {counts[0]:>3}  {counts[1]:>7}  {counts[2]:>8}  {failed:>6}")
    rows.append("\nNot run as they stand:")
    rows += [
        f"  {command.page}:{command.line}  {command.how}: {command.reason}\n    {command.text}"
        for command in found
        if command.how != "run"
    ]
    return "\n".join(rows)


def chosen(names: list[str]) -> list[Path]:
    """Paths of the pages; all of them if none is named."""
    patterns = names or PAGES
    return [path for name in patterns for path in sorted(ROOT.glob(name))]


def main(arguments: list[str] | None = None) -> int:
    """Run the pages and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", help="pages of the repository; by default all")
    parser.add_argument("--bertkit", help="program to run; by default the package of this Python")
    parser.add_argument("--keep", type=Path, help="folder to work in, which is kept")
    parser.add_argument("--list", action="store_true", help="only list what would be run")
    given = parser.parse_args(arguments)
    program = str(Path(given.bertkit).resolve()) if given.bertkit else None
    try:
        pages = [commands(path) for path in chosen(given.pages)]
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    every = [command for page in pages for command in page]
    with contextlib.ExitStack() as stack:
        work = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not given.list:
            maker = functools.partial(_make, program)
            place = work.resolve() / "stand-ins"
            world = stack.enter_context(stand_ins.World(place, maker, program is None))
            for page in pages:
                if page:
                    name = page[0].page.removesuffix(".md").replace("/", "-")
                    run_page(page, work.resolve() / name, program, world)
    sys.stdout.write(f"{report(every)}\n")
    return int(not given.list and any(command.failed() for command in every))


if __name__ == "__main__":
    sys.exit(main())
