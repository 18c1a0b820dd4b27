"""The `bertkit` command: finds the subcommand, runs it, and turns errors into exit statuses.

Only click is imported here, so that `bertkit --help` answers at once; a subcommand's
module is imported when it runs.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from bertkit import __version__, log
from bertkit.command_line import completion
from bertkit.command_line.command import Pages
from bertkit.command_line.suggestions import unknown_command
from bertkit.command_line.words import hyphens, plain_flags, repeat_flags
from bertkit.declined import require_supported
from bertkit.errors import BertkitError
from bertkit.optional import take_process
from bertkit.standard_output import displayable, divert_descriptor, one_line
from bertkit.system.process_end import end_process
from bertkit.workers.spawned import leave_if_importing
from bertkit.workers.termination import Terminated, raised_on_termination

# In the order of a whole job. A test compares the texts with the first line of each help.
COMMANDS = {
    "download": "Download a corpus, vocabulary or question set, and verify its checksums.",
    "extract": "Turn a raw corpus into documents, one sentence per line.",
    "clean": "Report duplicates, repetition and overlap with test sets; drop them by request.",
    "split": "Divide documents into train, valid and test parts.",
    "train-vocab": "Train a WordPiece vocabulary on text.",
    "make-records": "Write the masked, paired training instances of BERT as record files.",
    "pack-records": "Pack existing record files, several sequences to a record.",
    "pick-eval": "Pick evenly spaced records as a fixed evaluation set.",
    "inspect": "Show records, manifests, runs and models as text, and what text files hold.",
    "verify": "Check that two record sets hold the same instances, whatever program wrote them.",
    "pretrain": "Pretrain a BERT encoder with masked LM and next sentence prediction.",
    "eval": "Measure the masked LM and next sentence accuracy of checkpoints.",
    "report": "Make a page of one or several runs, or a picture of their curves.",
    "finetune": "Fine-tune an encoder on your own examples; score it, predict with it.",
    "finetune-squad": "Train, predict and score question answering on SQuAD files.",
    "compare": "Compare encoders by the scores of their fine-tuning runs, over seeds and tasks.",
    "predict": "Answer a question, or label a text, with a fine-tuned model.",
    "convert": "Convert a checkpoint for transformers, TensorFlow or NVIDIA's programs.",
    "push": "Upload the model of a run, with its card, to the model hub.",
    "launch": "Print or write what starts a bertkit command on many devices.",
    "schema": "Print the JSON schema of a command's settings, by which editors check and complete "
    "them.",
    "doctor": "Report what this machine can do and what is missing.",
}

# Those that go on where they were stopped.
RESUMED = {
    "download", "extract", "clean", "split", "make-records", "pack-records", "pick-eval",
    "pretrain", "finetune-squad", "finetune",
}  # fmt: skip

EXIT_STATUS = """\b
Exit status:
  0   done
  1   failed
  2   wrong usage
  3   bad or mismatched data or configuration
  4   a package, backend or device is missing
  5   the target was not reached
  75  stopped by a signal; run the same command again to resume
  130 interrupted
  143 stopped by a signal; nothing to resume
torchrun ends with 1 for all but 0; bertkit then prints its own status.
"""


class LazyGroup(Pages, click.Group):
    """A group that knows its commands by name and imports one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a whole job."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `bertkit.commands.<name>` and return its `command`."""
        name = cmd_name.replace("_", "-")
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"bertkit.commands.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and let its repeatable flags take several values at once."""
        if args and not ctx.resilient_parsing and not self._knows(args[0]):
            raise click.UsageError(unknown_command(args[0], list(COMMANDS)), ctx)
        name, command, rest = super().resolve_command(ctx, args)
        require_supported(name or "", rest)
        if command is None:
            return name, command, rest
        return name, command, repeat_flags(command, plain_flags(command, rest))

    def _knows(self, word: str) -> bool:
        """Whether a word may stand for a command; click itself refuses options."""
        return word.startswith("-") or hyphens(word) in COMMANDS

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Commands from the table, without importing them; and the options."""
        from click.shell_completion import CompletionItem

        begin = hyphens(incomplete)
        found = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(begin)
        ]
        return found + Pages.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    epilog=EXIT_STATUS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "BERTKIT",
        "token_normalize_func": hyphens,
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="bertkit", allow_from_autoenv=False)
def main_group() -> None:
    """Take a BERT encoder from a raw dump to a fine-tuned, evaluated model.

    \b
    Example, without any download:
      bertkit download sample --output data/raw
      bertkit extract --input data/raw --output data/docs
      bertkit COMMAND --help describes each command.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; errors become one line on stderr."""
    try:
        return _prepared(arguments)
    except KeyboardInterrupt:  # before the command, or behind it
        return _interrupted()


def _prepared(arguments: Sequence[str] | None) -> int:
    leave_if_importing()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_BERTKIT_COMPLETE" in os.environ:
        completion.register()
    # Threads that wait by spinning slow down those that work as soon as the machine has
    # other things to do. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Where a process is lost, PyTorch warns with pages of its own stack; bertkit says who it was.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    status = _run(words)
    launched = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") == "0"
    if launched and status not in (0, 1):
        note = f"Note: torchrun exits with status 1; bertkit's exit status is {status}"
        click.echo(note, err=True)
    return status


def _run(words: list[str]) -> int:
    log.set_rank(0)  # until the command joins a process group
    try:
        with raised_on_termination():
            status = main_group.main(args=words, prog_name="bertkit", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except Terminated as stop:
        return _terminated(stop, words)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BertkitError as error:
        return _report(error.message, error.hint, error.exit_code, words)
    except MemoryError:
        return _report("out of memory", "use fewer workers or smaller shards", 1, words)
    except OSError as error:
        return _report(*_explain(error), 1, words)


def _interrupted() -> int:
    log.close_bars()
    click.echo("\nInterrupted.", err=True)
    return 130


def _terminated(stop: Terminated, words: list[str]) -> int:
    """Say what ended the command; its status says whether the same command goes on from here."""
    name = next((word.replace("_", "-") for word in words if not word.startswith("-")), "")
    if name in RESUMED:
        again = "run the same command again: it goes on with what is finished"
        return _report(f"stopped by {stop.name}", again, 75, words)
    return _report(f"stopped by {stop.name}", "", 128 + stop.number, words)


# errno → (a message plainer than the system's, what to do).
_SYSTEM = {
    errno.ENOSPC: (
        "the disk is full",
        "free some space, then run the same command again: it keeps finished files",
    ),
    errno.EDQUOT: (
        "your disk quota is used up",
        "free some space, then run the same command again: it keeps finished files",
    ),
    errno.EFBIG: (
        "the file is larger than this process or file system allows",
        "raise the limit: ulimit -f unlimited",
    ),
    errno.EIO: ("the disk could not be read or written", "look at the system log"),
    errno.EPIPE: ("output pipe closed by the receiving program", ""),
    # Making a folder where a file is.
    errno.EEXIST: ("expected a folder, but this is a file", "give another path"),
    errno.ENOTDIR: ("expected a folder, but this is a file", "give another path"),
    errno.EISDIR: ("expected a file, but this is a folder", "give another path"),
    errno.EACCES: ("permission denied", "give a path that you may read or write"),
    errno.EROFS: ("the file system is read-only", "give another path"),
    errno.EMFILE: ("too many open files", "raise the limit: ulimit -n 4096"),
}


def _explain(error: OSError) -> tuple[str, str]:
    """(message, hint) for an error of the operating system."""
    place = f": {error.filename}" if error.filename else ""
    text, hint = _SYSTEM.get(error.errno or 0, (error.strerror or str(error), ""))
    return f"{text}{place}", hint


_VERBOSE = re.compile("-v+")


def _report(message: str, hint: str, status: int, words: Sequence[str]) -> int:
    """Print an error on stderr and return its exit status."""
    if log.rank() and status in (5, 75):
        return status  # all processes of a run end like this; the first one reports it
    from bertkit.backends.process_group import Topology

    number = log.rank()
    with contextlib.suppress(BertkitError):  # a place that no process has may be the error
        number = number or Topology.from_environment().rank
    where = f" (process {number})" if number else ""
    lines = [f"Error{where}: {message}", *([f"Hint: {hint}"] if hint else [])]
    log.close_bars()
    for line in lines:
        click.echo(displayable(one_line(line)), err=True)
    if any(word == "--verbose" or _VERBOSE.fullmatch(word) for word in words):
        click.echo(traceback.format_exc(), err=True)
    return status


_OBJECTS = 20_000  # new objects between two garbage collections; Python's default is 700


def entry_point() -> None:
    """Console script."""
    # Imports create hundreds of thousands of objects that stay. Collecting garbage among
    # them costs a tenth of a second while they are created and a third at exit.
    gc.set_threshold(_OBJECTS, 10, 10)
    take_process()
    divert_descriptor()
    status = main()
    sys.stdout = sys.stderr  # for what libraries print as the process ends
    for name in ("SIGINT", "SIGTERM"):  # nothing is left to clean up, or to say
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    _spare_last_collection()
    end_process(status)


def _spare_last_collection() -> None:
    """End without a last search for garbage, where nothing counts what it would find.

    Triton does from 3.9 on, and prints a page about "leaked" objects.
    """
    if "triton" not in sys.modules:
        gc.freeze()


if __name__ == "__main__":
    entry_point()
