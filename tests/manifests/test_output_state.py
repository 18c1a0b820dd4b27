"""What a dry run says of an output folder is what the run does with it."""

from __future__ import annotations

import pytest

from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, begin, describe_inputs
from bertkit.manifests.output_state import MEANINGS, output_state


def planned(tmp_path, text="text", **config):
    source = tmp_path / "in.txt"
    source.write_text(text)
    return Manifest("make-records", {"seed": 1, **config}, describe_inputs([str(source)]))


def state(tmp_path, run, **given):
    """Of a dry run, which knows the sizes of the inputs alone."""
    size = sum(entry["bytes"] for entry in run.inputs)
    only = Manifest(run.command, run.config, hidden=run.hidden)
    return output_state(tmp_path / "out", only, input_bytes=size, **given)


def test_it_goes_from_new_to_complete(tmp_path):
    run = planned(tmp_path)
    assert state(tmp_path, run) == "new"
    assert not (tmp_path / "out").exists()
    begun = begin(tmp_path / "out", run)
    assert state(tmp_path, run) == "resumed"
    begun.state = "complete"
    begun.write(tmp_path / "out")
    assert state(tmp_path, run) == "complete"
    assert state(tmp_path, run, overwrite=True) == "replaced"
    assert set(MEANINGS) == {"new", "resumed", "complete", "replaced"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seed": 2}, "seed 1, now 2"), ({"text": "longer"}, "4 bytes of input, now 6")],
)
def test_another_run_is_refused_unless_it_is_to_be_replaced(tmp_path, changes, words):
    begin(tmp_path / "out", planned(tmp_path))
    other = planned(tmp_path, **changes)
    with pytest.raises(DataError, match=words):
        state(tmp_path, other)
    assert state(tmp_path, other, overwrite=True) == "replaced"
    with pytest.raises(DataError):
        begin(tmp_path / "out", other)


@pytest.mark.parametrize("name", ["thesis.doc", "manifest.json"])
def test_files_that_nobody_lists_are_refused(tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("precious")
    for act in (lambda run: state(tmp_path, run), lambda run: begin(tmp_path / "out", run)):
        with pytest.raises(DataError, match=r"not empty|belongs to another program"):
            act(planned(tmp_path))


def test_between_two_commands_only_these_are_named(tmp_path):
    begin(tmp_path / "out", planned(tmp_path, **{f"key{number}": number for number in range(40)}))
    with pytest.raises(DataError) as caught:
        begin(tmp_path / "out", Manifest("split", {"valid": 0.1}))
    assert caught.value.message.endswith(
        "out was made by another command: bertkit make-records, now bertkit split"
    )


def test_of_an_earlier_version_the_settings_that_it_did_not_have_are_named_as_such(tmp_path):
    earlier = planned(tmp_path)
    earlier.versions["bertkit"] = "0.1.0"
    begin(tmp_path / "out", earlier)
    with pytest.raises(DataError) as caught:
        begin(tmp_path / "out", planned(tmp_path, variant=""))
    assert caught.value.message.endswith(
        'made by another run of bertkit 0.1.0: variant not recorded, now ""'
    )
