from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass

import pytest

from bertkit.configuration.config import (
    Layer,
    dump_whole_yaml,
    flatten,
    load_yaml,
    parse_assignments,
    resolve,
    setting,
)
from bertkit.errors import ConfigError, UsageError


@dataclass
class Model:
    hidden_size: int = setting(128, "Width.", minimum=1)
    act: str = setting("gelu", "Activation.", choices=("gelu", "relu"))

    def problems(self) -> list[str]:
        return ["hidden_size must be even"] if self.hidden_size % 2 else []


@dataclass
class Run:
    name: str = setting(help="Name.")
    inputs: list[str] = setting(factory=list, help="Files.")
    rate: float = setting(1e-4, "Rate.")
    steps: int | None = setting(None, "Steps.")
    nsp: bool = setting(True, "NSP.")
    model: Model = field(default_factory=Model)


def test_the_last_layer_wins_and_origins_are_kept():
    resolved = resolve(
        Run,
        [
            Layer("preset tiny", {"rate": 1, "name": "a", "model": {"hidden-size": 64}}),
            Layer("run.yaml", {"rate": "2e-3", "steps": 5}),
            Layer("command line", {"name": "b", "inputs": ("x", "y"), "model.act": "relu"}),
        ],
    )
    config = resolved.config
    assert (config.rate, config.steps, config.name, config.inputs) == (0.002, 5, "b", ["x", "y"])
    assert (config.model.hidden_size, config.model.act) == (64, "relu")
    assert resolved.origins["name"] == "command line"
    rows = {key: (value, origin) for key, value, origin in resolved.rows()}
    assert rows["nsp"] == ("true", "default")
    assert rows["model.hidden_size"] == ("64", "preset tiny")


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        resolve(
            Run,
            [Layer("run.yaml", {"rat": 1, "steps": 1.5, "nsp": "perhaps", "model.act": "tanh"})],
        )
    text = str(caught.value)
    for part in (
        "run.yaml: rat: unknown setting (did you mean 'rate'?)",
        "steps",
        "nsp",
        "tanh",
        "--name is required",
    ):
        assert part in text


def test_wrong_values_that_were_typed_are_wrong_usage():
    typed = Layer("command line", {"name": "a", "model.hidden_size": 0, "steps": "x"})
    with pytest.raises(UsageError, match="--steps: expected a whole number, not 'x'"):
        resolve(Run, [typed])
    with pytest.raises(ConfigError):
        resolve(Run, [Layer("run.yaml", {"rate": "fast"}), typed])
    with pytest.raises(UsageError, match="--name is required"):
        resolve(Run, [])


def test_rules_over_several_settings_are_checked():
    with pytest.raises(ConfigError, match="must be even"):
        resolve(Run, [Layer("x", {"name": "a", "model": {"hidden_size": 7}})])


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("no", False), (True, True), ("0", False)]
)
def test_booleans(value, expected):
    assert resolve(Run, [Layer("x", {"name": "a", "nsp": value})]).config.nsp is expected


def test_none_clears_an_optional_setting():
    layers = [Layer("x", {"name": "a", "steps": 3}), Layer("y", {"steps": "none"})]
    assert resolve(Run, layers).config.steps is None


def test_range_is_checked():
    with pytest.raises(ConfigError, match="below the smallest"):
        resolve(Run, [Layer("x", {"name": "a", "model.hidden_size": 0})])


def test_yaml_reads_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("rate: 1e-4\nsteps: 5\n")
    assert load_yaml(path) == {"rate": 1e-4, "steps": 5}


@pytest.mark.parametrize(
    ("text", "message"), [("a: [1", r"run\.yaml:\d+: not YAML"), ("- a\n", "found list")]
)
def test_broken_yaml_is_named(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_yaml(path)


def test_assignments():
    assert parse_assignments(["a.b=3", "c=x=y", "d=1e-3"]) == {"a.b": 3, "c": "x=y", "d": 1e-3}
    with pytest.raises(UsageError, match="not key=value"):
        parse_assignments(["novalue"])


def test_of_a_key_that_is_assigned_twice_the_one_that_counts_is_named(caplog):
    assert parse_assignments(["a=1", "b=2", "a=1", "a=3"]) == {"a": 3, "b": 2}
    (said,) = caplog.messages
    assert said == "--set a is given twice: 3 counts, 1 does not"
    caplog.clear()
    parse_assignments(["a=1", "a=3"], quiet=True)
    assert not caplog.messages


def test_settings_of_a_run_that_are_cut_off_are_noticed(tmp_path):
    path = tmp_path / "config.yaml"
    text = dump_whole_yaml({"a": 1, "b": {"c": 2, "d": 3}})
    path.write_text(text)
    assert load_yaml(path) == {"a": 1, "b": {"c": 2, "d": 3}}
    for size in range(text.index("\n"), len(text) - 1):
        path.write_text(text[:size])
        with pytest.raises(ConfigError, match="cut off"):
            load_yaml(path)
    path.write_text(text.replace("c: 2", "c: 2  # changed") + "\n")
    assert load_yaml(path)["b"]["c"] == 2


def test_an_empty_file_of_settings_is_said(tmp_path, caplog):
    for number, text in enumerate(("", "# nothing\n", "{}\n")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load_yaml(path) == {}
        assert f"{path} is empty: no setting is taken from it" in caplog.text


@dataclass(frozen=True)
class Inner:
    width: int = setting(4, "")


@dataclass(frozen=True)
class Named:
    learning_rate: float = setting(1.0, "", flags=("--lr",))
    shards: str = setting("one", "", choices=("one", "all"), mistaken="{0} files: --outputs {0}")
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "learning_rate"),
        ("optimizer.learning_rate", "learning_rate"),
        ("width", "inner.width"),
    ],
)
def test_a_flag_or_a_part_of_a_key_names_the_setting(key, meant):
    with pytest.raises(ConfigError, match=f"unknown setting .did you mean '{meant}'"):
        resolve(Named, [Layer("a.yaml", {key: 2})])


def test_a_preset_in_a_file_is_told_where_it_is_named():
    kind = make_dataclass("Run", [("max_steps", int, setting(1, "")), ("resume", str, "")])
    with pytest.raises(ConfigError, match=r"preset: unknown setting \(presets are .*--preset NAME"):
        resolve(kind, [Layer("a.yaml", {"preset": "tiny"})])
    with pytest.raises(ConfigError, match=r"preset: unknown setting$"):  # no presets there
        resolve(Named, [Layer("a.yaml", {"preset": "tiny"})])


def test_a_number_among_words_was_meant_for_something_else():
    with pytest.raises(ConfigError, match="not one of one, all; 8 files: --outputs 8"):
        resolve(Named, [Layer("a.yaml", {"shards": "8"})])
    with pytest.raises(ConfigError) as caught:
        resolve(Named, [Layer("a.yaml", {"shards": "each"})])
    assert "--outputs" not in str(caught.value)


def test_two_spellings_of_one_key_are_refused():
    """The last one counted, and nobody was told."""
    for values in ({"max-steps": 1, "max_steps": 2}, {"m": {"a": 1}, "m.a": 2}):
        with pytest.raises(ConfigError, match="given twice, in two spellings"):
            flatten(values)
    assert flatten({"m": {"a": 1}, "m.b": 2}) == {"m.a": 1, "m.b": 2}


def test_of_many_unknown_settings_the_first_are_shown():
    """A file of another program gave a page."""
    with pytest.raises(ConfigError, match=r"key7: unknown setting; and 52 more$"):
        resolve(Named, [Layer("a.yaml", {f"key{number}": number for number in range(60)})])
