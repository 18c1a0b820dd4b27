"""What programs write for programs is refused by name; prose about it, and code, is not."""

from __future__ import annotations

import base64
import binascii
import bz2
import configparser
import hashlib
import http.server
import io
import logging
import random
import sqlite3
import tarfile

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.machine_text import machine_kind
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError

NOISE = random.Random(0).randbytes(3000)
BASE64 = base64.encodebytes(NOISE).decode()
HEX = NOISE.hex()


def web_log() -> str:
    """As Python's own server writes it."""
    out: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def __init__(self) -> None:
            self.client_address = ("127.0.0.1", 80)
            self.requestline = "GET /cats HTTP/1.1"

        def log_message(self, template: str, *values: object) -> None:
            host, when = self.client_address[0], self.log_date_time_string()
            out.append(f"{host} - - [{when}] {template % values}\n")

    for _ in range(3):
        Handler().log_request(200, 99)
    return "".join(out)


def program_log() -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    log = logging.Logger("cats")
    log.addHandler(handler)
    for number in range(6):
        log.warning("The cat number %d sleeps.", number)
    return out.getvalue()


def dumped_tables(rows: int = 20) -> str:
    with sqlite3.connect(":memory:") as base:
        base.execute("create table cats (name, words)")
        base.executemany("insert into cats values (?, ?)", [(f"a{n}", "x;") for n in range(rows)])
        text = "\n".join(base.iterdump())
    base.close()
    return text


def settings() -> str:
    out = io.StringIO()
    parser = configparser.ConfigParser()
    parser.read_dict({"model": {"layers": "2", "name": "cat"}, "data": {"path": "x y"}})
    parser.write(out)
    return out.getvalue()


ACCESS = '127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326'
KINDS = {
    "a web server's log": [
        ACCESS + "\n",
        f'{ACCESS} "http://a.b/" "Mozilla/5.0 (X11)"\n' * 300,
        f"www.cats.org:443 {ACCESS}\n" * 3,
        "#Software: Microsoft IIS 10.0\n#Version: 1.0\n#Fields: date time s-ip\n2020-01-01 0 1\n",
        web_log(),
    ],
    "a log of a system": [
        "Nov  2 16:05:01 host CRON[123]: (root) CMD (x)\n" * 3,
        "2026-11-27T16:05:01.123+00:00 host systemd[1]: Started cats.service.\n" * 3,
    ],
    "a program's log": [program_log(), "[2026-11-27 16:05:01] app.INFO: hello\n" * 3],
    "a key or certificate (PEM)": [
        f"-----BEGIN RSA PRIVATE KEY-----\n{BASE64}-----END RSA PRIVATE KEY-----\n",
        f"-----BEGIN PGP MESSAGE-----\n\n{BASE64}-----END PGP MESSAGE-----\n",
        "Certificate:\n    Data:\n        Version: 3 (0x2)\n",
    ],
    "a key or certificate (SSH)": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI a@b\n"],
    "binary data in base64": [
        BASE64,
        base64.b64encode(NOISE).decode(),
        base64.urlsafe_b64encode(NOISE).decode(),
        "data:image/png;base64," + BASE64,
    ],
    "binary data in hexadecimal digits": [
        HEX,
        "\n".join(HEX[at : at + 64] for at in range(0, len(HEX), 64)),
        binascii.hexlify(NOISE, " ").decode(),
        "".join(
            f"{at:08x}: {binascii.hexlify(NOISE[at : at + 16], ' ', 2).decode()}  ........\n"
            for at in range(0, 160, 16)
        ),
    ],
    "binary data in uuencode": [
        "begin 644 cat.jpg\n"
        + "".join(binascii.b2a_uu(NOISE[at : at + 45]).decode() for at in range(0, 900, 45))
    ],
    "an SQL dump": [
        dumped_tables(),
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (x);\n",
        "-- phpMyAdmin SQL Dump\n-- version 4\n",
        "/*!40101 SET NAMES utf8 */;\n",
        "INSERT INTO `a` VALUES " + ",".join(["(1,'b')"] * 20) + ";\n",
        "/* cats */\nINSERT INTO a (x, y) VALUES\n" + "(1, 'b'),\n" * 20,
    ],
    "subtitles": [
        "1\n00:00:01,000 --> 00:00:04,000\nHello.\n",
        "0\r\n00:00:01,000 --> 00:00:04,000\r\nHello.\r\n",
        "17\n0:00:01.000 --> 0:00:04.000\nHello.\n",
        "WEBVTT - cats\n\n00:01.000 --> 00:04.000\nHello.\n",
        "[Script Info]\nTitle: Cats\n\n[Events]\n",
        "{0}{25}Hello|there\n{30}{50}Cats.\n{60}{80}Bye.\n",
    ],
    "subtitles (LRC)": ["[ti:Cats]\n[00:12.00]Cats sleep\n[00:17.20]All day\n[00:21.10]Long\n"],
    "a list of checksums": [
        f"{hashlib.sha256(NOISE).hexdigest()}  a.txt\n{hashlib.sha256().hexdigest()} *b.txt\n"
    ],
    "a list of files": [
        "urlsf_subset00-559_data/0558758-dcca3096975be345ee43e374607f5dbc.txt\n" * 300,
        "./a/b/c/d.txt\na/b.txt\n/c/d.nxml.gz\ne/f.txt\r\nhttps://g.h/i.html\n",
        "raw/part.txt",
        "part-00000-of-00002.txt\npart-00001-of-00002.txt\nb.json\n",
    ],
    "vectors of words": [
        "".join(f"word{n} {' '.join(['0.25', '-1.5e-3'] * 20)}\n" for n in range(5)),
        "5 40\n" + "".join(f"wörd{n} {' '.join(['.25', '-1'] * 20)}\n" for n in range(5)),
    ],
    "a table of numbers (LIBSVM)": ["+1 1:0.5 7:1 12:3\n-1 2:0.3 9:1\n1 1:1 2:2\n"],
    "a treebank (Penn)": ["( (S (NP-SBJ (NNP Cats)) (VP (VBP sleep))))\n" * 2],
    "RDF (N-Triples)": ['<http://a/b> <http://c/d> "x"@en .\n' * 2],
    "RDF (Turtle)": ["# cats\n@prefix foaf: <http://xmlns.com/foaf/0.1/> .\n<a> a foaf:Cat .\n"],
    "a directory (LDIF)": ["dn: cn=a,dc=b\nobjectClass: top\ncn: a\n"],
    "a manual page (troff)": ['.\\" a page\n.TH CAT 1\n.SH NAME\ncat \\- sleeps\n'],
    "a family tree (GEDCOM)": ["0 HEAD\n1 SOUR cats\n0 @I1@ INDI\n"],
    "settings (INI)": [settings(), '# ours\n[tool.cat]\nname = "a"\n[[tool.cat]]\nage = 3\n'],
}
CASES = [(what, text) for what, texts in KINDS.items() for text in texts]

PROSE = (
    # People's chats and forums.
    "[12:03] <bob> hi\n[12:04] <eve> hello, bob\n[12:05] <bob> are you there?\n",
    "[12:03:22] Bob: hi\n[12:04:10] Eve: hello\n[12:05:59] Bob: bye\n",
    "Nov 27 16:05:01 <bob> hi there: all\nNov 27 16:05:02 <eve> yes: hi\n" * 3,
    "27/11/2026, 16:05 - Bob: Error! No cats.\n27/11/2026, 16:06 - Eve: info?\n" * 3,
    "2026-11-27 16:05:01 Bob: hello\n2026-11-27 16:05:09 Eve: hi\n" * 3,
    "2026-11-27 16:05\nA diary. The ERROR was mine.\n\n2026-11-28 09:00\nWe slept.\n" * 3,
    # Texts about such files.
    "The log says:\n\n    " + ACCESS + "\n\nwhich means that somebody came.\n",
    (ACCESS + "\n") * 3 + "These lines say that somebody came.\nHe asked for a page.\n" * 3,
    "How to read a key: it begins so.\n\n-----BEGIN PUBLIC KEY-----\n" + BASE64[:200],
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nDear all, cats sleep.\n",
    "Insert into each cup a spoon of sugar. Values count.\nSet it aside; drop table talk.\n",
    "Begin. Use the spoon; create table settings for ten.\n",
    "00:00 is midnight.\n1\nOne is a number --> two.\n",
    # Lists, verses, titles, sequences.
    "Apple\nBanana\nCherry\nDate\nElderberry\n" * 30,
    "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft\n" * 3,
    "[1] A first note = the best.\n[2] Another.\n[3] See [1].\n",
    "[Chorus]\nCats sleep all day\n[Verse 1]\nAnd all night\n",
    "[link](http://a.b/c=d)\n[other](x)\n",
    "1 In the beginning 1:1 was the cat.\n2 And 1:2 it slept.\n3 And 3:4 so on.\n",
    "abacadabra deed fade cafe\n" * 10,
    "1045 2231 88 17 940 3\n77 1045 12 6 2231 88\n" * 5,
    "ACGTACGTTTGACGTACGATCGATCGACTAGCTAGCATCGACTAGCATCAGCATCAGCATCGACATCGA\n" * 5,
    "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEV\n" * 5,
    "CC(=O)OC1=CC=CC=C1C(=O)O\nCN1C=NC2=C1C(=O)N(C(=O)N2C)C\n" * 5,
    "猫はよく眠る。" * 40,
    "แมวนอนหลับทั้งวันและทั้งคืน" * 20,
    "Price 1.5 2.5 3.5 4.5 for cats\nand so on it goes for ever.\n",
    "(S)he said (NP) is hard.\n",
    "; a poem ;\n[sic] it begins\n",
    "<http://a.b/> is a site.\n",
    "0 HEADACHES\n1 cure\n",
    ".The dot stands first.\n",
    "and/or. He or she.\nhe/she.it\nThat is all of it.\n",
    "README.txt\nRead this first, and then go on.\n",
    "cats.txt\n",
    "0.5 1.5 2.5 litres of milk, she wrote, and 7 of tea.\n",
)
CODE = (
    "CREATE TABLE cats (id int);\nINSERT INTO cats VALUES (1, 'b');\nSELECT * FROM cats;\n",
    "-- how many\nSELECT count(*) FROM cats;\n",
    "/*! jquery v3 */\n!function(e,t){return 1}(0);\n",
    "#!/bin/sh\nset -e\n",
    "/* a */\n" * 60 + "int main(void) {\n  return 0;\n}\n",
)


@pytest.mark.parametrize(("what", "text"), CASES, ids=[what for what, _ in CASES])
def test_it_is_refused_by_name_wherever_it_stands(what, text):
    for blob in (text.encode(), bz2.compress(text.encode()), text.encode("utf-8-sig")):
        with pytest.raises(NotTextError) as caught:
            detect(RawFile.of_stream(io.BytesIO(blob), "a.txt", "utf-8"))
        assert f"a.txt looks like {what}" in caught.value.message
        assert "--form text" in caught.value.hint


@pytest.mark.parametrize("text", [*PROSE, *CODE])
def test_prose_and_code_are_taken(text):
    assert machine_kind(text.encode()) is None
    assert detect(RawFile.of_stream(io.BytesIO(text.encode()), "a", "utf-8")).form.name == "text"


def test_members_of_archives_are_told_apart():
    texts = {"cats.txt": "Cats sleep a lot.\n", "access.log": ACCESS + "\n", "key": KINDS[
        "a key or certificate (PEM)"][0]}  # fmt: skip
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    file = RawFile.of_stream(io.BytesIO(out.getvalue()), "a.tar", "utf-8")
    found = list(detect(file).form.read(file, ReadOptions()))
    assert [piece.text for piece in found if isinstance(piece, RawDocument)] == [texts["cats.txt"]]
    reasons = {piece.id: piece.reason for piece in found if isinstance(piece, Rejected)}
    assert reasons.keys() == {"a.tar!access.log", "a.tar!key"}
    assert "web server's log" in reasons["a.tar!access.log"]


@pytest.mark.parametrize(
    "text",
    ["ab" * 40_000 + "z", "a b " * 20_000 + "\0", "/* */" * 10_000, "-- \n" * 16_000,
     "1 2 3 " * 12_000, "[a=" * 20_000, "<a> " * 16_000, "x" * 65_536, "(S " * 20_000,
     "# \n" * 20_000, "(NP" + "(" * 60_000, " \n" * 30_000 + "x", "0" * 65_536, "0a " * 20_000,
     "a/" * 30_000, "/" * 65_536, "a." * 30_000, "a/b.c" * 12_000, "a/" + "b." * 30_000],
)  # fmt: skip
def test_no_text_takes_it_long(text):
    """Patterns that go back over what they passed would take hours for some of these."""
    machine_kind(text.encode())


def test_all_text_that_people_gave_is_taken(shared):
    folders = ("corpus/gutenberg17", "multilingual", "mlperf_sample")
    paths = [path for name in folders for path in sorted((shared / "data" / name).glob("*"))]
    texts = [path.read_bytes() for path in paths if path.suffix in (".txt", "") and path.is_file()]
    assert len(texts) > 20
    for text in texts:
        for at in range(0, min(len(text), 1_000_000), 5000):
            assert machine_kind(text[at : at + 65_536]) is None, text[at : at + 80]


@pytest.mark.parametrize(
    "text", [b"a b " + b"1" * 15_000, b"1 1:" + b"1" * 15_000, b"(" + b" " * 15_000]
)
def test_long_numbers_and_spaces_are_read_in_one_way(text):
    assert machine_kind(text * 2) is None
    assert machine_kind(b"cat .5 -1.25 3 4e-2 5 6 7 8 9 10\n" * 4) is not None
