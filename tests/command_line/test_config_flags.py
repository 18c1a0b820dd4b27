"""What flags take over from the settings they are made of; how they parse: test_options.py."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from bertkit.command_line.choice import Choice
from bertkit.command_line.config_flags import command, config_options, option
from bertkit.configuration.config import setting
from bertkit.configuration.option_groups import DATA, MACHINE, MODEL, OTHERS


@dataclass(frozen=True)
class Inner:
    width: int = setting(4, help="How wide.")
    depth: int = setting(2, help="How deep.", group=MODEL)


@dataclass(frozen=True)
class Config:
    place: str = setting("", help="Where.", group=DATA, first=True, metavar="DIR")
    form: str = setting("", help="How.", metavar="A:B", example="1:2")
    inner: Inner = field(
        default_factory=Inner, metadata={"options": ("width", "depth"), "group": MACHINE}
    )


@command()
@config_options(Config)
@option("--kind", group=DATA, type=click.Choice(["a_b"]), help="Which.")
def probe(**given):
    """Probe."""


FLAGS = {flag.name: flag for flag in probe.params}


def test_settings_say_group_place_and_example():
    assert (FLAGS["place"].group, FLAGS["place"].first, FLAGS["place"].metavar) == (
        DATA,
        True,
        "DIR",
    )
    assert (FLAGS["form"].group, FLAGS["form"].example) == (OTHERS, "1:2")
    assert FLAGS["form"].needs_example and not FLAGS["place"].needs_example


def test_settings_of_a_section_have_its_group_unless_they_say_their_own():
    assert (FLAGS["width"].group, FLAGS["width"].setting) == (MACHINE, "inner.width")
    assert (FLAGS["depth"].group, FLAGS["depth"].setting_default) == (MODEL, 2)


def test_every_choice_has_one_spelling():
    assert isinstance(FLAGS["kind"].type, Choice)
    assert FLAGS["kind"].type.convert("a-b", FLAGS["kind"], None) == "a_b"
