"""Bodies at the edge of what compute takes: each is refused by name or let through, at the microversion it says.

Source: the request schemas of Nova's API reference. The server is nobody's, so what gets past its schema is a 404.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.compute.conftest import NEWEST, URL, Cloud, version

_SERVER = f"{URL}/servers/00000000-dead-4bad-8bad-000000000000"
_ACTION, _PORTS, _VOLUMES = f"{_SERVER}/action", f"{_SERVER}/os-interface", f"{_SERVER}/os-volume_attachments"
_HOSTED = f"{URL}/os-aggregates/4711/action"
_IMAGE = "11111111-2222-4333-8444-555555555555"

LET_THROUGH: list[tuple[str, str, Any]] = [
    *(
        ("2.1", _ACTION, {name: value})
        for name in ("os-start", "os-stop", "pause", "unpause", "suspend", "resume", "shelve", "shelveOffload",
                     "unshelve", "confirmResize", "revertResize", "unrescue", "restore", "forceDelete", "lock", "unlock")
        for value in (None, {}, "", "now", {"now": True}, ["now"])
    ),
    ("2.91", _ACTION, {"unshelve": {}}),
    ("2.104", _PORTS, {}),
    ("2.90", _ACTION, {"rebuild": {"imageRef": _IMAGE, "hostname": "web"}}),
    ("2.94", _ACTION, {"rebuild": {"imageRef": _IMAGE, "hostname": "web.example.com"}}),
    ("2.1", _ACTION, {"addSecurityGroup": {"name": " web "}}),
    ("2.1", _ACTION, {"createBackup": {"name": "b", "backup_type": "daily", "rotation": "2147483647"}}),
]  # fmt: skip
REFUSED: list[tuple[str, str, Any, str]] = [
    ("2.1", _ACTION, {"pause": {"now": {"a": {}}}}, "pause"),
    ("2.77", _ACTION, {"unshelve": {}}, "availability_zone"),
    ("2.89", _ACTION, {"rebuild": {"imageRef": _IMAGE, "hostname": "web"}}, "hostname"),
    ("2.93", _ACTION, {"rebuild": {"imageRef": _IMAGE, "hostname": "web.example.com"}}, "hostname"),
    ("2.63", _ACTION, {"rebuild": {"imageRef": _IMAGE, "trusted_image_certificates": []}}, "trusted_image_certificates"),
    ("2.1", _HOSTED, {"add_host": {"host": "a b"}}, "host"),
    ("2.1", _HOSTED, {"remove_host": {"host": "a/b"}}, "host"),
    ("2.56", _ACTION, {"migrate": {"host": "a:b"}}, "host"),
    ("2.30", _ACTION, {"os-migrateLive": {"host": "a,b", "block_migration": "auto"}}, "host"),
    ("2.14", _ACTION, {"evacuate": {"host": "a b"}}, "host"),
    ("2.1", _VOLUMES, {"volumeAttachment": {"volumeId": _IMAGE, "device": "vdb"}}, "device"),
    ("2.1", _VOLUMES, {"volumeAttachment": {"volumeId": _IMAGE, "device": "/dev/"}}, "device"),
    ("2.1", _ACTION, {"createBackup": {"name": "b", "backup_type": "daily", "rotation": "2147483648"}}, "rotation"),
    ("2.1", f"{URL}/flavors/tiny/os-extra_specs", {"extra_specs": {"quick": True}}, "quick"),
]


def test_bodies_that_are_let_through(cloud: Cloud) -> None:
    for text, path, body in LET_THROUGH:
        reply = cloud.api.post(path, "admin", headers=version(text), json=body)
        assert reply.status_code == 404, (text, path, body, reply.text)


def test_bodies_that_are_refused_by_name(cloud: Cloud) -> None:
    for text, path, body, name in REFUSED:
        reply = cloud.api.post(path, "admin", headers=version(text), json=body)
        assert reply.status_code == 400, (text, path, body, reply.text)
        assert name in reply.json["badRequest"]["message"], (body, reply.text)


@pytest.mark.parametrize("name", ["x", "9"])
def test_a_host_name_may_be_one_letter_since_2_94(cloud: Cloud, name: str) -> None:
    reply = cloud.create(hostname=name)
    assert reply.status_code == 202, reply.text
    assert cloud.show(reply.json["server"]["id"], "demo")["OS-EXT-SRV-ATTR:hostname"] == name
    older = cloud.api.post(f"{URL}/servers", headers=version("2.93"), json=cloud.body(hostname=name))
    assert older.status_code == 400


def test_a_rebuild_gives_another_host_name(cloud: Cloud) -> None:
    server_id = cloud.active()
    body = {"rebuild": {"imageRef": cloud.image_id, "hostname": "new.example.com"}}
    reply = cloud.api.post(f"{URL}/servers/{server_id}/action", headers=NEWEST, json=body)
    assert (reply.status_code, reply.json["server"]["OS-EXT-SRV-ATTR:hostname"]) == (202, "new.example.com")
    assert cloud.show(server_id)["OS-EXT-SRV-ATTR:hostname"] == "new.example.com"


def test_a_class_of_quota_takes_server_groups_before_it_shows_them(cloud: Cloud) -> None:
    body = {"quota_class_set": {"server_groups": "2147483647", "server_group_members": 7}}
    path = f"{URL}/os-quota-class-sets/default"
    reply = cloud.api.put(path, "admin", headers=version("2.49"), json=body)
    assert (reply.status_code, "server_groups" in reply.json["quota_class_set"]) == (200, False), reply.text
    shown = cloud.api.get(path, "admin", headers=version("2.50")).json["quota_class_set"]
    assert (shown["server_groups"], shown["server_group_members"]) == (2147483647, 7)
