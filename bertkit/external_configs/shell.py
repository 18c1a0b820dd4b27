"""Reads shell text as simple commands, with the variables that the text itself defines.

Known are quotes, comments, line continuations, assignments (also by export, declare, local and
env), `$NAME`, `${NAME:-default}` and `$((arithmetic))`. What cannot be known without running
the text, such as `$(command)` or a variable that nothing defines, stays as it is written.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_DECLARING = ("export", "declare", "typeset", "local", "readonly")
_KEYWORDS = ("if", "then", "else", "elif", "do", "while", "!", "time", "exec", "nohup", "{")
_NAME = re.compile(r"[A-Za-z_]\w*")
_BRACED = re.compile(r"\$\{([A-Za-z_]\w*)(?::?[-=]([^}]*))?\}")
# In documentation: --vocab_file=<path-to-vocab>
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w.-]*>")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_END = ";&|\n()"
_ARITHMETIC: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
}
# Nothing that a job needs expands to more; a value that doubles itself must not fill the memory.
_LONGEST = 1_000_000


@dataclass(frozen=True)
class SimpleCommand:
    """A command of the text.

    Attributes:
        words: its name and arguments, expanded.
        line: where it starts, from 1.
        variables: defined where it runs.
    """

    words: tuple[str, ...]
    line: int
    variables: Mapping[str, str] = field(default_factory=dict)


def commands(
    text: str, known: dict[str, str] | None = None, first_line: int = 1
) -> list[SimpleCommand]:
    """The simple commands of a shell text, in the order of the text.

    Args:
        text: of a script, or one line of it.
        known: variables that are defined before it starts; those that it defines are added.
        first_line: number of its first line.

    Raises:
        ValueError: a quote that does not end.
    """
    known = {} if known is None else known
    found = []
    reader = _Reader(text, known)
    for place, words in reader.commands():
        line = place + first_line - 1
        while words and words[0] in _KEYWORDS:
            words = words[1:]
        if words and words[0] in _DECLARING:
            known.update(_assigned(words[1:]))
            continue
        if words and words[0] == "unset":
            for name in words[1:]:
                known.pop(name, None)
            continue
        first = 0
        while first < len(words) and (_ASSIGNMENT.fullmatch(words[first]) or words[first] == "env"):
            first += 1
        own = _assigned(words[:first])
        if first == len(words):
            known.update(own)
        else:
            found.append(SimpleCommand(tuple(words[first:]), line, {**known, **own}))
    return found


def arithmetic(text: str, variables: Mapping[str, str]) -> int | None:
    """The value of what stands in `$((...))`; None where it is not known."""
    plain = re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda match: match[1] or match[2], text)
    try:
        return _value(ast.parse(plain.strip(), mode="eval").body, variables)
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, RecursionError):
        return None


def _value(node: ast.expr, variables: Mapping[str, str]) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return int(variables[node.id])
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        apply = _ARITHMETIC[type(node.op)]
        return apply(_value(node.left, variables), _value(node.right, variables))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, variables)
    raise ValueError(ast.dump(node))


def _assigned(words: list[str]) -> dict[str, str]:
    """The variables that words of the form NAME=VALUE define."""
    found = {}
    for word in words:
        match = _ASSIGNMENT.fullmatch(word)
        if match:
            found[match[1]] = match[2]
    return found


class _Reader:
    """Divides a text into commands and their words; `variables` may grow meanwhile."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._last_brace = text.rfind("}")
        self._variables = variables
        self._at = 0
        self._words: list[str] = []
        self._word: list[str] = []
        self._begun = False  # also an empty word in quotes is a word
        self._drop = False  # the next word is the file of a redirection

    def commands(self) -> Iterator[tuple[int, list[str]]]:
        """(line, words) of one command after the other."""
        text, line, counted = self._text, 1, 0
        while self._at < len(text):
            if not (self._words or self._begun):
                line += text.count("\n", counted, self._at)
                counted = self._at
            char = text[self._at]
            if char in _END and not text.startswith("&>", self._at):
                self._at += 1
                yield from self._end_command(line)
            else:
                self._step(char)
        yield from self._end_command(line)

    def _end_command(self, line: int) -> Iterator[tuple[int, list[str]]]:
        self._end_word()
        words, self._words, self._drop = self._words, [], False
        if words:
            yield line, words

    def _end_word(self) -> None:
        if self._begun:
            if not self._drop:
                self._words.append("".join(self._word))
            self._drop = False
        self._word, self._begun = [], False

    def _add(self, text: str) -> None:
        self._word.append(text)
        self._begun = True

    def _step(self, char: str) -> None:
        text = self._text
        if text.startswith("\\\n", self._at):
            self._at += 2
        elif char in " \t\r":
            self._at += 1
            self._end_word()
        elif char == "#" and not self._begun:
            end = text.find("\n", self._at)
            self._at = len(text) if end < 0 else end
        elif char == "\\":
            self._add(text[self._at + 1 : self._at + 2])
            self._at += 2
        elif char == "'":
            self._add(self._until("'"))
        elif char == '"':
            self._double_quoted()
        elif char in "<>" or text.startswith("&>", self._at):
            self._redirection()
        elif char in "$`":
            self._unquoted_expansion()
        else:
            self._add(char)
            self._at += 1

    def _until(self, quote: str) -> str:
        """What stands between the quote here and the next one."""
        end = self._text.find(quote, self._at + 1)
        if end < 0:
            line = self._text.count("\n", 0, self._at) + 1
            raise ValueError(f"line {line}: the quote {quote} does not end")
        inside, self._at = self._text[self._at + 1 : end], end + 1
        return inside

    def _double_quoted(self) -> None:
        start = self._at
        self._add("")
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ('"', "\\", "$", "`"):
                self._add(self._text[self._at + 1])
                self._at += 2
            elif self._text.startswith("\\\n", self._at):
                self._at += 2
            elif char in "$`":
                self._add(self._expansion()[0])
            else:
                self._add(char)
                self._at += 1
        self._at = start
        self._until('"')

    def _unquoted_expansion(self) -> None:
        """Put a value into the word; its blanks divide words, except in an assignment."""
        value, known = self._expansion()
        divided = known and re.search(r"\s", value) and not re.search(r"\$\(|`", value)
        declares = not self._words or self._words[0] in _DECLARING
        if not divided or (declares and _ASSIGNMENT.fullmatch("".join(self._word))):
            if value:
                self._add(value)
            return
        first, *others = re.split(r"\s+", value)
        if first:
            self._add(first)
        for piece in others:
            self._end_word()
            if piece:
                self._add(piece)

    def _expansion(self) -> tuple[str, bool]:
        """(value of the expansion here, whether it is known); the text itself where it is not."""
        text, start = self._text, self._at
        braced = _BRACED.match(text, start) if start < self._last_brace else None
        name = _NAME.match(text, start + 1)
        if text[start] == "`":
            return f"`{self._until('`')}`", False
        if text.startswith("$((", start):
            self._skip_brackets(start + 1)
            value = arithmetic(text[start + 3 : self._at - 2], self._variables)
            return (text[start : self._at], False) if value is None else (str(value), True)
        if text.startswith("$(", start):
            self._skip_brackets(start + 1)
            return text[start : self._at], False
        if braced:
            self._at = braced.end()
            return self._variable(braced[1], braced[0], braced[2])
        if name:
            self._at = name.end()
            return self._variable(name[0], text[start : name.end()], None)
        self._at += 1
        return text[start], False

    def _variable(self, name: str, written: str, default: str | None) -> tuple[str, bool]:
        value = self._variables.get(name)
        if not value and default is not None:
            value = _expanded(default, self._variables)
        if value is None or len(value) > _LONGEST:
            return written, False
        return value, True

    def _skip_brackets(self, start: int) -> None:
        """Move behind the bracket that closes the one at `start`."""
        depth = 0
        self._at = start
        while self._at < len(self._text):
            depth += {"(": 1, ")": -1}.get(self._text[self._at], 0)
            self._at += 1
            if depth == 0:
                return

    def _redirection(self) -> None:
        placeholder = _PLACEHOLDER.match(self._text, self._at)
        heredoc = _HEREDOC.match(self._text, self._at)
        if placeholder:
            self._add(placeholder[0])
            self._at = placeholder.end()
            return
        if "".join(self._word).isdigit():  # 2>
            self._word, self._begun = [], False
        self._end_word()
        if heredoc:
            end = re.compile(rf"^[^\S\n]*{re.escape(heredoc[2])}$", re.MULTILINE)
            line = self._text.find("\n", heredoc.end())
            last = end.search(self._text, line + 1) if line >= 0 else None
            self._at = last.end() if last else len(self._text)
            return
        while self._text[self._at : self._at + 1] and self._text[self._at] in "<>&":
            self._at += 1
        self._drop = True


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """A text with the variables in it replaced, those that are known."""

    def value(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2], match[0])

    return re.sub(r"\$\{(\w+)\}|\$(\w+)", value, text)
