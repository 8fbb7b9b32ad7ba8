"""Nodes for administrators, and the one thing an agent may fetch: images that it needs now."""

from __future__ import annotations

import hashlib

from common.clock import ManualClock
from common.db import nodes
from common.db.models import Service
from common.ids import new_id
from common.states import OperationState
from tests.fixtures.api import ApiClient
from tests.functional.cumulet.rows import SECRET, add_instance, add_node, add_operation, claim
from tests.functional.image.helpers import DATA, V2, register, uploaded

PATH = "/cumulet/v1/nodes"


def test_version(api_client: ApiClient) -> None:
    assert api_client.get("/cumulet/v1", None).json["version"]["status"] == "CURRENT"


def test_nodes(api_client: ApiClient, manual_clock: ManualClock) -> None:
    node_id = add_node(api_client.services, "node1")
    add_node(api_client.services, "node2", heartbeat=False)
    manual_clock.advance(12)
    first, second = api_client.get(PATH, "admin").json["nodes"]
    assert (first["name"], first["state"], first["status"], first["heartbeat_age_s"]) == (
        "node1",
        "up",
        "enabled",
        12.0,
    )
    assert first["capacity"] == {"vcpus": 4, "memory_mib": 4096, "disk_gib": 100}
    assert first["claimable"] == {"vcpus": 16, "memory_mib": 4096 - 512, "disk_gib": 98}
    assert first["used"] == {"load_1m": 0.25, "memory_mib": 1500, "disk_free_gib": 80}
    assert (second["state"], second["heartbeat_age_s"]) == ("down", None)
    assert api_client.get(f"{PATH}/node1", "admin").json["node"] == first
    assert api_client.get(f"{PATH}/{node_id}", "admin").json["node"] == first
    manual_clock.advance(60)
    assert api_client.get(f"{PATH}/node1", "admin").json["node"]["state"] == "down"
    assert api_client.get(f"{PATH}/node9", "admin").status_code == 404
    assert api_client.get(PATH).status_code == 403
    assert api_client.get(PATH, None).status_code == 401


def test_a_disabled_node_says_why(api_client: ApiClient) -> None:
    add_node(api_client.services, "node1")
    with api_client.services.db.write() as session:
        ((_, service),) = nodes.with_services(session)
        found = session.get(Service, service.number)
        assert found is not None
        found.disabled, found.disabled_reason = True, "new memory"
    node = api_client.get(f"{PATH}/node1", "admin").json["node"]
    assert (node["status"], node["disabled_reason"]) == ("disabled", "new memory")


def _fetch(client: ApiClient, image_id: str, node: str = "node1", secret: str = SECRET) -> tuple[int, bytes]:
    headers = {"X-Cumulet-Node": node, "X-Cumulet-Node-Secret": secret}
    reply = client.get(f"{PATH}/images/{image_id}/file", None, headers=headers)
    if reply.status_code == 200:
        assert reply.headers["X-Image-Sha512"] == hashlib.sha512(reply.data).hexdigest()
        assert reply.headers["Content-Length"] == str(len(reply.data))
    return reply.status_code, reply.data


def test_an_agent_gets_the_images_of_its_instances_only(api_client: ApiClient, database_url: str) -> None:
    first, second = add_node(api_client.services, "node1"), add_node(api_client.services, "node2")
    image, unused = uploaded(api_client, visibility="private"), uploaded(api_client)
    assert _fetch(api_client, image["id"])[0] == 404
    instance = add_instance(api_client, "demo", image["id"], first)
    assert _fetch(api_client, image["id"]) == (200, DATA)
    assert _fetch(api_client, image["id"], "node2")[0] == 404
    assert _fetch(api_client, unused["id"])[0] == 404
    claim(api_client.services, instance, second)
    assert _fetch(api_client, image["id"], "node2")[0] == 404, "a claim without open work is no reason"
    add_operation(api_client, instance, state=OperationState.RUNNING)
    assert _fetch(api_client, image["id"], "node2") == (200, DATA)
    api_client.post(f"{V2}/{image['id']}/actions/deactivate")
    assert _fetch(api_client, image["id"])[0] == 404


def test_who_is_no_node_gets_nothing(api_client: ApiClient) -> None:
    node = add_node(api_client.services, "node1")
    image = uploaded(api_client, visibility="public", as_="admin")
    add_instance(api_client, "demo", image["id"], node)
    for name, secret in (("node1", "wrong"), ("node1", ""), ("node9", SECRET), ("", SECRET), ("", "")):
        assert _fetch(api_client, image["id"], name, secret)[0] == 401
    for who in (None, "demo", "admin"):
        assert api_client.get(f"{PATH}/images/{image['id']}/file", who).status_code == 401
    headers = {"X-Cumulet-Node": "node1", "X-Cumulet-Node-Secret": SECRET}
    assert api_client.get(PATH, None, headers=headers).status_code == 401, "a node's secret is no administrator's token"
    assert _fetch(api_client, new_id())[0] == 404
    assert _fetch(api_client, register(api_client)["id"])[0] == 404
