"""Runs as a whole where an earlier one makes way: replaced, rolled back, damaged."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from checksums_forgotten import forget_checksums
from safetensors.torch import load_file, save_file

from bertkit.errors import ConfigError, DataError, StoppedError
from bertkit.train.checkpoints import checkpoint
from bertkit.train.checkpoints.run_state import load_state
from train.runs import assert_same_bits, logged, names, run, steps


@pytest.fixture
def short(settings):
    """Six steps, each with a checkpoint."""
    return settings(max_steps=6, save_every=1, keep_last=0, log_every=1)


_TRAINED = []


@pytest.fixture
def trained(short, tmp_path_factory):
    """The settings of a finished run with checkpoints of steps 2, 4 and 6, trained once."""
    config = replace(short, save_every=2)
    if not _TRAINED:
        place = tmp_path_factory.mktemp("trained") / "run"
        run(replace(config, output=str(place)))
        _TRAINED.append(place)
    shutil.copytree(_TRAINED[0], short.output)
    return config


def broken_at(monkeypatch, step):
    """The disk fails during the save of a step."""
    real = checkpoint.save

    def fails(*given, **named):
        if named["state"].step >= step:
            raise OSError(28, "No space left on device")
        return real(*given, **named)

    monkeypatch.setattr(checkpoint, "save", fails)


def test_overwrite_keeps_the_old_run_until_the_new_one_has_a_checkpoint(short, monkeypatch):
    old = run(short)
    before = names(short.output)
    new = replace(short, learning_rate=2e-2)
    with monkeypatch.context() as patch:
        broken_at(patch, 1)
        for _ in range(2):  # also the same command again
            with pytest.raises(OSError, match="No space"):
                run(new, overwrite=True)
            assert steps(short.output) == []
            assert steps(Path(short.output, "replaced")) == [1, 2, 3, 4, 5, 6]
    # Without --overwrite the old run is what the folder holds.
    again = run(short)
    assert again.resumed_from == 6 and names(short.output) == before
    assert_same_bits(again.checkpoint, old.checkpoint)
    assert logged(short.output) == [1, 2, 3, 4, 5, 6]
    with monkeypatch.context() as patch:
        broken_at(patch, 3)
        with pytest.raises(OSError, match="No space"):
            run(new, overwrite=True)
    assert steps(short.output) == [1, 2] and "replaced" not in names(short.output)
    # The same command again goes on with what it had begun.
    assert run(new, overwrite=True).resumed_from == 2
    # Once it is finished, or with --resume never, it starts again.
    assert run(new, overwrite=True).resumed_from == 0
    with pytest.raises(StoppedError):
        run(replace(new, steps_this_run=2), overwrite=True)
    assert run(replace(new, resume="never"), overwrite=True).resumed_from == 0


def test_a_kill_while_the_old_run_is_set_aside_loses_nothing(short):
    run(short)
    place = Path(short.output)
    (place / "replaced.moving").mkdir()
    (place / "step-0000006").rename(place / "replaced.moving" / "step-0000006")
    assert run(short).resumed_from == 6
    assert steps(place) == [1, 2, 3, 4, 5, 6] and "replaced.moving" not in names(place)


# --- rollbacks


def test_a_rollback_is_not_undone(short):
    run(short)
    place = Path(short.output)
    back = replace(short, resume=str(place / "step-0000002"), keep_last=1)
    with pytest.raises(StoppedError):
        run(replace(back, steps_this_run=1))
    # The branch that was given up is kept where no reader looks; OLD stays, although it is old.
    assert steps(place) == [2, 3]
    assert [step for step, _ in checkpoint.find([str(place / "step-*")])] == [2, 3]
    assert steps(place / "abandoned") == [3, 4, 5, 6]
    assert logged(place) == [1, 2, 3] and logged(place / "abandoned") == [1, 2, 3, 4, 5, 6]
    # The same command again goes on with the new branch, and so does automatic resume.
    with pytest.raises(StoppedError) as stopped:
        run(replace(back, steps_this_run=1))
    assert "at step 4" in stopped.value.message
    done = run(replace(short, keep_last=1))
    assert done.resumed_from == 4
    assert steps(place) == [2, 6] and logged(place) == [1, 2, 3, 4, 5, 6]
    assert_same_bits(done.checkpoint, place / "abandoned" / "step-0000006")
    assert run(back).resumed_from == 6
    assert load_state(done.checkpoint).resumed_from["step"] == 2
    # Even where OLD is gone, its name is enough.
    shutil.rmtree(place / "step-0000002")
    assert run(back).resumed_from == 6


def test_a_branch_from_another_folder_goes_on_and_mixes_with_no_run(short, tmp_path):
    run(replace(short, output=str(tmp_path / "a")))
    branch = replace(short, resume=str(tmp_path / "a" / "step-0000002"))
    with pytest.raises(StoppedError):
        run(replace(branch, steps_this_run=2))
    assert run(branch).resumed_from == 4
    other = replace(short, resume=str(tmp_path / "a" / "step-0000003"))
    with pytest.raises(DataError, match=r"holds a run already .* did not begin at"):
        run(other)
    assert run(other, overwrite=True).resumed_from == 3
    with pytest.raises(ConfigError, match="continues the run that --overwrite replaces"):
        run(replace(short, resume=str(Path(short.output, "step-0000004"))), overwrite=True)
    with pytest.raises(DataError, match=r"no checkpoint .*step-0000099; .* has: step-0000004"):
        run(replace(short, resume=str(Path(short.output, "step-0000099"))))


# --- damage


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "model cut": lambda new, old: cut(new / "model.safetensors"),
    "model flipped": lambda new, old: flip(new / "model.safetensors"),
    "model missing": lambda new, old: (new / "model.safetensors").unlink(),
    "state of something else": lambda new, old: (new / "state.json").write_text('{"step": 6}'),
    "state cut": lambda new, old: cut(new / "state.json"),
    "state empty": lambda new, old: (new / "state.json").write_text(""),
    "state missing": lambda new, old: (new / "state.json").unlink(),
    "position changed": lambda new, old: (new / "state.json").write_text(
        (new / "state.json").read_text().replace('"position": 48', '"position": 40')
    ),
    "optimizer cut": lambda new, old: cut(new / "optimizer.pt"),
    "optimizer flipped": lambda new, old: flip(new / "optimizer.pt"),
    "optimizer missing": lambda new, old: (new / "optimizer.pt").unlink(),
    "optimizer of another step": lambda new, old: shutil.copy(old / "optimizer.pt", new),
    "configuration changed": lambda new, old: (new / "config.json").write_text("{}"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over(trained, caplog, kind):
    place = Path(trained.output)
    new, old = place / "step-0000006", place / "step-0000004"
    DAMAGE[kind](new, old)
    again = run(replace(trained, keep_last=1))
    assert again.resumed_from == 4 and steps(place) == [6]
    assert f"{new} is damaged: " in caplog.text and "1 of 3 checkpoints are damaged" in caplog.text
    assert names(place / "damaged") == ["step-0000006"]
    assert_same_bits(again.checkpoint, _TRAINED[0] / "step-0000006")
    assert load_state(again.checkpoint).damaged == 1


@pytest.mark.parametrize(
    "kind", [name for name in DAMAGE if name.endswith(("cut", "missing"))] + ["optimizer flipped"]
)
def test_checkpoints_of_before_are_looked_at_as_far_as_can_be(trained, caplog, kind):
    place = Path(trained.output)
    for _, path in checkpoint.in_run(place):
        forget_checksums(path)
    DAMAGE[kind](place / "step-0000006", place / "step-0000004")
    assert run(trained).resumed_from == 4
    assert "is damaged: " in caplog.text


def test_where_all_are_damaged_nothing_starts_from_zero(short):
    with pytest.raises(StoppedError):
        run(replace(short, steps_this_run=2))
    for _, path in checkpoint.in_run(short.output):
        cut(path / "optimizer.pt")
    with pytest.raises(DataError, match=r"no checkpoint .* is intact: step-0000002: optimizer\.pt"):
        run(short)
    with pytest.raises(DataError, match=r"step-0000001 is damaged: optimizer\.pt has"):
        run(replace(short, resume=str(Path(short.output, "step-0000001"))))
    assert steps(short.output) == [1, 2]
    assert run(short, overwrite=True).step == 6


def test_readers_of_weights_refuse_a_damaged_checkpoint(bertkit, short, records, tmp_path):
    result = run(replace(short, max_steps=1))
    place = Path(result.checkpoint)
    weights = load_file(place / "model.safetensors")
    save_file({**weights, "bert.pooler.dense.bias": weights["bert.pooler.dense.bias"] + 1},
              place / "model.safetensors", metadata={"format": "pt"})  # fmt: skip
    evaluated = bertkit("eval", "--backend", "cpu", "--input", records / "eval.tfrecord",
                        "--checkpoint", place)  # fmt: skip
    converted = bertkit("convert", place, "--output", tmp_path / "converted")
    for done in (evaluated, converted):
        assert done.status == 3 and "model.safetensors has CRC-32C" in done.err
    with pytest.raises(DataError, match="is damaged: model"):
        run(replace(short, output=str(tmp_path / "next"), init_checkpoint=str(place)))
    # Whoever changed it on purpose can say so.
    (place / "state.json").unlink()
    assert bertkit("convert", place, "--output", tmp_path / "converted").status == 0


def test_all_files_of_a_checkpoint_have_the_modes_of_new_files(short):
    place = Path(run(replace(short, max_steps=1)).checkpoint)
    new = place / "new"
    new.write_text("")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    assert set(modes.values()) == {modes["new"]}, modes
