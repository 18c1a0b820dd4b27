"""Shell text as commands: expected words are those that bash itself passes on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bertkit.external_configs.shell import arithmetic, commands

# Every line prints its arguments; bash says what they are.
SCRIPT = r"""
declare -xr NUM_NODES=4;
declare -x CARDS=$((NUM_NODES*${PER_NODE})) NAME='a b';
export EMPTY="" OTHER=${MISSING:-other} FLAGS="--one \
   --two=$NAME"  # a comment
show -np ${CARDS} "$NAME" $NAME it\'s "a \"b\" \$NAME" 'c $NAME'
show $FLAGS "$EMPTY" ${EMPTY} ${OTHER}-x $((CARDS / 3 % 4)) > /dev/stdout; show one && show two
LOCAL=5 show "#no comment" a#b # comment
unset NAME; if true; then show "[${NAME-none}]"; fi
show three \
  four 2>&1 | cat
cat <<'END' > /dev/null
show not this
END
show five
"""


def test_words_are_those_of_bash(tmp_path):
    show = tmp_path / "show"
    show.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    show.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", SCRIPT], env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PER_NODE": "8"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = [json.loads(line) for line in done.stdout.splitlines()]
    found = [item for item in commands(SCRIPT, {"PER_NODE": "8"}) if item.words[0] == "show"]
    assert [list(item.words[1:]) for item in found] == expected
    assert len(expected) == 8 and expected[0][:2] == ["-np", "32"]


def test_what_only_running_can_tell_stays_as_it_is_written():
    (item,) = commands('run $(head -n 1 f) `date` $NOT_SET "${NOT} b" <path-to-vocab> ${A%b}')
    assert item.words == (
        "run", "$(head -n 1 f)", "`date`", "$NOT_SET", "${NOT} b", "<path-to-vocab>", "${A%b}",
    )  # fmt: skip


def test_a_quote_that_does_not_end_is_named():
    with pytest.raises(ValueError, match='line 2: the quote " does not end'):
        commands('run a\nrun "b')


def test_commands_know_their_line_and_their_variables():
    first, second = commands("\nA=1\nrun $A\nB=2 run $A$B\n")
    assert (first.line, first.words, dict(first.variables)) == (3, ("run", "1"), {"A": "1"})
    assert (second.line, dict(second.variables)) == (4, {"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("2*$A", 6), ("(${A}+1)*2", 8), ("7/2", 3), ("-1+B", None), ("1/0", None), ("a b", None),
     ("__import__('os')", None), ("2**99", None)],
)  # fmt: skip
def test_arithmetic(text, value):
    assert arithmetic(text, {"A": "3"}) == value


@pytest.mark.parametrize(
    "text",
    ["\n" * 300_000, "${a=" * 60_000, "a <<E\n" + " \n" * 300_000, "A=" + "$b" * 100_000],
)
def test_long_scripts_take_no_longer_than_their_length(text):
    """To count the lines before each place, or look for its end, would take minutes."""
    assert len(commands(text, {})) <= 1
