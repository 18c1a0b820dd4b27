"""Evaluates the parser functions of wikitext that need neither clock nor database."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

# A longer expression is no part of a sentence.
_LONGEST = 300
_TOKENS = re.compile(
    r"\s*(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+|<>|!=|<=|>=|[-+*/^()=<>−×÷]|"
    r"mod|div|round|and|or|not|abs|floor|ceil|trunc|sqrt|pi|e)",
    re.IGNORECASE,
)
_DEPTH = 20


class ExpressionError(ValueError):
    """An expression that cannot be evaluated."""


def function(name: str, rest: Sequence[str]) -> str | None:
    """The words of `{{name|rest}}` if it calls a parser function.

    Args:
        name: what stands before the first bar, such as `#if: yes`.
        rest: what stands between the bars after it.

    Returns:
        The words, often none; None where the name is not one of a parser function.
    """
    key, colon, first = name.strip().partition(":")
    key = key.strip().lower()
    if not colon:
        return None
    found = _FUNCTIONS.get(_LOCAL.get(key, key))
    if found is None:
        return "" if key.startswith("#") else None
    return found([first.strip(), *(value.strip() for value in rest)])


def expression(text: str) -> str:
    """The value of an expression of #expr; empty where it has none.

    A number of any size costs no more than a float.
    """
    try:
        value = _Reader(text).value()
    except (ExpressionError, ArithmeticError, ValueError):
        return ""
    if value != value or value in (float("inf"), float("-inf")):
        return ""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.14g}"


# Operators of two values by precedence, the weakest first, and those of one.
_LEVELS: tuple[dict[str, Callable[[float, float], float]], ...] = (
    {"or": lambda a, b: float(bool(a) or bool(b))},
    {"and": lambda a, b: float(bool(a) and bool(b))},
    {
        "=": lambda a, b: float(a == b),
        "<>": lambda a, b: float(a != b),
        "!=": lambda a, b: float(a != b),
        "<": lambda a, b: float(a < b),
        ">": lambda a, b: float(a > b),
        "<=": lambda a, b: float(a <= b),
        ">=": lambda a, b: float(a >= b),
    },
    {"round": lambda a, b: round(a, max(-15, min(15, int(b))))},
    {"+": operator.add, "-": operator.sub, "−": operator.sub},
    {
        "*": operator.mul,
        "×": operator.mul,
        "/": operator.truediv,
        "div": operator.truediv,
        "÷": operator.truediv,
        "mod": lambda a, b: float(int(a) % int(b)),
    },
    {"^": lambda a, b: _power(a, b)},
)
_UNARY: dict[str, Callable[[float], float]] = {
    "-": operator.neg,
    "−": operator.neg,
    "+": operator.pos,
    "not": lambda a: float(not a),
    "abs": abs,
    "floor": lambda a: float(a // 1),
    "ceil": lambda a: float(-(-a // 1)),
    "trunc": lambda a: float(int(a)),
    "sqrt": lambda a: _power(a, 0.5),
}


class _Reader:
    """Evaluates by precedence: or, and, comparisons, round, + -, * / mod, ^, signs."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise ExpressionError("too long")
        self._tokens = []
        place = 0
        while text[place:].strip():
            found = _TOKENS.match(text, place)
            if found is None:
                raise ExpressionError(f"what is {text[place:]!r}?")
            self._tokens.append(found[1].lower())
            place = found.end()
        self._tokens.reverse()
        self._depth = 0

    def value(self) -> float:
        result = self._level(0)
        if self._tokens:
            raise ExpressionError("more than an expression")
        return result

    def _level(self, level: int) -> float:
        if level == len(_LEVELS):
            return self._operand()
        operators = _LEVELS[level]
        left = self._level(level + 1)
        while self._tokens and self._tokens[-1] in operators:
            operation = operators[self._tokens.pop()]
            left = operation(left, self._level(level + 1))
        return left

    def _operand(self) -> float:
        if not self._tokens:
            raise ExpressionError("ends early")
        token = self._tokens.pop()
        self._depth += 1
        if self._depth > _DEPTH:
            raise ExpressionError("too deep")
        try:
            if token == "(":
                result = self._level(0)
                if not self._tokens or self._tokens.pop() != ")":
                    raise ExpressionError("a bracket is missing")
                return result
            if token in _UNARY:
                return _UNARY[token](self._operand())
        finally:
            self._depth -= 1
        return {"pi": 3.141592653589793, "e": 2.718281828459045}.get(token) or float(token)


def _power(base: float, exponent: float) -> float:
    result = float(base) ** exponent
    if isinstance(result, complex):
        raise ExpressionError("not a real number")
    return float(result)


def _at(values: Sequence[str], place: int) -> str:
    return values[place] if len(values) > place else ""


def _value(text: str) -> float | str:
    """What a text is compared by: the number that it is, or itself."""
    try:
        return float(text)
    except ValueError:
        return text


def _if(values: Sequence[str]) -> str:
    return _at(values, 1 if values[0] else 2)


def _ifeq(values: Sequence[str]) -> str:
    return _at(values, 2 if _value(values[0]) == _value(_at(values, 1)) else 3)


def _ifexpr(values: Sequence[str]) -> str:
    return _at(values, 1 if expression(values[0]) not in ("", "0") else 2)


def _switch(values: Sequence[str]) -> str:
    wanted, otherwise, matched = _value(values[0]), "", False
    for place, case in enumerate(values[1:], start=2):
        name, equals, result = case.partition("=")
        if not equals:
            # A case without a value has that of the next one; the last one is the default.
            if place == len(values):
                return case.strip()
            matched = matched or wanted == _value(case.strip())
            continue
        name = name.strip()
        if matched or (name != "#default" and wanted == _value(name)):
            return result.strip()
        if name == "#default":
            otherwise = result.strip()
    return otherwise


def _tag(values: Sequence[str]) -> str:
    name = values[0].lower()
    if name in ("sub", "sup", "small", "big", "nowiki", "span", "i", "b", "poem", "blockquote"):
        return _at(values, 1)
    return ""


def _padded(left: bool) -> Callable[[Sequence[str]], str]:
    def pad(values: Sequence[str]) -> str:
        digits = _at(values, 1).lstrip("0")
        width = int(digits[:4]) if digits.isdecimal() else 0
        sign = (_at(values, 2) or "0")[0]
        width = min(width, 500)
        return values[0].rjust(width, sign) if left else values[0].ljust(width, sign)

    return pad


def _plural(values: Sequence[str]) -> str:
    return _at(values, 1) if values[0] in ("1", "-1") else _at(values, 2) or _at(values, 1)


def _first(values: Sequence[str]) -> str:
    return values[0]


_FUNCTIONS: dict[str, Callable[[Sequence[str]], str]] = {
    "#if": _if,
    "#ifeq": _ifeq,
    "#ifexpr": _ifexpr,
    "#iferror": lambda values: _at(values, 2) or values[0],
    # Nearly all pages that are asked for do exist.
    "#ifexist": lambda values: _at(values, 1),
    "#switch": _switch,
    "#expr": lambda values: expression(values[0]),
    "#tag": _tag,
    "#formatdate": _first,
    "#dateformat": _first,
    "#len": lambda values: str(len(values[0])),
    "formatnum": _first,
    "lc": lambda values: values[0].lower(),
    "uc": lambda values: values[0].upper(),
    "lcfirst": lambda values: values[0][:1].lower() + values[0][1:],
    "ucfirst": lambda values: values[0][:1].upper() + values[0][1:],
    "padleft": _padded(left=True),
    "padright": _padded(left=False),
    "plural": _plural,
    "gender": lambda values: _at(values, 3) or _at(values, 1),
    "grammar": lambda values: _at(values, 1),
    "defaultsort": lambda values: "",
    "displaytitle": lambda values: "",
    "urlencode": lambda values: "",
}
# The names that some wikis give them.
_LOCAL = {
    "zahlenformat": "formatnum",
    "zahl_formatieren": "formatnum",
    "форматчисла": "formatnum",
    "formatonum": "formatnum",
    "númerodeformato": "formatnum",
    "#wenn": "#if",
    "#wenngleich": "#ifeq",
    "#wennausdruck": "#ifexpr",
    "#wechsle": "#switch",
    "#ausdruck": "#expr",
    "#si": "#if",
    "#sieq": "#ifeq",
    "#se": "#if",
    "#als": "#if",
    "#alsgelijk": "#ifeq",
    "#schakelen": "#switch",
    "#expressie": "#expr",
    "#om": "#if",
    "#omlika": "#ifeq",
    "#если": "#if",
    "#еслиравно": "#ifeq",
    "#переключатель": "#switch",
    "#выражение": "#expr",
    "#jeżeli": "#if",
    "#jeśli": "#if",
    "sortierung": "defaultsort",
    "clasifica": "defaultsort",
    "ordenar": "defaultsort",
    "cledetri": "defaultsort",
    "clefdetri": "defaultsort",
}
