"""Finds training commands in job documents and scripts, and the number of cards of each."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from bertkit.codecs.safe_yaml import parse_all
from bertkit.errors import ConfigError
from bertkit.external_configs.shell import SimpleCommand, arithmetic, commands

_MPI = ("mpirun", "mpiexec", "orterun", "prterun", "mpiexec.hydra", "srun")
_TORCH = ("torchrun", "torch.distributed.run", "torch.distributed.launch")
_SPAWN = "gaudi_spawn.py"
_COUNT = ("-np", "-n", "--np", "--n", "-c", "--ntasks")
_HOSTS = ("-H", "-host", "--host")
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*|\$\{?PYTHON\}?|-u|-m")
_SHELL = re.compile(r"(?:.*/)?(?:ba|da|z)?sh")
_PROGRAM = re.compile(r"(?:.*/)?((?:run_pretraining|run_squad)\.py)")
_MENTION = re.compile(r"\b(?:run_pretraining|run_squad)\.py\b")
_DOCUMENT = re.compile(r"^[^\S\n]*(?:kind|apiVersion): *\S", re.MULTILINE)
_LINE_OF_SHELL = re.compile(
    rf"\s*(?:export\s|declare\s|[A-Za-z_]\w*=|--\w|{'|'.join(map(re.escape, _MPI))}\b|torchrun\b)"
)


@dataclass(frozen=True)
class TrainingCommand:
    """A command that trains, as a job would start it.

    Attributes:
        program: such as run_squad.py.
        arguments: its words.
        launcher: the words before it, such as mpirun's.
        slots: processes of the job that holds it; 0 outside a job.
        line: of the script that holds it.
        variables: defined there.
        notes: what was taken otherwise than it is written.
    """

    program: str
    arguments: tuple[str, ...]
    launcher: tuple[str, ...] = ()
    slots: int = 0
    line: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def cards(self, source: str) -> int:
        """The processes that it is started on.

        Raises:
            ConfigError: their number cannot be known.
        """
        words = [os.path.expandvars(word) for word in self.launcher]
        found = cards_started(words, self.slots)
        if not found:
            given = _option(self.launcher, _COUNT)
            asked = f"with the number {given}" if given else "without a number of processes"
            raise ConfigError(
                f"{source}: the number of cards is not known: {self.launcher[0]} {asked}",
                "write the number into the file, or export the variable",
            )
        return found


@dataclass(frozen=True)
class _Script:
    """Shell text.

    Attributes:
        text: the script.
        variables: of the container that runs it.
        slots: see `TrainingCommand`.
        prose: other text may stand between its commands.
    """

    text: str
    variables: Mapping[str, str] = field(default_factory=dict)
    slots: int = 0
    prose: bool = False


def recognises(text: str) -> bool:
    """Whether a text runs one of the programs, or is a job or script that runs none of them."""
    if re.match(r"#!.*sh\b", text) or re.search(r"^kind: *(Pod|MPIJob|Job)\b", text, re.MULTILINE):
        return True
    if not _MENTION.search(text):
        return False
    try:
        return any(True for script in _scripts(text) for _ in _training("", script))
    except ConfigError:
        return True


def find(source: str, text: str, choice: str = "") -> TrainingCommand:
    """The one training command of a file.

    Args:
        source: the file's name.
        text: a Pod, an MPIJob, a shell script or documentation with command lines.
        choice: the number of the command, from 1, where the file holds several.

    Raises:
        ConfigError: there is none, or there are several and `choice` names none of them.
    """
    found = all_of(source, text)
    if not found:
        raise ConfigError(
            f"{source}: runs none of the programs whose flags bertkit translates"
            " (run_pretraining.py, run_squad.py)",
            "the page coming-from.md of the documentation has bertkit's command for each step",
        )
    last = len(found)
    if choice and not (choice.isdecimal() and 1 <= int(choice) <= last):
        raise ConfigError(
            f"{source} holds {last} training commands, {choice!r} is none of them",
            f"give {source}:1" + (f" to {source}:{last}" if last > 1 else ""),
        )
    if not choice and any(replace(item, line=0) != replace(found[0], line=0) for item in found):
        shown = "; ".join(f"{n}: line {item.line}, {item.program}" for n, item in _first(found))
        raise ConfigError(
            f"{source} holds {last} training commands ({shown})",
            f"name one by its number: --config {source}:1",
        )
    return found[int(choice or 1) - 1]


def all_of(source: str, text: str) -> list[TrainingCommand]:
    """All training commands of a file, in its order; arguments and errors as `find`."""
    return [item for script in _scripts(text) for item in _training(source, script)]


def of_document(document: Mapping[str, Any]) -> list[TrainingCommand]:
    """The training commands of a Kubernetes document.

    Raises:
        ConfigError: a script in it is not shell.
    """
    scripts = _containers(document, _slots(document))
    return [item for script in scripts for item in _training("the job", script)]


def commands_of_document(document: Mapping[str, Any]) -> list[SimpleCommand]:
    """All commands of the containers of a Kubernetes document, in their order.

    Raises:
        ConfigError: a script in it is not shell.
    """
    scripts = _containers(document, _slots(document))
    return [item for script in scripts for item in _simple_commands("the job", script)]


def mpi_processes(command: SimpleCommand) -> int | None:
    """The number of processes that a command gives mpirun; None where it gives none."""
    if PurePosixPath(command.words[0]).name not in _MPI:
        return None
    return _number(_option(command.words, _COUNT) or "")


def cards_started(words: Sequence[str], slots: int = 0) -> int | None:
    """The processes that a launcher starts.

    Args:
        words: the launcher and its options; nothing for none.
        slots: of the job: what mpirun takes without a number.

    Returns:
        None where a number is not known.
    """
    names = [PurePosixPath(word).name for word in words]
    start = next((i for i, name in enumerate(names) if name in (*_MPI, *_TORCH, _SPAWN)), None)
    if start is None:
        return 1
    rest = words[start + 1 :]
    if names[start] in _MPI:
        given = _option(rest, _COUNT)
        if given is None:
            return slots or _hosts_slots(_option(rest, _HOSTS) or "")
        return _number(given) or slots or None
    if names[start] == _SPAWN:
        return _number(_option(rest, ("--world_size", "--world-size")) or "1")
    each = _number(_option(rest, ("--nproc_per_node", "--nproc-per-node")) or "1")
    nodes = _number(_option(rest, ("--nnodes",)) or "1")
    return each * nodes if each and nodes else None


def _first(found: Sequence[TrainingCommand]) -> Iterable[tuple[int, TrainingCommand]]:
    return enumerate(found[:6], 1)


def _number(text: str) -> int | None:
    formula = re.fullmatch(r"\$\(\((.*)\)\)", text)
    if formula:
        return arithmetic(formula[1], os.environ)
    return int(text) if text.isdecimal() else None


def _option(words: Sequence[str], names: Sequence[str]) -> str | None:
    """The value of the last of these options."""
    found = None
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else following
    return found


def _hosts_slots(hosts: str) -> int | None:
    """Slots of `host1:8,host2:8`; None where one is not given."""
    slots = [_number(host.rpartition(":")[2]) for host in hosts.split(",")]
    return sum(slot or 0 for slot in slots) if all(slots) else None


def _scripts(text: str) -> list[_Script]:
    """The shell texts of a file: those of its containers, or the file itself."""
    if _DOCUMENT.search(text):
        try:
            documents = [item for item in parse_all(text, "") if isinstance(item, dict)]
        except ConfigError:
            documents = []
        if documents:
            return [s for item in documents for s in _containers(item, _slots(item))]
    return [_Script(text, prose=re.search(r"^[^\S\n]*```", text, re.MULTILINE) is not None)]


def _slots(document: Mapping[str, Any]) -> int:
    """The processes of an MPIJob's workers; 0 for another document."""
    spec = document.get("spec")
    if not isinstance(spec, Mapping) or document.get("kind") != "MPIJob":
        return 0
    roles = spec.get("mpiReplicaSpecs") or {}
    worker = (roles.get("Worker") if isinstance(roles, Mapping) else None) or {}
    counts = spec.get("slotsPerWorker", 1), worker.get("replicas", 1) if worker else 0
    return counts[0] * counts[1] if all(isinstance(count, int) for count in counts) else 0


def _containers(value: Any, slots: int) -> Iterator[_Script]:
    if isinstance(value, list):
        for item in value:
            yield from _containers(item, slots)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "containers" and isinstance(item, list):
                yield from (_container(c, slots) for c in item if isinstance(c, Mapping))
            else:
                yield from _containers(item, slots)


def _container(container: Mapping[str, Any], slots: int) -> _Script:
    variables = {
        str(item["name"]): str(item["value"])
        for item in container.get("env") or ()
        if isinstance(item, Mapping) and {"name", "value"} <= item.keys()
    }
    words = [str(word) for key in ("command", "args") for word in container.get(key) or ()]
    # Kubernetes itself replaces $(NAME) by the container's variables.
    words = [
        re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), word)
        for word in words
    ]
    script = _shell_script(words)
    return _Script(shlex.join(words) if script is None else words[script], variables, slots)


def _shell_script(words: Sequence[str]) -> int | None:
    """The place of the script in `bash -c SCRIPT`; None where there is none."""
    for place, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[a-z]*c", word) and any(map(_SHELL.fullmatch, words[:place])):
            return place + 1
    return None


def _simple_commands(source: str, script: _Script) -> list[SimpleCommand]:
    """The commands of a script, and those of a shell that it starts.

    Raises:
        ConfigError: it is not shell.
    """
    try:
        if script.prose:
            found = _commands_in_prose(script)
        else:
            found = commands(script.text, dict(script.variables))
        return [inner for item in found for inner in _with_inner(item)]
    except ValueError as error:
        if not (script.prose or script.slots or script.variables):
            return _simple_commands(source, replace(script, prose=True))
        raise ConfigError(f"{source}: cannot read the flags: {error}") from error


def _commands_in_prose(script: _Script) -> list[SimpleCommand]:
    """The commands of documentation; every block has its own variables."""
    known = dict(script.variables)
    found: list[SimpleCommand] = []
    for line, text in _lines(script.text):
        if text:
            found += commands(text, known, line)
        else:
            known = dict(script.variables)
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line with those that continue it) of what looks like a command in prose.

    The line is empty where one block of commands ends and another may begin.
    """
    number, counted = 1, 0
    for match in re.finditer(r"(?:[^\\\n]|\\.|\\\n)+", text):
        line = match[0]
        if re.fullmatch(r"\s*(?:```.*|--)", line):
            yield 0, ""
        if _LINE_OF_SHELL.match(line) or (_MENTION.search(line) and "--" in line):
            number += text.count("\n", counted, match.start())
            counted = match.start()
            yield number, line


def _with_inner(command: SimpleCommand) -> Iterator[SimpleCommand]:
    place = _shell_script(command.words)
    if place is None:
        yield command
        return
    before = command.words[: place - 2]
    for inner in commands(command.words[place], dict(command.variables), command.line):
        yield replace(inner, words=(*before, *inner.words))


def _training(source: str, script: _Script) -> Iterator[TrainingCommand]:
    before: SimpleCommand | None = None
    for command, notes in _joined(_simple_commands(source, script)):
        found = _divided(command)
        if found is not None:
            if before and _only_launches(before) and not found.launcher[:-1]:
                text = f"line {before.line}: {before.words[0]} without a program is taken as part"
                found = replace(found, launcher=before.words)
                notes = [*notes, f"{text} of the command after it"]
            exported = _exported(found.launcher)
            yield replace(
                found,
                slots=script.slots,
                variables={**command.variables, **exported},
                notes=tuple(notes),
            )
        before = command


def _joined(found: Iterable[SimpleCommand]) -> list[tuple[SimpleCommand, list[str]]]:
    """The commands, each with the flags of lines that a missing backslash cut off."""
    groups: list[list[SimpleCommand]] = []
    for command in found:
        if groups and re.match(r"--?[A-Za-z]", command.words[0]):
            groups[-1].append(command)
        else:
            groups.append([command])
    joined = []
    for group in groups:
        words = tuple(itertools.chain.from_iterable(command.words for command in group))
        lines = [command.line for command in group[1:]]
        notes = [f"line {n}: taken as part of the line before, which has no \\" for n in lines]
        joined.append((replace(group[0], words=words), notes))
    return joined


def _divided(command: SimpleCommand) -> TrainingCommand | None:
    """The launcher, the program and its arguments; None for another command."""
    for place, word in enumerate(command.words):
        match = _PROGRAM.fullmatch(word)
        before = command.words[:place] if match else ()
        if match and (not before or _PYTHON.fullmatch(before[-1]) or _launches(before)):
            return TrainingCommand(
                program=match[1],
                arguments=command.words[place + 1 :],
                launcher=before,
                line=command.line,
            )
    return None


def _launches(words: Sequence[str]) -> bool:
    return any(PurePosixPath(word).name in (*_MPI, *_TORCH, _SPAWN) for word in words)


def _only_launches(command: SimpleCommand) -> bool:
    return PurePosixPath(command.words[0]).name in _MPI and command.words[-1].startswith("-")


def _exported(launcher: Sequence[str]) -> dict[str, str]:
    """The variables that `mpirun -x NAME=VALUE` defines."""
    pairs = itertools.pairwise(launcher)
    given = [value.partition("=") for word, value in pairs if word == "-x"]
    return {name: value for name, equals, value in given if equals}
