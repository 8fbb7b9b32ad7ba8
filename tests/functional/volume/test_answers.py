"""Answers that clients of Cinder know: which fields, which refusals, which page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.cloud import Cloud
from tests.functional.volume.caller import Caller

NOBODY = "78f09709-68d3-4dfb-bc7d-e8091a20f5a2"


@pytest.fixture
def call(cloud: Cloud) -> Caller:
    return Caller(cloud.api)


@pytest.mark.parametrize(
    ("method", "path", "body", "expect"),
    [
        ("POST", "/volumes", {"volume": {"size": "0"}}, 400),
        ("POST", "/volumes", {"volume": {"size": "-1"}}, 400),
        ("POST", "/volumes", {"volume": {"size": "99999999999"}}, 400),
        ("POST", "/volumes", {"volume": {"size": "1"}}, 202),
        ("POST", "/snapshots", {"snapshot": {"volume_id": None}}, 404),
        ("GET", "/volumes/", None, 404),
        ("GET", "/volumes", None, 200),
        ("GET", f"/volumes?marker={NOBODY}", None, 404),
        ("GET", f"/snapshots?marker={NOBODY}", None, 404),
        ("GET", "/snapshots?offset=-1", None, 400),
    ],
)
def test_what_is_refused_and_how(call: Caller, method: str, path: str, body: Any, expect: int) -> None:
    call.call(method, path, "demo", expect, "3.71", **({} if body is None else {"json": body}))


def test_pages_begin_at_an_offset(call: Caller) -> None:
    made = [call.volume() for _ in range(3)]
    listed = call.get("/volumes?sort=created_at:asc,id:asc&offset=1&limit=1")
    every = [each["id"] for each in call.get("/volumes?sort=created_at:asc,id:asc")["volumes"]]
    assert ([each["id"] for each in listed["volumes"]], sorted(every)) == (every[1:2], sorted(made))
    [link] = listed["volumes_links"]
    assert "offset" not in link["href"], "the marker of the next page counts from its own place"
    assert f"marker={every[1]}" in link["href"]


def test_a_creation_tells_less_than_the_volume_does(call: Caller, cloud: Cloud) -> None:
    made = call.post("/volumes", {"volume": {"imageRef": cloud.image_id, "size": 1}}, "admin")["volume"]
    shown = call.get(f"/volumes/{made['id']}", "admin")["volume"]
    changed = call.put(f"/volumes/{made['id']}", {"volume": {"name": "n"}}, "admin")["volume"]
    more = {name for name in shown if name.startswith("os-vol-")} | {"volume_image_metadata"}
    assert len(more) == 5
    assert set(shown) - set(made) == more == set(shown) - set(changed)


def test_a_volume_that_came_to_no_node_is_gone_when_its_deletion_is_answered(call: Caller, cloud: Cloud) -> None:
    kind = call.volume_type(extra_specs={"vendor_name": "nobody"})
    volume_id = call.volume(volume_type=kind["id"])
    cloud.run_until_idle()
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "error"
    call.delete(f"/volumes/{volume_id}")
    call.get(f"/volumes/{volume_id}", expect=404)
    call.delete(f"/types/{kind['id']}", "admin")
    assert call.get(f"/os-quota-sets/{cloud.api.project_id('demo')}?usage=True")["quota_set"]["volumes"]["in_use"] == 0


def test_whoever_has_a_snapshot_made_tells_how_far_it_is(call: Caller, cloud: Cloud) -> None:
    volume_id = call.volume()
    cloud.run_until_idle()
    made = call.post("/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    told = {"os-update_snapshot_status": {"status": "creating", "progress": "80%"}}
    call.post(f"/snapshots/{made['id']}/action", told, "reader", 403)
    call.post(f"/snapshots/{made['id']}/action", told)
    assert call.get(f"/snapshots/{made['id']}")["snapshot"]["os-extended-snapshot-attributes:progress"] == "80%"
    cloud.run_until_idle()
