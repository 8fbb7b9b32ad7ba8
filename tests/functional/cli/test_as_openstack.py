"""The same commands by `cumulet` and by the unmodified `openstack` on one cloud: same columns, same values, same options."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import shlex
from typing import Any
from unittest import mock

import pytest

from cli.commands import OPENSTACK
from tests.fixtures.live_cloud import LiveCloud

#: as user -> commands whose JSON is compared as it is
SAME = {
    "demo": (
        "server list", "server list --long", "server event list compared", "server event list compared --long",
        "image list", "image list --long", "image show guest", "image import info",
        "image stores list", "flavor list", "flavor list --long", "flavor show c1.tiny",
        "keypair list", "keypair show demo", "network list", "network list --long", "network show shared", "subnet list",
        "subnet list --long", "subnet show shared", "port list", "port list --long", "port show compared",
        "security group list", "security group show default", "security group rule list",
        "security group rule list default", "limits show --absolute", "limits show --rate", "availability zone list",
        "availability zone list --long", "catalog list", "catalog show compute", "project list --my-projects",
    ),
    "admin": (
        "server list --all-projects", "project list", "project list --long", "project show demo", "user list",
        "user list --long", "user show demo", "role list", "role show member", "role assignment list",
        "role assignment list --names", "hypervisor list", "endpoint list", "service list",
        "service list --long", "service show compute",
    ),
}  # fmt: skip
#: columns only: their values change between two looks, or are the SDK's own invention where the API says nothing
SAME_COLUMNS = {
    "demo": ("server show compared", "token issue", "quota show", "quota show --usage"),
    "admin": ("compute service list", "compute service list --long"),
}
#: theirs and more: what a hypervisor has, which openstack leaves to the placement service since microversion 2.88
MORE_COLUMNS = ("hypervisor list --long", "hypervisor show node1")
#: ours, which openstack lacks
OWN_OPTIONS = {"--wait"}


@pytest.fixture(scope="module")
def furnished(live_cloud: LiveCloud) -> LiveCloud:
    live_cloud.run(*shlex.split("server create --flavor c1.tiny --image guest --network shared --wait compared"))
    live_cloud.run(*shlex.split("port create --network shared compared"))
    return live_cloud


def _words(text: str) -> list[str]:
    return [*shlex.split(text), "-f", "json"]


def _columns(document: Any) -> list[str]:
    return sorted(document[0] if isinstance(document, list) and document else document)


@pytest.mark.parametrize("user", ["demo", "admin"])
def test_the_same_answers(furnished: LiveCloud, user: str) -> None:
    theirs = furnished.openstack(*map(_words, SAME[user]), user=user)
    for text, done in zip(SAME[user], theirs, strict=True):
        ours = furnished.run(*_words(text), user=user).json
        assert _sorted(ours) == _sorted(done.json), text


@pytest.mark.parametrize("user", ["demo", "admin"])
def test_the_same_columns(furnished: LiveCloud, user: str) -> None:
    theirs = furnished.openstack(*map(_words, SAME_COLUMNS[user]), user=user)
    for text, done in zip(SAME_COLUMNS[user], theirs, strict=True):
        ours = furnished.run(*_words(text), user=user).json
        assert _columns(ours) == _columns(done.json), text


def test_hypervisors_with_what_they_have(furnished: LiveCloud) -> None:
    theirs = furnished.openstack(*map(_words, MORE_COLUMNS), user="admin")
    for text, done in zip(MORE_COLUMNS, theirs, strict=True):
        ours = furnished.run(*_words(text), user="admin").json
        assert set(_columns(ours)) > set(_columns(done.json)) - {"uptime", "servers"}, text
    (row,) = furnished.run(*_words(MORE_COLUMNS[0]), user="admin").json
    assert row["vCPUs"] > 0
    assert row["Memory MB"] > 0


def test_quotas_that_the_cloud_has_are_those_of_openstack(furnished: LiveCloud) -> None:
    (theirs,) = furnished.openstack(_words("quota show --usage"))
    ours = furnished.run(*_words("quota show --usage")).json
    by_name = {row["Resource"]: row for row in theirs.json}
    assert len(ours) == 12
    assert [row for row in ours if by_name[row["Resource"]] != row] == []


@pytest.mark.parametrize("form", ["value", "table", "csv", "yaml"])
def test_every_form_of_output_is_the_same(furnished: LiveCloud, form: str) -> None:
    text = ["flavor", "list", "-f", form, "-c", "Name", "-c", "RAM", "--sort-column", "RAM"]
    (theirs,) = furnished.openstack(text)
    assert furnished.run(*text).out.strip() == theirs.out.strip()


def test_an_option_is_spelled_as_openstack_spells_it() -> None:
    """Every option of a command that openstack has too is one of its options, and takes a value if that does."""
    theirs = _openstack_commands()
    strange = []
    for name, target in OPENSTACK.items():
        if name == "server ssh":  # theirs has ssh's options under names of its own
            continue
        module, _, class_name = target.partition(":")
        ours = _options(getattr(importlib.import_module(module), class_name), name)
        known = _options(theirs[name].load(), name)
        if name == "image import":  # ours makes the image too; `create` takes its name without an option
            known |= {**_options(theirs["image create"].load(), name), "--name": True}
        strange += [
            f"{name} {option}" for option, takes in ours.items()
            if option not in OWN_OPTIONS and known.get(option) != takes
        ]  # fmt: skip
    assert strange == []


def _openstack_commands() -> dict[str, Any]:
    points = importlib.metadata.entry_points()
    found = {}
    for group in ("common", "compute.v2", "identity.v3", "image.v2", "network.v2"):
        for point in points.select(group=f"openstack.{group}"):
            found[point.name.replace("_", " ")] = point
    return found


def _options(command: Any, name: str) -> dict[str, bool]:
    """Option -> whether it takes a value."""
    app = mock.MagicMock()  # their parsers ask the application about things that no option depends on
    parser: argparse.ArgumentParser = command(app, None, cmd_name=name).get_parser(name)
    return {option: action.nargs != 0 for action in parser._actions for option in action.option_strings}


def _sorted(document: Any) -> Any:
    """Lists of rows in no order: neither client promises one where the API doesn't."""
    if isinstance(document, list):
        return sorted((_sorted(item) for item in document), key=lambda item: json.dumps(item, sort_keys=True))
    return {key: _sorted(value) for key, value in document.items()} if isinstance(document, dict) else document
