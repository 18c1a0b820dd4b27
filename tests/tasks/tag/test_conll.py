"""CoNLL files of many kinds: what is a word, and that the lines come back with one more column."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError, DataError
from bertkit.tasks.tag.conll import read_conll
from bertkit.tasks.tag.sentence import Columns


def read(text, words=None, tags=None, tagged=True):
    return read_conll("f", text, Columns(words, tags), tagged)


def tagged(file):
    """(words, tags) of each sentence."""
    return [(" ".join(one.words), " ".join(one.tags or ())) for one in file.sentences]


def predicted(file):
    return file.with_tags([[f"P{n}" for n in one.lines] for one in file.sentences])


CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
. . O O

-DOCSTART- -X- -X- O
Peter NNP B-NP B-PER
"""
GERMEVAL = """#\thttp://de.wikipedia.org/wiki/M\t[2009-10-17]
1\tIn\tO\tO
2\tKönigsberg\tB-LOC\tO

#\thttp://de.wikipedia.org/wiki/N\t[2009-10-17]
1\tBayern\tB-ORG\tB-LOC
"""
UNIVERSAL = """# sent_id = 1
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_
1\tVamos\tir\tVERB\t_
2\tnos\tnosotros\tPRON\t_
3\ta\ta\tADP\t_
3.1\te\te\t_\t_
4\tmar\tmar\tNOUN\tSpaceAfter=No

"""


def test_conll_2003_has_four_columns_and_lines_between_documents():
    file = read(CONLL_2003)
    assert tagged(file) == [("EU rejects .", "B-ORG O O"), ("Peter", "B-PER")]
    assert file.sentences[1].place(0) == "f:8"
    assert tagged(read(CONLL_2003, tags="3"))[0][1] == "B-NP B-VP O"
    assert tagged(read(CONLL_2003, words="2", tags="-4"))[0] == ("NNP VBZ .", "EU rejects .")
    lines = predicted(file).split("\n")
    assert lines[:4] == [
        "-DOCSTART- -X- -X- O O",
        "",
        "EU NNP B-NP B-ORG P3",
        "rejects VBZ B-VP O P4",
    ]
    assert [line.rpartition(" ")[0] for line in lines] == [
        line if line else "" for line in CONLL_2003.split("\n")
    ]


def test_germeval_numbers_its_words_and_has_comments():
    file = read(GERMEVAL, tags="3")
    assert tagged(file) == [("In Königsberg", "O B-LOC"), ("Bayern", "B-ORG")]
    assert predicted(file).splitlines()[:3] == [
        "#\thttp://de.wikipedia.org/wiki/M\t[2009-10-17]",
        "1\tIn\tO\tO\tP2",
        "2\tKönigsberg\tB-LOC\tO\tP3",
    ]
    assert tagged(read(GERMEVAL))[1] == ("Bayern", "B-LOC")  # the last column


@pytest.mark.parametrize("words", [None, "2"])
def test_universal_dependencies_have_lines_that_are_no_words(words):
    file = read(UNIVERSAL, words=words, tags="4")
    assert tagged(file) == [("Vamos nos a mar", "VERB PRON ADP NOUN")]
    lines = predicted(file).splitlines()
    assert lines[1:4] == [
        "# text = Vámonos al mar",
        "1-2\tVámonos\t_\t_\t_\t_",
        "1\tVamos\tir\tVERB\t_\tP4",
    ]
    assert lines[6] == "3.1\te\te\t_\t_\t_"


def test_the_last_column_of_universal_dependencies_is_not_learnt_unasked():
    line = (
        "1\tOra\tora\tADV\tB\t_\t0\troot\t_\tSpaceAfter=No\n2\t!\t!\tPUNCT\tP\t_\t1\tpunct\t_\t_\n"
    )
    with pytest.raises(DataError, match="looks like CoNLL-U") as error:
        read(line)
    assert "--tag-column 4" in error.value.hint
    assert tagged(read(line, tags="-1")) == [("Ora !", "SpaceAfter=No _")]
    assert tagged(read(line, tags="4")) == [("Ora !", "ADV PUNCT")]


def test_tweets_have_words_that_begin_with_a_hash_empty_ones_and_ones_with_spaces():
    text = "#\tO\r\n#topic\tB-x\r\n\t\r\n\tO\r\nNew York\tB-loc\r\n \r\n# a comment\r\na\u00a0b\tO"
    file = read(text)
    assert [(one.words, one.tags) for one in file.sentences] == [
        (["#", "#topic"], ["O", "B-x"]),
        (["", "New York"], ["O", "B-loc"]),
        (["a\u00a0b"], ["O"]),
    ]
    assert predicted(file) == (
        "#\tO\tP1\r\n#topic\tB-x\tP2\r\n\t\r\n\tO\tP4\r\nNew York\tB-loc\tP5\r\n \r\n"
        "# a comment\r\na\u00a0b\tO\tP8"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a O\nb B-x\n", "a b"),
        ("a  x   O\nbb y\tB-x\n", "a bb"),  # aligned, and a tab among spaces
        ("a x\tO\nb y\tB-x\n", "a b"),
        ("\ufeffa\tO\rb\tO\r", "a b"),  # line ends of old, and a mark at the begin
        ("a\tO\t\nb\tO\t\n", "a b"),
        ("a O \nb O\t\n", "a b"),
        ("#begin document (x); part 0\na O\nb O\n\n#end document\n", "a b"),
        ("# id\na O\nb O\n", "a b"),
        ("a O\u2028\nb O\n", "a b"),
        ("a O\n# one more remark\nb O\n", "a b"),
    ],
)
def test_columns_are_told_by_tabs_or_spaces(text, wanted):
    file = read(text)
    assert [" ".join(one.words) for one in file.sentences] == [wanted]
    added = predicted(file)
    assert [line.partition("P")[0].rstrip() for line in added.splitlines() if "P" in line]
    again = read(added)
    assert [one.words for one in again.sentences] == [one.words for one in file.sentences]
    assert all(tag.startswith("P") for one in again.sentences for tag in one.tags)


def test_words_alone_are_enough_to_predict():
    file = read("a\n#b\n\nc", tagged=False)
    assert [one.words for one in file.sentences] == [["a", "#b"], ["c"]]
    assert predicted(file) == "a P1\n#b P2\n\nc P4"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a O\nb\nc O\n", "f:2: 1 column where most lines have 2"),
        ("a O\nb x O\nc O\n", "f:2: 3 columns where most lines have 2"),
        ("a\tO\nb O\nNew York\tO\n", "f:2: 1 column where most lines have 2"),
        ("a O\n#topic\nb O\n", "f:2: 1 column"),
        ("#topic\na O\nb O\n", "f:1: 1 column"),
        ("a\tO\n#\nb\tO\n", "f:2: 1 column"),
        ("a\tO\n# O\nb\tO\n", "f:2: 1 column"),
        ("a\tO\nb\t\nc\tO\n", "f:2: the tag is empty"),
        ("a\nb\n", "f: has no column of tags"),
        ("\n\n# nothing\n", "f: holds no word"),
        ("\tO\n\tO\n", "f: holds no word"),
        ("", "f: holds no word"),
    ],
)
def test_bad_lines_are_told_with_their_place(text, said):
    with pytest.raises(DataError) as error:
        read(text)
    assert error.value.message.startswith(said)
    assert error.value.hint


@pytest.mark.parametrize("column", ["3", "0", "-3", "words"])
def test_a_column_that_is_not_there_is_told(column):
    with pytest.raises(ConfigError, match=f"--tag-column {column} is no column of f, which has 2"):
        read("a O\n", tags=column)


def test_all_of_wnut17_is_read_and_comes_back(shared):
    counts = {}
    for name in ("wnut17train.conll", "emerging.dev.conll", "submission_uh_ritual.conll"):
        text = (shared / "data/tasks/wnut17" / name).read_bytes().decode()
        file = read(text)
        counts[name] = len(file.sentences), sum(len(one.words) for one in file.sentences)
        added = file.with_tags([["#P"] * len(one.words) for one in file.sentences])
        assert added.replace("\t#P", "") == text
        assert added.count("\t#P") == counts[name][1]
    assert counts == {
        "wnut17train.conll": (3394, 62730),
        "emerging.dev.conll": (1009, 15733),
        "submission_uh_ritual.conll": (1287, 23394),
    }
