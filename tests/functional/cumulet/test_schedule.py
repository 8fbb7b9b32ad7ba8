"""Dry run of placement: the scheduler's own reasoning, one server after the other, and nothing claimed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.cloud import CUMULET, MakeCloud


def test_servers_are_spread_until_no_node_has_room_and_nothing_is_claimed(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=2)
    cloud.beat()
    cloud.run_until_idle()

    def ask(**wanted: Any) -> dict[str, Any]:
        asked = {"schedule": {"flavor": "c1.large", "image": cloud.image_id, **wanted}}
        body: dict[str, Any] = cloud.ok(cloud.api.post(f"{CUMULET}/schedule", "admin", json=asked))["schedule"]
        return body

    few = ask(count=2)
    assert (few["placed"], {placement["chosen"] for placement in few["placements"]}) == (2, {"n1", "n2"})
    many = ask(count=20)
    assert many["placed"] < 20
    assert len(many["placements"]) == many["placed"] + 1
    assert many["placements"][-1]["chosen"] is None
    assert many["placements"][-1]["nearest_fix"]
    assert ask(count=20)["placed"] == many["placed"], "nothing was claimed"
    assert {placement["chosen"] for placement in ask(count=1, node="n2")["placements"]} == {"n2"}


@pytest.mark.parametrize(
    ("as_", "asked", "status"),
    [
        ("demo", {"flavor": "c1.tiny"}, 403),
        ("admin", {"flavor": "no-such-flavor"}, 400),
        ("admin", {"flavor": "c1.tiny", "node": "no-such-node"}, 400),
        ("admin", {"flavor": "c1.tiny", "count": 0}, 400),
        ("admin", {}, 400),
    ],
)
def test_what_is_refused(make_cloud: MakeCloud, as_: str, asked: dict[str, Any], status: int) -> None:
    cloud = make_cloud(node_count=1)
    assert cloud.api.post(f"{CUMULET}/schedule", as_, json={"schedule": asked}).status_code == status
