"""Tells what programs write for programs, such as logs, keys and dumps of tables, from prose.

Every kind has a beginning, which is looked for first: prose ends there, within its first words.
Where prose could begin so too, most lines of the beginning of the file must be of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_TEXT_OF_IT = "take its text out first"
_DECODE = "decode it first"
_EXPORT = "export a table to CSV"
_HEX = "binary data in hexadecimal digits"
_LOOKED_AT = 1 << 14
_LINES = 200
_MANY_ROWS = 8
_MOST = 0.8  # of the lines are of a kind; messages of logs go on in further lines
_TIME = rb"\d\d:\d\d:\d\d"
_SQL = (
    rb"(?:CREATE\s+(?:DATABASE|SCHEMA|(?:TEMP\w*\s+)?TABLE)\s|DROP\s+(?:TABLE|DATABASE)\s|"
    rb"INSERT\s+INTO\s|LOCK\s+TABLES\s|PRAGMA\s+\w+\s*=|BEGIN(?:\s+TRANSACTION)?\s*;|"
    rb"SET\s+[@\w.]+\s*=[^\n]*;|USE\s+[`\"\w]+\s*;)"
)
_ROWS = re.compile(
    rb"(?i)INSERT\s+INTO\s[^\n]*\bVALUES\b|[ \t]*\([^\n]*\)[,;]\s*$|COPY\s[^\n]+FROM stdin;"
)


class _Kind(NamedTuple):
    """A kind of such text.

    Attributes:
        begins: its beginning.
        what, hint: its name, and what to do.
        proves: what else the beginning of the file must show; None where nothing.
    """

    begins: bytes
    what: str
    hint: str = _TEXT_OF_IT
    proves: Callable[[bytes], bool] | None = None


def _most_lines(pattern: bytes, least: int = 3) -> Callable[[bytes], bool]:
    """Whether most lines begin so, and there are at least so many of them."""
    line_of = re.compile(pattern)

    def proves(head: bytes) -> bool:
        lines = [line for line in head.split(b"\n", _LINES)[:_LINES] if line.strip()]
        count = sum(line_of.match(line) is not None for line in lines)
        return count >= least and count >= _MOST * len(lines)

    return proves


def _is_base64(head: bytes) -> bool:
    """Whether it is long lines of letters of both cases and digits, as base64 mixes them."""
    lines = head.split()
    body = b"".join(lines).rstrip(b"=")
    if len(body) < 100 or len(body) < 40 * len(lines) or re.search(rb"[^A-Za-z0-9+/_-]", body):
        return False
    kinds = (rb"[A-Z]", rb"[a-z]", rb"[0-9]")
    return all(20 * len(re.findall(kind, body)) >= len(body) for kind in kinds)


def _is_hex(head: bytes) -> bool:
    digits = len(re.findall(rb"[0-9]", head))
    letters = len(re.findall(rb"[a-fA-F]", head))
    return (
        digits + letters >= 100
        and 8 * min(digits, letters) >= digits + letters
        and not head.translate(None, b"0123456789abcdefABCDEF:, \t\r\n")
    )


def _holds_rows(head: bytes) -> bool:
    """Whether most of it is rows: a program in SQL has a few at the most."""
    lines = [line for line in head.split(b"\n") if not line.startswith(b"--")]
    rows = [line for line in lines if _ROWS.match(line)]
    count = len(rows) + sum(line.count(b"),(") for line in rows)
    return count >= _MANY_ROWS and 2 * sum(map(len, rows)) >= sum(map(len, lines))


def _are_settings(head: bytes) -> bool:
    """Whether all lines are sections, comments or keys with a value."""
    lines = [line for line in head.split(b"\n") if line.strip()]
    keys = sum(_SETTING.match(line) is not None for line in lines)
    return keys >= 2 and all(_SETTING.match(line) or _SECTION.match(line) for line in lines)


_SETTING = re.compile(rb"[ \t]*[\w.\"-]+[ \t]*=")
_SECTION = re.compile(rb"[ \t]*(?:\[{1,2}[\w.: \"'/-]+\]{1,2}[ \t]*$|[#;])")
_ACCESS = (
    rb"(?:[\w.:-]{1,255} )?[\w.:-]{1,255} [^\s]{1,64} [^\s\[]{1,64} "
    rb"\[\d\d/[A-Z][a-z]{2}/\d{4}[: ]" + _TIME + rb"(?: [+-]\d{4})?\] \""
)
_SYSLOG = (
    rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d " + _TIME + rb"|\d{4}-\d\d-\d\dT" + _TIME + rb"\S*)"
    rb" [\w.:-]+ [\w./()@-]+(?:\[\d+\])?: "
)
_LOGGED = (
    rb"\[?\d{4}[-/]\d\d[-/]\d\d[ T]" + _TIME + rb"[^\n]{0,60}?\b"
    rb"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|SEVERE)\b"
)
_VECTOR = rb"\S{1,200}(?: -?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?){10}"
_SUM = rb"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{128}) [ *]\S"
_PATH = rb"[^\s/]*/(?:[^\s/]{0,255}/){0,30}[^\s/]{1,255}\.[A-Za-z]\w{0,8}[ \t]*(?:\n|$)"
_NAME = (
    rb"[\w.+-]{1,255}\.(?:txt|xml|jsonl?|parquet|[ct]sv|html?|gz|bz2|xz|zst|tar|zip)[ \t]*(?:\n|$)"
)
_SPARSE = rb"[-+]?\d+(?:\.\d+)?(?: \d+:-?(?:\d+(?:\.\d+)?|\.\d+)){2}"
_DUMPED = rb"(?:0x)?[0-9a-fA-F]{6,16}:?[ \t]+(?:[0-9a-fA-F]{2,4}[ \t]+){4}"
_SUBTITLE = rb"\d+\s*\n\d{1,2}:\d\d:\d\d[,.]\d{1,3} --> "
_KINDS = (
    _Kind(rb"-----BEGIN (?!PGP SIGNED)[A-Z0-9 ]+-----\n", "a key or certificate (PEM)"),
    _Kind(rb"Certificate:\n +Data:\n", "a key or certificate (PEM)"),
    _Kind(rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+) AAAA", "a key or certificate (SSH)"),
    _Kind(_ACCESS, "a web server's log", proves=_most_lines(_ACCESS, least=1)),
    _Kind(rb"#(?:Software|Version): [^\n]+\n(?:#[^\n]*\n)*#Fields: ", "a web server's log"),
    _Kind(_SYSLOG, "a log of a system", proves=_most_lines(_SYSLOG)),
    _Kind(_LOGGED, "a program's log", proves=_most_lines(_LOGGED)),
    _Kind(rb"data:[\w.+-]+/[\w.+-]+;base64,", "binary data in base64", _DECODE),
    _Kind(rb"[A-Za-z0-9+/_-]{40}", "binary data in base64", _DECODE, _is_base64),
    _Kind(rb"[0-9a-fA-F]{2}(?:[ \t:,\n]*[0-9a-fA-F]){30}", _HEX, _DECODE, _is_hex),
    _Kind(_DUMPED, _HEX, _DECODE, _most_lines(_DUMPED)),
    _Kind(rb"begin [0-7]{3,4} \S[^\n]*\n[M-`][ -`]{60}\n", "binary data in uuencode", _DECODE),
    _Kind(rb"/\*M?!\d{5,6}[^\n]*\*/|-- phpMyAdmin SQL Dump|PRAGMA foreign_keys=OFF;\nBEGIN",
          "an SQL dump", _EXPORT),
    _Kind(rb"(?:--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/|\s)*(?i:" + _SQL + rb")", "an SQL dump",
          _EXPORT, _holds_rows),
    _Kind(_SUBTITLE, "subtitles"),
    _Kind(rb"\[Script Info\]\s*\n", "subtitles"),
    _Kind(rb"\{\d+\}\{\d+\}", "subtitles", proves=_most_lines(rb"\{\d+\}\{\d+\}")),
    _Kind(rb"\[(?:\d\d:\d\d\.\d\d\d?|[a-z]+:[^\]\n]*)\]", "subtitles (LRC)",
          proves=_most_lines(rb"\[(?:\d\d:\d\d\.\d\d\d?\]|[a-z]+:[^\n]*\]$)")),
    _Kind(rb"(?:\d+ \d+\n)?" + _VECTOR, "vectors of words, or a table of numbers",
          "give the text that they were made from", _most_lines(_VECTOR)),
    _Kind(_SUM, "a list of checksums", proves=_most_lines(_SUM, least=1)),
    _Kind(_PATH, "a list of files", "give the files", _most_lines(_PATH, least=1)),
    _Kind(_NAME, "a list of files", "give the files", _most_lines(_NAME)),
    _Kind(_SPARSE, "a table of numbers (LIBSVM)", proves=_most_lines(_SPARSE)),
    _Kind(rb"\((?: *(?:ROOT|TOP|S1))?\s*\((?:S|SINV|SQ|SBARQ|NP|FRAG|INTJ|UCP|X)(?:-[A-Z-]+)?\s+\(",
          "a treebank (Penn)"),
    _Kind(rb"<[^<>\s]+> <[^<>\s]+> [<\"_]", "RDF (N-Triples)",
          proves=_most_lines(rb"(?:<[^<>\s]+>|_:\S+) <[^<>\s]+> .* \.\s*$|#", least=2)),
    _Kind(rb"(?:#[^\n]*\n|\s)*@prefix \S*: +<[^<>\s]*> *\.", "RDF (Turtle)"),
    _Kind(rb"(?:version: 1\n+)?dn:: ?[^\n]+\n|(?:version: 1\n+)?dn: [^\n]+\n"
          rb"(?:changetype|objectClass|[\w-]+:: ?)", "a directory (LDIF)"),
    _Kind(rb"(?:[.']\\\"[^\n]*\n)*\.(?:TH|Dd) \S", "a manual page (troff)"),
    _Kind(rb"0 HEAD\s*\n1 [A-Z]{4}", "a family tree (GEDCOM)"),
    _Kind(rb"(?:[#;][^\n]*\n|\s)*\[{1,2}[\w.:-]", "settings (INI)", proves=_are_settings),
)  # fmt: skip
_KNOWN = tuple((re.compile(kind.begins), kind) for kind in _KINDS)
_ANY = re.compile(b"|".join(b"(?:" + kind.begins + b")" for kind in _KINDS))


def machine_kind(text: bytes) -> tuple[str, str] | None:
    """(what a file is, what to do), if programs wrote it for programs; None for prose and code.

    Args:
        text: its first bytes, as UTF-8.
    """
    head = text[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()
    if len(text) > _LOOKED_AT and b"\n" in head:
        head = head[: head.rindex(b"\n") + 1]
    if b"\r" in head:
        head = head.replace(b"\r\n", b"\n")
    if not _ANY.match(head):  # nearly all text ends here
        return None
    for begins, kind in _KNOWN:
        if begins.match(head) and (kind.proves is None or kind.proves(head)):
            return kind.what, kind.hint
    return None
