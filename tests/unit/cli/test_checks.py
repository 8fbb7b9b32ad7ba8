"""`cumulet check`: each check finds what is wrong and names a remedy; none changes anything."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import check
from cli.checks import machine, network, software, stores
from cli.checks.result import Standing, ok
from common.config import Config
from common.db import migrate
from common.errors import ToolFailed
from common.secret import Secret
from common.tokens import create_keys
from tests.fixtures.api import make_config


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    return make_config(tmp_path, f"sqlite:///{tmp_path / 'cloud.sqlite'}")


def test_the_database(settings: Config, tmp_path: Path) -> None:
    absent = stores.database(settings)
    assert absent.standing == Standing.FAIL
    assert "--bootstrap" in absent.remedy
    assert not (tmp_path / "cloud.sqlite").exists(), "looking must not create it"
    (tmp_path / "cloud.sqlite").touch()
    assert "needs 0" in stores.database(settings).finding
    migrate.upgrade(settings.database.url)
    assert stores.database(settings).standing == Standing.OK


def test_a_database_that_does_not_answer_shows_no_password(settings: Config) -> None:
    url = "postgresql+psycopg://cumulet:hunter2@127.0.0.1:1/cumulet"
    found = stores.database(dataclasses.replace(settings, database=dataclasses.replace(settings.database, url=url)))
    assert found.standing == Standing.FAIL
    assert "hunter2" not in str(found)


def test_token_keys(settings: Config) -> None:
    folder = Path(settings.identity.fernet_dir)
    assert stores.token_keys(settings).standing == Standing.FAIL
    create_keys(folder)
    assert stores.token_keys(settings).standing == Standing.OK
    (folder / "1").chmod(0o644)
    assert stores.token_keys(settings).remedy == f"chmod 600 {folder}/*"


def test_folders(settings: Config) -> None:
    assert stores.image_store(settings).standing == Standing.FAIL
    folder = Path(settings.image.store_dir)
    folder.mkdir()
    assert stores.image_store(settings).standing == Standing.OK
    folder.chmod(0o777)
    assert stores.image_store(settings).standing == Standing.WARN
    assert stores.log_dir(settings).finding == "to standard error"


def test_the_bus(settings: Config) -> None:
    assert stores.bus(settings).standing == Standing.OK
    assert stores.bus_management(settings).standing == Standing.OK


def test_a_broker_without_management(settings: Config) -> None:
    by_hand = replace(settings, bus=replace(settings.bus, url=Secret("amqp://u:p@127.0.0.1:1/")))
    assert stores.bus_management(by_hand).standing == Standing.WARN
    silent = replace(by_hand, bus=replace(by_hand.bus, management_url=Secret("http://u:hunter2@127.0.0.1:1")))
    found = stores.bus_management(silent)
    assert found.standing == Standing.FAIL
    assert "hunter2" not in found.finding


def test_software_that_is_not_used_is_not_asked_for(settings: Config) -> None:
    fake = dataclasses.replace(settings, agent=dataclasses.replace(settings.agent, driver="fake"))
    for found in (software.libvirt(fake), software.qemu(fake), software.qemu_img(fake)):
        assert found == ok(found.name, "not used by driver fake")


def test_a_libvirt_that_does_not_answer(settings: Config) -> None:
    agent = dataclasses.replace(settings.agent, driver="qemu", libvirt_uri="qemu:///nonsense")
    found = software.libvirt(dataclasses.replace(settings, agent=agent))
    assert found.standing == Standing.FAIL
    assert "qemu:///nonsense" in found.remedy


def _chain(family: str, table: str, name: str, **more: Any) -> dict[str, Any]:
    return {"chain": {"family": family, "table": table, "name": name, "handle": 1, **more}}


def _accept(table: str, chain: str, side: str, value: str) -> dict[str, Any]:
    match = {"match": {"op": "==", "left": {"meta": {"key": side}}, "right": value}}
    return {
        "rule": {"family": "ip", "table": table, "chain": chain, "expr": [match, {"counter": {}}, {"accept": None}]}
    }


DOCKER = [_chain("ip", "filter", "FORWARD", hook="forward", policy="drop"), _chain("ip", "filter", "DOCKER-USER")]


def test_a_machine_whose_own_name_does_not_resolve(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "uname", lambda: SimpleNamespace(nodename="no-such-name.invalid"))
    found = machine.host_name(settings)
    assert (found.standing, "no-such-name.invalid" in found.remedy) == (Standing.WARN, True)
    monkeypatch.setattr(machine.os, "uname", lambda: SimpleNamespace(nodename="localhost"))
    assert machine.host_name(settings).standing == Standing.OK


def test_a_foreign_chain_that_drops_is_found() -> None:
    ruleset = [
        *DOCKER,
        _chain("inet", "cml_guard", "forward", hook="forward", policy="drop"),
        _chain("inet", "other", "input", hook="input", policy="drop"),
        _chain("inet", "open", "forward", hook="forward", policy="accept"),
        _chain("bridge", "b", "forward", hook="forward", policy="drop"),
        _chain("inet", "firewalld", "filter_FORWARD", hook="forward", policy="drop"),
    ]
    assert network.dropping_chains(ruleset) == [("ip", "filter", "FORWARD"), ("inet", "firewalld", "filter_FORWARD")]


def test_the_remedy_is_the_command_to_type() -> None:
    assert network.accept_commands(("ip", "filter", "FORWARD"), DOCKER) == [
        "iptables -I DOCKER-USER -i 'cml+' -j ACCEPT", "iptables -I DOCKER-USER -o 'cml+' -j ACCEPT",
    ]  # fmt: skip
    assert network.accept_commands(("inet", "fw", "fwd"), []) == [
        "nft insert rule inet fw fwd iifname '\"cml*\"' accept",
        "nft insert rule inet fw fwd oifname '\"cml*\"' accept",
    ]  # fmt: skip


def test_a_chain_that_lets_us_through_is_fine() -> None:
    one_way = [*DOCKER, _accept("filter", "DOCKER-USER", "iifname", "cml*")]
    assert network.dropping_chains(one_way) == [("ip", "filter", "FORWARD")]
    others = [*one_way, _accept("filter", "DOCKER-USER", "oifname", "docker0")]
    assert network.dropping_chains(others) == [("ip", "filter", "FORWARD")]
    assert network.dropping_chains([*one_way, _accept("filter", "DOCKER-USER", "oifname", "cml*")]) == []


def test_without_a_configuration_only_that_is_told(tmp_path: Path) -> None:
    (only,) = check.run_checks(str(tmp_path / "absent.conf"))
    assert (only.name, only.standing) == ("configuration", Standing.FAIL)


def test_a_check_that_can_not_look_says_so(settings: Config) -> None:
    def broken(_config: Config) -> Any:
        raise ToolFailed("nft is not installed")

    found = check._run(broken, settings)
    assert (found.name, found.standing) == ("broken", Standing.FAIL)
    assert "nft is not installed" in found.finding


def test_every_check_answers_here(settings: Config) -> None:
    for function in check.all_checks():
        found = check._run(function, settings)
        assert found.finding
        assert bool(found.remedy) == (found.standing != Standing.OK), found
        json.dumps([found.name, found.finding, found.remedy])
