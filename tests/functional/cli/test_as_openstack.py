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
from tests.fixtures.terminal import typed

#: what there is to compare, by the user who makes it
THINGS = (
    ("demo", "server create --flavor c1.tiny --image guest --network shared --wait compared"),
    ("demo", "port create --network shared compared"),
    ("demo", "volume create --size 1 --property a=b --wait compared"),
    ("demo", "volume snapshot create --volume compared --description d --property a=b --wait compared"),
    ("demo", "volume backup create --name compared --wait compared"),
    ("demo", "server add volume compared compared --wait"),
    ("admin", "network create --external outside"),
    ("admin", "subnet create --network outside --subnet-range 203.0.113.0/24 outside"),
    ("demo", "network create --tag a compared"),
    ("demo", "subnet create --network compared --subnet-range 10.77.0.0/24 compared"),
    ("demo", "router create --external-gateway outside compared"), ("demo", "router add subnet compared compared"),
    ("demo", "floating ip create --tag a outside"), ("demo", "address group create --address 192.0.2.0/24 compared"),
    ("demo", "address scope create compared"),
    ("demo", "subnet pool create --pool-prefix 10.96.0.0/12 --address-scope compared compared"),
    ("demo", "network trunk create --parent-port compared compared"), ("admin", "network qos policy create --share compared"),
    ("admin", "network qos rule create --type bandwidth-limit --max-kbps 1000 --egress compared"),
    ("admin", "group create --description d compared"), ("admin", "group add user compared demo"),
    ("admin", "application credential create --role member --description d compared"),
    ("admin", "aggregate create --zone nova --property a=b compared"),
    ("admin", "server group create --policy anti-affinity compared"), ("admin", "quota set --volumes 8 --floating-ips 6 other"),
    ("admin", "volume type create --description d --property a=b compared"),
    ("admin", "volume qos create --property c=d compared"), ("admin", "volume qos associate compared compared"),
)  # fmt: skip
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
        "availability zone list --long", "catalog list", "catalog show compute",
        "volume list", "volume list --long", "volume show compared", "volume snapshot list", "volume snapshot list --long",
        "volume snapshot show compared", "volume backup list",
        "volume backup list --long", "volume backup show compared", "volume attachment list", "volume type list",
        "volume type list --default",
        "volume type show __DEFAULT__", "volume summary", "volume transfer request list", "server volume list compared",
        "project list --my-projects", "router list", "router list --long", "router show compared", "floating ip list",
        "floating ip list --long", "port list --router compared", "port list --long", "address group list",
        "address group show compared", "address scope list", "address scope show compared", "subnet pool list",
        "subnet pool list --long", "subnet pool show compared", "network rbac list", "network trunk list --long",
        "network trunk show compared", "network subport list --trunk compared", "network list --tags a",
        "network show outside",
    ),
    "admin": (
        "server list --all-projects", "project list", "project list --long", "project show demo", "user list",
        "user list --long", "user show demo", "role list", "role show member", "role assignment list",
        "role assignment list --names", "hypervisor list", "endpoint list", "service list",
        "service list --long", "service show compute", "volume type list --long", "volume type list --encryption-type",
        "volume type show compared", "volume qos list", "volume qos show compared", "volume backend pool list",
        "volume list --all-projects", "volume snapshot list --all-projects", "network qos policy list",
        "network qos policy show compared", "network qos rule list compared", "network qos rule type list",
        "network qos rule type show bandwidth_limit", "network rbac list --long", "network agent list",
        "ip availability list", "ip availability show compared", "network list --long", "aggregate list",
        "aggregate list --long", "aggregate show compared", "server group list", "server group list --long",
        "server group show compared", "quota list --volume",
        "domain list", "domain show default", "group list --long", "group show compared",
        "group list --user demo", "user list --group compared", "region list", "region show RegionOne", "implied role list",
        "application credential list", "application credential show compared", "access rule list", "keypair list --project demo",
    ),
}  # fmt: skip
#: columns only: their values change between two looks, or are the SDK's own invention where the API says nothing
SAME_COLUMNS = {
    "demo": (
        "server show compared",
        "token issue",
        "quota show",
        "quota show --usage",
        "usage show",
        "console url show compared",
    ),
    "admin": (
        "compute service list",
        "compute service list --long",
        "volume service list",
        "volume service list --long",
    ),
}
#: theirs and more: what a hypervisor has, which openstack leaves to the placement service since microversion 2.88
MORE_COLUMNS = ("hypervisor list --long", "hypervisor show node1")
#: ours, which openstack lacks
OWN_OPTIONS = {"--wait"}


@pytest.fixture(scope="module")
def furnished(live_cloud: LiveCloud) -> LiveCloud:
    for user, words in THINGS:
        done = typed(live_cloud, words, user)
        assert done.code == 0, f"cumulet {words}: {done.out}{done.err}"
    return live_cloud


def _ours(cloud: LiveCloud, text: str, user: str) -> Any:
    done = typed(cloud, f"{text} -f json", user)
    assert done.code == 0, f"cumulet {text}: {done.out}{done.err}"
    return done.json


def _words(text: str) -> list[str]:
    return [*shlex.split(text), "-f", "json"]


def _columns(document: Any) -> list[str]:
    return sorted(document[0] if isinstance(document, list) and document else document)


@pytest.mark.parametrize("user", ["demo", "admin"])
def test_the_same_answers(furnished: LiveCloud, user: str) -> None:
    theirs = furnished.openstack(*map(_words, SAME[user]), user=user)
    for text, done in zip(SAME[user], theirs, strict=True):
        ours = _ours(furnished, text, user)
        assert _sorted(ours) == _sorted(done.json), text


@pytest.mark.parametrize("user", ["demo", "admin"])
def test_the_same_columns(furnished: LiveCloud, user: str) -> None:
    theirs = furnished.openstack(*map(_words, SAME_COLUMNS[user]), user=user)
    for text, done in zip(SAME_COLUMNS[user], theirs, strict=True):
        ours = _ours(furnished, text, user)
        assert _columns(ours) == _columns(done.json), text


def test_hypervisors_with_what_they_have(furnished: LiveCloud) -> None:
    theirs = furnished.openstack(*map(_words, MORE_COLUMNS), user="admin")
    for text, done in zip(MORE_COLUMNS, theirs, strict=True):
        ours = _ours(furnished, text, "admin")
        assert set(_columns(ours)) > set(_columns(done.json)) - {"servers"}, text
    (row,) = _ours(furnished, MORE_COLUMNS[0], "admin")
    assert row["vCPUs"] > 0
    assert row["Memory MB"] > 0
    assert {"host_time", "uptime", "users", "load_average"} <= set(_ours(furnished, MORE_COLUMNS[1], "admin"))


def test_quotas_that_the_cloud_has_are_those_of_openstack(furnished: LiveCloud) -> None:
    (theirs,) = furnished.openstack(_words("quota show --usage"))
    ours = _ours(furnished, "quota show --usage", "demo")
    by_name = {row["Resource"]: row for row in theirs.json}
    assert len(ours) >= 30
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
    for group in ("common", "compute.v2", "identity.v3", "image.v2", "network.v2", "volume.v3"):
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
