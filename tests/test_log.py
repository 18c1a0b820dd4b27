import logging

from bertkit import log


def test_log_lines_go_to_stderr(capsys):
    log.setup(0)
    log.logger.info("reading")
    log.logger.warning("odd")
    log.logger.debug("hidden")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["reading", "warning: odd"]


def test_quiet_and_verbose():
    log.setup(-1)
    assert log.logger.level == logging.WARNING
    log.setup(1)
    assert log.logger.level == logging.DEBUG


def test_bars_are_silent_where_nobody_watches(capsys):
    log.setup(0)
    assert list(log.progress(range(3), total=3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_table_aligns_numbers_and_keeps_brackets():
    text = log.table(["token", "count"], [["[MASK]", 7], ["the", 1234]])
    lines = text.splitlines()
    assert "[MASK]" in text
    assert lines[-1].endswith("1234")
    assert lines[-2].endswith("   7")


def test_plain_values_are_shown_without_quotes_and_brackets():
    assert log.shown({"jsonl": 3, "pages": {"of": ["a", "b"]}, "none": {}}) == (
        "jsonl 3, pages (of (a, b)), none -"
    )
    text = log.table(["plan", "value"], [["forms", ["jsonl", "csv"]], ["left_out", {}]])
    assert "jsonl, csv" in text and "[" not in text and "{" not in text


def test_one_thing_has_no_plural():
    assert log.counted(1, "file") == "1 file"
    assert log.counted(0, "file") == "0 files" and log.counted(2000, "file") == "2,000 files"


def test_a_command_warns_of_the_same_thing_once(capfd):
    for _ in range(2):
        log.setup()
        for text in ("left out: a", "left out: b", "left out: a"):
            log.warn_once(text)
    lines = ["warning: left out: a", "warning: left out: b"]
    assert capfd.readouterr().err.splitlines() == lines * 2


def test_a_program_that_imports_bertkit_hears_of_it_at_every_call(caplog):
    log.reset()
    for _ in range(2):
        log.warn_once("left out: a")
    assert caplog.messages == ["left out: a"] * 2
