"""The configuration file: every key typed, unknown ones refused with the nearest known one."""

from __future__ import annotations

import configparser
import dataclasses
import typing
from pathlib import Path

import pytest

from common import config
from common.config import Config
from common.errors import ConfigError
from common.secret import Secret


def write(folder: Path, text: str) -> str:
    (folder / "cumulet.conf").write_text(text)
    return str(folder / "cumulet.conf")


def test_values_have_their_types(tmp_path: Path) -> None:
    path = write(
        tmp_path, "[api]\nport = 99\n[scheduler]\ncpu_ratio = 2.5\n[bus]\nurl = amqp://u:p%40@h/\n[cloud]\nuuid = x\n"
    )
    found = config.load(path, {})
    assert (found.api.port, found.scheduler.cpu_ratio, found.bus.url) == (99, 2.5, Secret("amqp://u:p%40@h/"))
    assert found.api.workers == Config().api.workers


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "[cloud]\nregion = Elsewhere\n")
    assert config.load(None, {"CUMULET_CONFIG": path}).cloud.region == "Elsewhere"
    assert config.load(path, {"CUMULET_CONFIG": "/nowhere"}).cloud.region == "Elsewhere"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[apii]\n", "did you mean 'api'"),
        ("[api]\nprot = 1\n", "did you mean 'port'"),
        ("[api]\nport = many\n", "[api] port: 'many' is not a whole number"),
        ("[scheduler]\ncpu_ratio = x\n", "is not a number"),
        ("port = 1\n", "not a valid INI file"),
        ("[api]\nport = 1\nport = 2\n", "not a valid INI file"),
        ("[zzzz]\n", "known are agent, api"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(tmp_path, text), {})
    assert said in caught.value.message
    assert "cumulet.conf" in caught.value.message


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CUMULET_CONFIG"):
        config.load(str(tmp_path / "none"), {})


def test_the_sample_holds_every_key_with_its_default() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string("\n".join(row[1:] if row[:1] == "#" and row[1:2] != " " else row
                                 for row in config.render_sample().splitlines()))  # fmt: skip
    assert config.from_mapping({name: dict(parser[name]) for name in parser.sections()}) == Config()
    for section in dataclasses.fields(Config):
        for key in dataclasses.fields(typing.get_type_hints(Config)[section.name]):
            assert key.metadata["help"], f"[{section.name}] {key.name} has no help text"


def test_percent_signs_are_only_percent_signs(tmp_path: Path) -> None:
    assert config.load(write(tmp_path, "[cloud]\nregion = 100%(x)s\n"), {}).cloud.region == "100%(x)s"
