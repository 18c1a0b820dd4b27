"""Structured text is refused by name; prose that looks a little like it is not."""

from __future__ import annotations

import email.message
import io
import mailbox

import pytest
import yaml

from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.structured import structured_kind
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError

TREE = {"model": {"layers": 2, "names": ["a", "b"]}, "text": "Cats sleep.", "data": {"path": "x"}}
CONLLU = (
    "# sent_id = 1\n# text = Dogs bark\n1\tDogs\tdog\tNOUN\t_\t_\t2\tnsubj\t_\t_\n"
    "2\tbark\tbark\tVERB\t_\t_\t0\troot\t_\t_\n\n"
)


def mail() -> email.message.EmailMessage:
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.org", "c@d.org", "Cats"
    message.set_content("Cats sleep a lot.\n")
    return message


def mailbox_of(folder) -> str:
    box = mailbox.mbox(folder / "box")
    box.add(mail())
    box.close()
    return (folder / "box").read_text()


KINDS = {
    "YAML": [
        yaml.safe_dump(TREE),
        yaml.safe_dump(TREE, explicit_start=True),
        "# settings\n" + yaml.safe_dump(TREE),
        "%YAML 1.2\n---\na: 1\n",
        yaml.safe_dump([{"name": "a", "legs": 4}, {"name": "b", "legs": 2}], sort_keys=False),
        yaml.safe_dump_all([{"a": 1}, {"b": 2}], explicit_start=True),
    ],
    "BibTeX": ["@article{cat,\n  title = {Cats}\n}\n", "% ours\n\n@string{j = {Nature}}\n"],
    "CoNLL-U": [CONLLU, CONLLU.replace("\n", "\r\n"), CONLLU[CONLLU.index("1\tD") :]],
    "a CoNLL file": [
        "-DOCSTART- -X- O O\n\nDogs NNS B-NP O\n",
        "Hello O\nWorld B-LOC\n. O\n\nBye O\n",
        "EU\tNNP\tB-ORG\nrejects\tVBZ\tO\ncalls\tNNS\tO\n",
    ],
    "LaTeX": [
        "% ours\n\n\\documentclass[12pt]{article}\n\\begin{document}\nHi.\n",
        "\\chapter{Cats}\n\nThey sleep.\n",
        "\\section*{Cats}\\label{cats}\n\nThey sleep \\cite{cat}.\n",
        "We show that cats sleep~\\cite{cat}, see \\ref{s}.\n\\begin{itemize}\n\\item They\n"
        "\\emph{sleep}.\n\\item They \\textbf{do}.\n\\end{itemize}\n",
    ],
    "a mail": [str(mail()), "Received: from x\n\tby y\nSubject: Cats\nFrom: a@b.org\n\nHello.\n"],
    "a bibliography (RIS)": ["TY  - JOUR\nTI  - Cats\nER  - \n"],
    "a vCard or calendar": ["BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n"],
    "translations (gettext)": ['# German\nmsgid ""\nmsgstr ""\n'],
}
PROSE = (
    "Alice: hello there.\nBob: hi.\nAlice: how are you?\nBob: fine.\n",
    "ALICE:\n  Hello there, Bob.\nBOB:\n  Hi, Alice. How are you?\n",
    "---\ntitle: Cats\nlang: en\n---\n\nCats sleep a lot.\n",
    "- one thing\n- another thing\n- a third\n- a fourth\n",
    "From here to there is a long way.\nTo be or not to be.\n",
    "From: a friend\nI got this.\n\nIt was nice.\n",
    "@misc the cat sat down.\n",
    "Type O\nblood is rare.\nVitamin B-Complex\nis not.\n",
    "\\o/ she said.\n",
    "# Sums\n\nThus $$\\frac{a}{b} = \\mathbf{c}\\sqrt{d}$$ and $\\sum_i x_i$ too.\n" * 5,
    "In LaTeX, \\section{Cats} makes a heading and \\emph{cats} leans, \\textbf{too}; \\ref{a} and "
    "\\cite{b} refer, and \\label{a} names, she wrote; \\footnote{so} says more.\n",
    "- Tom: hello\n- Ann: hi\n- Tom: bye\n",
    "- name: Tom said so\n  and went.\n- name: Ann did not.\n",
    "# A heading\n\nThe text: it begins.\n",
    "---\n\nA chapter begins.\n",
)


@pytest.mark.parametrize(
    ("what", "text"), [(what, text) for what, texts in KINDS.items() for text in texts]
)
def test_it_is_refused_by_name(what, text, tmp_path):
    blob = text.encode()
    with pytest.raises(NotTextError, match=f"looks like {what.replace('(', '.')[:12]}") as caught:
        detect(RawFile.of_stream(io.BytesIO(blob), "a", "utf-8"))
    assert "--form text" in str(caught.value.hint)
    assert structured_kind("a", b"\xef\xbb\xbf" + blob) == what


def test_a_mailbox_that_python_writes(tmp_path):
    assert structured_kind("box", mailbox_of(tmp_path).encode()) == "a mailbox"


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_taken(text):
    found = detect(RawFile.of_stream(io.BytesIO(text.encode()), "a", "utf-8"))
    assert found.form.name in ("text", "documents")


def test_the_ending_of_a_name_counts_too():
    assert structured_kind("refs.bib.gz", b"Cats sleep.") == "BibTeX"
    assert structured_kind("notes.txt", b"Cats sleep.") == ""


@pytest.mark.parametrize(
    "text",
    ["   % a comment\n" * 300, "% a\n" * 1000, "@book{" + "\n" * 16_000, " " * 16_000],
)
def test_what_only_begins_so_takes_no_longer_than_its_length(text):
    """Two ways to read each space before a comment would take for ever."""
    assert structured_kind("a.txt", text.encode()) == ""
