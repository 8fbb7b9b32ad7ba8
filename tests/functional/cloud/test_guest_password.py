"""The password that a guest leaves for its owner: by its own node, once, until its owner or a rebuild clears it."""

from __future__ import annotations

from werkzeug.test import TestResponse

from common.ids import new_id
from tests.fixtures.cloud import COMPUTE, Cloud, CloudNode


def _headers(node: CloudNode) -> dict[str, str]:
    secret = (node.state_dir / "node.secret").read_text().strip()
    return {"X-Cumulet-Node": node.name, "X-Cumulet-Node-Secret": secret}


def _leave(cloud: Cloud, server_id: str, password: str, **headers: str) -> TestResponse:
    url = f"/cumulet/v1/nodes/servers/{server_id}/password"
    its = _headers(cloud.node_of(server_id)) | headers
    return cloud.api.put(url, None, headers=its, data=password, content_type="text/plain")


def _seen(cloud: Cloud, server_id: str) -> str:
    by_node = cloud.api.get(
        f"/cumulet/v1/nodes/servers/{server_id}/password", None, headers=_headers(cloud.node_of(server_id))
    )
    by_owner = cloud.api.get(f"{COMPUTE}/servers/{server_id}/os-server-password")
    assert by_node.json == by_owner.json
    return str(cloud.ok(by_owner)["password"])


def test_it_is_left_once_read_by_the_owner_and_cleared(cloud: Cloud) -> None:
    server_id = cloud.active()
    url = f"{COMPUTE}/servers/{server_id}/os-server-password"
    assert _seen(cloud, server_id) == ""
    assert _leave(cloud, server_id, "Zmlyc3Q=").status_code == 204
    assert _leave(cloud, server_id, "c2Vjb25k").status_code == 409
    assert _seen(cloud, server_id) == "Zmlyc3Q="
    assert (cloud.api.get(url, "other").status_code, cloud.api.delete(url, "other").status_code) == (404, 404)
    assert cloud.api.delete(url).status_code == 204
    assert _seen(cloud, server_id) == ""
    assert _leave(cloud, server_id, "dGhpcmQ=").status_code == 204
    assert _seen(cloud, server_id) == "dGhpcmQ="


def test_another_guest_in_its_place_leaves_its_own(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.ok(_leave(cloud, server_id, "Zmlyc3Q="))
    cloud.ok(cloud.act(server_id, "rebuild", {"imageRef": cloud.image_id}))
    cloud.run_until_idle()
    assert _seen(cloud, server_id) == ""
    cloud.ok(_leave(cloud, server_id, "c2Vjb25k"))


def test_only_the_node_of_the_guest_may_leave_it(cloud: Cloud) -> None:
    server_id = cloud.active()
    other = next(node for node in cloud.nodes.values() if node is not cloud.node_of(server_id))
    for headers, status in (
        (_headers(other), 404),
        ({"X-Cumulet-Node-Secret": "wrong"}, 401),
        ({"X-Cumulet-Node": ""}, 401),
    ):
        assert _leave(cloud, server_id, "eA==", **headers).status_code == status
    unknown = f"/cumulet/v1/nodes/servers/{new_id()}/password"
    assert cloud.api.get(unknown, None, headers=_headers(other)).status_code == 404
    for bad in ("", "x" * 1021, "\x07", "\u00e9"):
        assert _leave(cloud, server_id, bad).status_code == 400, bad
    assert _seen(cloud, server_id) == ""
