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
    (
        "2.63",
        _ACTION,
        {"rebuild": {"imageRef": _IMAGE, "trusted_image_certificates": []}},
        "trusted_image_certificates",
    ),
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


def test_lists_of_flavors_look_at_what_they_are_asked_for(cloud: Cloud) -> None:
    def ask(text: str, what: str) -> int:
        return cloud.api.get(f"{URL}/flavors?{what}", headers=version(text)).status_code

    assert [ask(text, "colour=1") for text in ("2.74", "2.75", "2.101")] == [200, 400, 400]
    assert [ask(text, "name=c1.tiny") for text in ("2.74", "2.101", "2.102")] == [200, 400, 200]
    assert [ask("2.1", f"sort_dir={way}") for way in ("desc", "up", "asc&sort_dir=x")] == [200, 400, 400]
    tags = f"{URL}/servers/{cloud.server()}/tags?colour=1"
    assert cloud.api.get(tags, headers=NEWEST).status_code == 200


def test_what_the_manager_of_a_project_may_move(cloud: Cloud) -> None:
    """Of its own servers, to no host by name; and see what has been moved, not from where to where."""
    server_id, theirs = cloud.active(), cloud.active("other", networks="none")

    def act(server: str, name: str, value: Any, as_: str) -> int:
        path = f"{URL}/servers/{server}/action"
        return cloud.api.post(path, as_, headers=NEWEST, json={name: value}).status_code

    live = {"host": None, "block_migration": "auto"}
    assert act(server_id, "os-migrateLive", live, "manager") == 400, "it may, but this cloud can't"
    assert act(server_id, "os-migrateLive", {**live, "host": "node1"}, "manager") == 403
    assert act(server_id, "migrate", {"host": "node1"}, "manager") == 403
    assert [act(server_id, "migrate", None, who) for who in ("demo", "manager")] == [403, 202]
    assert act(theirs, "migrate", None, "manager") == 404
    assert cloud.api.get(f"{URL}/servers/{server_id}/migrations", "manager", headers=NEWEST).json == {"migrations": []}
    for query, status in (("", 403), (f"?project_id={cloud.api.project_id('other')}", 403),
                          (f"?project_id={cloud.api.project_id('demo')}", 200)):  # fmt: skip
        reply = cloud.api.get(f"{URL}/os-migrations{query}", "manager", headers=NEWEST)
        assert reply.status_code == status, query
    (moved,) = reply.json["migrations"]
    assert (moved["instance_uuid"], moved["source_compute"]) == (server_id, None)
    (told,) = cloud.api.get(f"{URL}/os-migrations", "admin", headers=NEWEST).json["migrations"]
    assert told["source_compute"] == "node1"
