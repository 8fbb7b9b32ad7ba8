"""Groups of volumes in the whole cloud: their volumes, snapshots of them, copies of them, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.cloud import Cloud
from tests.functional.volume.caller import Caller


class Groups:
    """A volume type and a group type, and groups of them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.call = cloud, Caller(cloud.api)
        self.volume_type = self.call.volume_type("grouped")["id"]
        self.group_type = self.call.group_type()

    def group(self, name: str = "db", volumes: int = 0) -> str:
        wish = {"name": name, "group_type": self.group_type, "volume_types": [self.volume_type]}
        group_id = str(self.call.post("/groups", {"group": wish})["group"]["id"])
        for number in range(volumes):
            self.call.volume(name=f"v{number}", volume_type=self.volume_type, group_id=group_id)
        self.cloud.run_until_idle()
        return group_id

    def show(self, group_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call.get(f"/groups/{group_id}?list_volume=True")["group"]
        return found

    def volumes(self, group_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call.get(f"/volumes/detail?group_id={group_id}")["volumes"]
        return found

    def snapshot(self, group_id: str) -> str:
        made = self.call.post("/group_snapshots", {"group_snapshot": {"group_id": group_id, "name": "monday"}})
        self.cloud.run_until_idle()
        return str(made["group_snapshot"]["id"])

    def used(self) -> int:
        where = f"/os-quota-sets/{self.cloud.api.project_id('demo')}?usage=True"
        return int(self.call.get(where)["quota_set"]["groups"]["in_use"])


@pytest.fixture
def groups(cloud: Cloud) -> Groups:
    return Groups(cloud)


def test_a_group_has_volumes_of_its_types(groups: Groups) -> None:
    group_id = groups.group(volumes=2)
    shown = groups.show(group_id)
    assert (shown["status"], shown["group_type"], shown["volume_types"]) == (
        "available", groups.group_type, [groups.volume_type],
    )  # fmt: skip
    assert shown["volumes"] == sorted(shown["volumes"], key=[row["id"] for row in groups.volumes(group_id)][::-1].index)
    assert {row["status"] for row in groups.volumes(group_id)} == {"available"}
    wrong = {"volume": {"size": 1, "group_id": group_id}}
    groups.call.post("/volumes", wrong, expect=400)  # of the default type
    groups.call.post("/volumes", wrong, "other", expect=404)
    assert "volumes" not in groups.call.get(f"/groups/{group_id}?list_volume=True", at="3.24")["group"]
    assert groups.used() == 1


def test_volumes_join_and_leave(groups: Groups) -> None:
    group_id = groups.group(volumes=1)
    member = groups.volumes(group_id)[0]["id"]
    loose, plain = groups.call.volume(volume_type=groups.volume_type), groups.call.volume()
    groups.cloud.run_until_idle()
    where = f"/groups/{group_id}"
    groups.call.put(where, {"group": {"name": "web", "add_volumes": loose, "remove_volumes": member}}, expect=202)
    assert (groups.show(group_id)["name"], groups.show(group_id)["volumes"]) == ("web", [loose])
    groups.call.put(where, {"group": {"add_volumes": plain}}, expect=400)
    groups.call.put(where, {"group": {"remove_volumes": member}}, expect=400)
    groups.call.put(where, {"group": {"add_volumes": loose}}, expect=400)
    groups.call.put(where, {"group": {}}, expect=400)
    groups.call.delete(f"/volumes/{loose}", expect=400)


def test_a_group_goes_with_its_last_volume(groups: Groups) -> None:
    full, empty = groups.group(volumes=2), groups.group()
    where = f"/groups/{full}/action"
    groups.call.post(where, {"delete": {"delete-volumes": False}}, expect=400)
    groups.call.post(where, {"delete": {"delete-volumes": True}})
    assert groups.show(full)["status"] == "deleting"
    groups.cloud.run_until_idle()
    groups.call.get(f"/groups/{full}", expect=404)
    assert groups.volumes(full) == []
    groups.call.post(f"/groups/{empty}/action", {"delete": {}})
    assert groups.call.get("/groups/detail")["groups"] == []
    assert groups.used() == 0


def test_a_group_whose_volume_could_not_be_deleted_says_so(groups: Groups) -> None:
    group_id = groups.group(volumes=2)
    for node in groups.cloud.nodes.values():
        for path in (node.state_dir / "volumes").iterdir():
            if path.is_file():
                path.unlink()
                path.mkdir()  # what can't be unlinked
                (path / "x").touch()
                break
        else:
            continue
        break
    groups.cloud.tolerated.add("allocation")
    groups.call.post(f"/groups/{group_id}/action", {"delete": {"delete-volumes": True}})
    groups.cloud.run_until_idle()
    assert groups.show(group_id)["status"] == "error_deleting"
    for path in (node.state_dir / "volumes").iterdir():
        if path.is_dir() and path.name != "notes":
            (path / "x").unlink()
            path.rmdir()
    groups.call.post(f"/groups/{group_id}/action", {"delete": {"delete-volumes": True}})
    groups.cloud.run_until_idle()
    groups.call.get(f"/groups/{group_id}", expect=404)


def test_snapshots_of_a_group_and_a_group_made_of_them(groups: Groups) -> None:
    group_id = groups.group(volumes=2)
    snapshot_id = groups.snapshot(group_id)
    shown = groups.call.get(f"/group_snapshots/{snapshot_id}")["group_snapshot"]
    assert (shown["status"], shown["name"], shown["group_id"]) == ("available", "monday", group_id)
    groups.call.post(f"/groups/{group_id}/action", {"delete": {"delete-volumes": True}}, expect=400)
    source = {"create-from-src": {"name": "again", "group_snapshot_id": snapshot_id}}
    copy = groups.call.post("/groups/action", source)["group"]["id"]
    assert groups.show(copy)["status"] == "creating"
    groups.cloud.run_until_idle()
    assert groups.show(copy).items() >= {"status": "available", "group_snapshot_id": snapshot_id}.items()
    assert [row["snapshot_id"] is not None for row in groups.volumes(copy)] == [True, True]
    groups.call.delete(f"/group_snapshots/{snapshot_id}")
    groups.call.delete(f"/group_snapshots/{snapshot_id}", expect=400)
    groups.cloud.run_until_idle()
    groups.call.get(f"/group_snapshots/{snapshot_id}", expect=404)
    for each in (group_id, copy):
        groups.call.post(f"/groups/{each}/action", {"delete": {"delete-volumes": True}})
    groups.cloud.run_until_idle()
    assert groups.call.get("/groups")["groups"] == []


def test_a_copy_of_a_group(groups: Groups) -> None:
    group_id = groups.group(volumes=2)
    source = {"create-from-src": {"name": "twin", "source_group_id": group_id}}
    copy = groups.call.post("/groups/action", source)["group"]["id"]
    groups.cloud.run_until_idle()
    assert groups.show(copy).items() >= {"status": "available", "source_group_id": group_id}.items()
    assert {row["source_volid"] for row in groups.volumes(copy)} == {row["id"] for row in groups.volumes(group_id)}
    empty = groups.group("nothing")
    groups.call.post("/groups/action", {"create-from-src": {"source_group_id": empty}}, expect=400)
    groups.call.post("/groups/action", {"create-from-src": {"name": "of nothing"}}, expect=400)


def test_status_is_reset_by_administrators(groups: Groups) -> None:
    group_id = groups.group(volumes=1)
    snapshot_id = groups.snapshot(group_id)
    for where, show in (
        (f"/groups/{group_id}", "group"), (f"/group_snapshots/{snapshot_id}", "group_snapshot"),
    ):  # fmt: skip
        for status in ("error", "creating", "available"):
            groups.call.post(f"{where}/action", {"reset_status": {"status": status}}, "admin")
            assert groups.call.get(where)[show]["status"] == status
        groups.call.post(f"{where}/action", {"reset_status": {"status": "broken"}}, "admin", 400)
        groups.call.post(f"{where}/action", {"reset_status": {"status": "error"}}, "demo", 403)


def test_quota_of_groups(groups: Groups) -> None:
    where = f"/os-quota-sets/{groups.cloud.api.project_id('demo')}"
    groups.call.put(where, {"quota_set": {"groups": 1}}, "admin")
    groups.group()
    wish = {"group": {"group_type": groups.group_type, "volume_types": [groups.volume_type]}}
    groups.call.post("/groups", wish, expect=413)


def test_group_types_are_seen_unless_private(groups: Groups) -> None:
    call = groups.call
    private = call.group_type("hidden", is_public=False, group_specs={"a": "b"})
    call.get(f"/group_types/{private}", "demo", 404)
    assert call.get(f"/group_types/{private}", "admin")["group_type"]["group_specs"] == {"a": "b"}
    assert [row["name"] for row in call.get("/group_types?is_public=None")["group_types"]] == ["kind"]
    named = call.get("/group_types?is_public=None&sort=name:asc", "admin")["group_types"]
    assert [row["name"] for row in named] == ["hidden", "kind"]
    assert call.post("/group_types", {"group_type": {"name": "kind"}}, "admin", 409)
    assert call.put(f"/group_types/{private}", {"group_type": {"name": "seen", "is_public": True}}, "admin")
    assert call.get(f"/group_types/{private}")["group_type"]["name"] == "seen"
    specs = f"/group_types/{private}/group_specs"
    assert call.post(specs, {"group_specs": {"c": "d"}}, "admin") == {"group_specs": {"c": "d"}}
    assert call.put(f"{specs}/c", {"c": "e"}, "admin") == {"c": "e"}
    assert call.get(specs, "admin") == {"group_specs": {"a": "b", "c": "e"}}
    call.delete(f"{specs}/c", "admin")
    call.get(f"{specs}/c", "admin", 404)
    groups.group()
    call.delete(f"/group_types/{groups.group_type}", "admin", 400)
    call.delete(f"/group_types/{private}", "admin")
    call.get(f"/group_types/{private}", "admin", 404)
    call.get("/group_types", at="3.10", expect=404)
