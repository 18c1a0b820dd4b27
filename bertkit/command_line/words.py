"""Takes flags as other programs do: `--flag=True`, several values, underscores for hyphens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
# What stands between the parts of a value: such a value is told from a word without it.
_BETWEEN = "=:"

FLAG, VALUE, WORD, REST = "flag", "value", "word", "rest"


def hyphens(name: str) -> str:
    """`--max_seq_length` as `--max-seq-length`."""
    return name.replace("_", "-")


def plain_flags(command: click.Command, words: Sequence[str]) -> list[str]:
    """`--do_lower_case=True` as `--do-lower-case`, and `=False` as the flag that says no.

    `--do_lower_case True` is the same, in commands that take no words beside options.
    """
    answers = TRUE + FALSE
    alone = not any(isinstance(item, click.Argument) for item in command.params)
    plain: list[str] = []
    flag: click.Option | None = None
    for kind, word, option in _parts(command, words):
        name, equals, value = word.partition("=")
        if kind == FLAG and option and _is_boolean(option):
            if equals and value.lower() in answers:
                plain += _said(option, name, value.lower() in TRUE)
                flag = None
                continue
            flag = None if equals else option
        elif kind == WORD and alone and flag and word.lower() in ("true", "false"):
            plain += _said(flag, plain.pop(), word.lower() in TRUE)
            flag = None
            continue
        else:
            flag = None
        plain.append(word)
    return plain


def _is_boolean(option: click.Option) -> bool:
    return option.count or (option.is_flag and option.is_bool_flag)


def _said(option: click.Option, name: str, value: bool) -> list[str]:
    """The flag that says what `name=value` does; nothing where there is none, as of -v."""
    if value:
        return [name]
    names = option.secondary_opts if hyphens(name) in option.opts else option.opts
    return names[:1]


def repeat_flags(command: click.Command, words: Sequence[str]) -> list[str]:
    """`--input a b` as `--input a --input b`, so that unquoted globs work.

    Words that the command takes beside its options are left to it: `download --file a NAME`
    asks for the file a of NAME.
    """
    parts = list(_parts(command, words))
    taken = _left_to_the_command(command, parts)
    spread: list[str] = []
    flag, several = "", None
    for number, (kind, word, option) in enumerate(parts):
        if kind == FLAG:
            flag, several = word, option if option and option.multiple else None
        elif kind == WORD and several and "=" not in flag and number not in taken:
            spread.append(flag)
        spread.append(word)
    return spread


def _left_to_the_command(
    command: click.Command, parts: Sequence[tuple[str, str, click.Option | None]]
) -> set[int]:
    """Numbers of the words behind values of repeatable flags that are arguments of the command.

    A command that takes any number of words takes them all, but for those that look like the
    flag's values (`--env A=1 B=2`); one that takes a few takes the last ones that it lacks.
    """
    arguments = [item for item in command.params if isinstance(item, click.Argument)]
    if not arguments:
        return set()
    behind: list[int] = []
    plain = 0
    flag, several = "", None
    for number, (kind, word, option) in enumerate(parts):
        if kind == FLAG:
            flag, several = word, option if option and option.multiple else None
        elif kind == WORD and several and "=" not in flag:
            if not _looks_like(word, several):
                behind.append(number)
        elif kind == WORD:
            plain += 1
    if any(item.nargs < 0 for item in arguments):
        return set(behind)
    lacking = max(0, sum(item.nargs for item in arguments) - plain)
    return set(behind[len(behind) - lacking :]) if lacking else set()


def _looks_like(word: str, option: click.Option) -> bool:
    """Whether a word has the sign that the option's values have, and may be one of them."""
    return any(sign in (option.metavar or "") and sign in word for sign in _BETWEEN)


def _parts(
    command: click.Command, words: Sequence[str]
) -> Iterator[tuple[str, str, click.Option | None]]:
    """(kind, word, the option that it names or gives a value to) of every word."""
    options = {
        name: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    waiting: click.Option | None = None
    for number, word in enumerate(words):
        if word == "--":
            yield from ((REST, rest, None) for rest in words[number:])
            return
        if waiting is not None and (not word.startswith("-") or word == "-" or _must(waiting)):
            yield VALUE, word, waiting
            waiting = None
        elif word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            option = options.get(hyphens(name))
            takes = option is not None and not (option.is_flag or option.count or equals)
            waiting = option if takes else None
            yield FLAG, word, option
        else:
            yield WORD, word, None


def _must(option: click.Option) -> bool:
    """Whether the next word is the option's value whatever it is."""
    return not getattr(option, "_flag_needs_value", False)


def given_twice(command: click.Command, words: Sequence[str]) -> list[tuple[str, str, str]]:
    """(flag, a value that does not count, the one that does) of options that take one value."""
    given: dict[str, tuple[str, list[str]]] = {}
    for kind, word, option in _parts(command, words):
        if option is None or option.multiple or option.is_flag or option.count:
            continue
        _, equals, value = word.partition("=")
        flag = max(option.opts, key=len)
        if kind == VALUE:
            given.setdefault(option.name or "", (flag, []))[1].append(word)
        elif kind == FLAG and equals:
            given.setdefault(option.name or "", (flag, []))[1].append(value)
    return [
        (flag, next(value for value in reversed(values) if value != values[-1]), values[-1])
        for flag, values in given.values()
        if len(set(values)) > 1
    ]


def last_repeatable(command: click.Command, words: Sequence[str]) -> click.Option | None:
    """The repeatable option whose values the words end with; None where there is none."""
    found: click.Option | None = None
    for kind, _, option in _parts(command, words):
        if kind == FLAG:
            found = None
        elif kind == VALUE:
            found = option if option and option.multiple else None
        elif kind == REST:
            found = None
    return found
