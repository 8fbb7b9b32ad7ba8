"""Rebuild on the whole cloud: what changes, what stays, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from common.db.models import Instance
from common.ids import new_id
from compute_agent.metadata import documents
from scheduler import instance_spec
from tests.fixtures.cloud import COMPUTE, PUBLIC_KEY, Cloud


def rebuild(cloud: Cloud, server_id: str, version: str = "2.79", **wanted: Any) -> Any:
    body = {"rebuild": {"imageRef": cloud.image_id, **wanted}}
    headers = {"OpenStack-API-Version": f"compute {version}"}
    return cloud.api.post(f"{COMPUTE}/servers/{server_id}/action", headers=headers, json=body)


def test_new_disks_and_what_was_asked_for(cloud: Cloud) -> None:
    server_id = cloud.active(metadata={"a": "1"}, description="old")
    before, other = cloud.show(server_id), cloud._image()
    disk = cloud.node_of(server_id).state_dir / "instances" / server_id / "disk"
    disk.write_text("old")
    key = {"keypair": {"name": "second", "public_key": PUBLIC_KEY}}
    cloud.ok(cloud.api.post(f"{COMPUTE}/os-keypairs", json=key))
    data = base64.b64encode(b"#!/bin/sh").decode()
    reply = rebuild(
        cloud, server_id, imageRef=other, name="new", metadata={"b": "2"}, description="new", key_name="second",
        user_data=data, accessIPv4="192.0.2.9", **{"OS-DCF:diskConfig": "AUTO"},
    )  # fmt: skip
    body = cloud.ok(reply)["server"]
    assert reply.status_code == 202
    assert reply.headers["Location"].endswith(f"/servers/{server_id}")
    assert (body["status"], body["user_data"], body["image"]["id"]) == ("REBUILD", data, other)
    cloud.run_until_idle()
    after = cloud.show(server_id)
    assert (after["status"], after["name"], after["metadata"]) == ("ACTIVE", "new", {"b": "2"})
    assert (after["description"], after["key_name"], after["accessIPv4"]) == ("new", "second", "192.0.2.9")
    assert after["image"]["id"] == other
    assert (after["addresses"], after["id"]) == (before["addresses"], server_id)
    assert not disk.exists()
    assert cloud.used() == {"Instances": 1, "Cores": 1, "RAM": 128}


def test_what_is_not_named_stays(cloud: Cloud) -> None:
    server_id = cloud.active(metadata={"a": "1"}, description="kept")
    before = cloud.show(server_id)
    cloud.ok(rebuild(cloud, server_id))
    cloud.run_until_idle()
    after = cloud.show(server_id)
    for name in ("name", "metadata", "description", "key_name", "addresses", "image"):
        assert after[name] == before[name], name


def test_a_stopped_server_stays_stopped_and_one_in_error_comes_back(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "os-stop")
    cloud.ok(rebuild(cloud, server_id))
    assert cloud.status(server_id) == "REBUILD"
    cloud.run_until_idle()
    assert cloud.status(server_id) == "SHUTOFF"
    cloud.do(server_id, "os-start")
    cloud.node_of(server_id).fault(ensure_running={"code": "hypervisor_error", "message": "no"})
    cloud.ok(rebuild(cloud, server_id))
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ERROR"
    assert cloud.show(server_id)["fault"]["message"] == "no"
    cloud.node_of(server_id).fault()
    cloud.ok(rebuild(cloud, server_id))
    cloud.run_until_idle()
    shown = cloud.show(server_id)
    assert (shown["status"], "fault" in shown) == ("ACTIVE", False)


@pytest.mark.parametrize("verb", ["ensure_absent", "ensure_running"])
@pytest.mark.parametrize("after", [False, True])
def test_an_agent_killed_in_it(cloud: Cloud, verb: str, after: bool) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).kill_in(verb, after=after)
    cloud.ok(rebuild(cloud, server_id))
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ACTIVE"


def test_deleted_while_it_is_rebuilt(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.ok(rebuild(cloud, server_id))
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""


def file(path: str, contents: bytes) -> dict[str, str]:
    return {"path": path, "contents": base64.b64encode(contents).decode()}


def told_of_files(cloud: Cloud, server_id: str) -> tuple[bool, dict[str, bytes]]:
    """Whether the node makes a config drive, and the injected files that it writes there."""
    with cloud.db.read() as session:
        spec = instance_spec.build(session, session.get_one(Instance, server_id), cloud.config)
    written = documents.config_drive_files(documents.facts_of(spec, domain=""))
    listed = json.loads(written["openstack/latest/meta_data.json"]).get("files", [])
    return spec.config_drive, {each["path"]: written[f"openstack{each['content_path']}"] for each in listed}


def test_injected_files_are_on_a_config_drive(cloud: Cloud) -> None:
    old = {"OpenStack-API-Version": "compute 2.56"}

    def ask(*files: dict[str, str], **more: Any) -> Any:
        server = {"name": "web", "imageRef": cloud.image_id, "flavorRef": cloud.flavor_id, "networks": "auto", **more}
        body = {"server": {**server, "personality": list(files)}}
        return cloud.api.post(f"{COMPUTE}/servers", headers=old, json=body)

    limits = cloud.ok(cloud.api.get(f"{COMPUTE}/limits", headers=old))["limits"]["absolute"]
    most = limits["maxPersonality"]
    fill = [file(f"/etc/{number}", b"x" * limits["maxPersonalitySize"]) for number in range(most)]
    for refused, status in (
        ([*fill, file("/etc/one-more", b"")], 403), ([file("/" + "x" * 255, b"")], 403),
        ([file("/etc/x", b"x" * (limits["maxPersonalitySize"] + 1))], 403), ([{"path": "/x", "contents": "?"}], 400),
        ([{"path": "/x"}], 400),
    ):  # fmt: skip
        assert ask(*refused).status_code == status, refused[-1]["path"][:20]
    server_id = cloud.ok(ask(*fill))["server"]["id"]
    cloud.run_until_idle()
    assert cloud.show(server_id)["config_drive"] == "True"
    assert told_of_files(cloud, server_id) == (True, {f"/etc/{n}": b"x" * 10240 for n in range(most)})
    cloud.ok(rebuild(cloud, server_id, "2.56", personality=[file("motd", b"again")]))
    cloud.run_until_idle()
    assert told_of_files(cloud, server_id) == (True, {"motd": b"again"})


def test_a_rebuild_with_files_gives_a_config_drive_to_a_server_that_had_none(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert told_of_files(cloud, server_id) == (False, {})
    cloud.ok(rebuild(cloud, server_id, "2.56", personality=[file("/etc/motd", b"hello")]))
    cloud.run_until_idle()
    assert told_of_files(cloud, server_id) == (True, {"/etc/motd": b"hello"})


def test_each_microversion_takes_and_shows_its_own(cloud: Cloud) -> None:
    server_id = cloud.active()
    for version, wanted in (
        ("2.18", {"description": "x"}), ("2.53", {"key_name": None}), ("2.56", {"user_data": None}),
        ("2.57", {"personality": []}), ("2.62", {"trusted_image_certificates": None}), ("2.79", {"hostname": "x"}),
    ):  # fmt: skip
        assert rebuild(cloud, server_id, version, **wanted).status_code == 400, (version, wanted)
    shown = {}
    for version in ("2.1", "2.54", "2.57", "2.75"):
        shown[version] = set(cloud.ok(rebuild(cloud, server_id, version))["server"])
        cloud.run_until_idle()
    assert "key_name" not in shown["2.1"]
    assert "key_name" in shown["2.54"]
    assert "user_data" not in shown["2.54"]
    assert "user_data" in shown["2.57"]
    assert "OS-EXT-STS:vm_state" not in shown["2.57"]
    assert "OS-EXT-STS:vm_state" in shown["2.75"]


def test_refusals_change_nothing(cloud: Cloud) -> None:
    server_id = cloud.active()
    before = cloud.show(server_id)
    assert rebuild(cloud, server_id, imageRef=new_id()).status_code == 400
    assert rebuild(cloud, server_id, imageRef="not-an-id").status_code == 400
    assert rebuild(cloud, server_id, key_name="nobody's").status_code == 400
    assert rebuild(cloud, server_id, user_data="not base64!").status_code == 400
    assert rebuild(cloud, server_id, metadata={f"k{n}": "v" for n in range(129)}).status_code == 403
    assert cloud.show(server_id) == before
    cloud.do(server_id, "pause")
    assert rebuild(cloud, server_id).status_code == 409
