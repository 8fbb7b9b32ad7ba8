"""Why a server is where it is: everything for administrators, the reason without names and amounts for its project."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from common.ids import new_id
from tests.fixtures.api import ApiClient
from tests.functional.cumulet.rows import add_instance, add_operation

FIXED_FORM = {"server", "operation", "chosen", "candidates", "filters", "refusals", "nearest_fix"}
REFUSED: dict[str, Any] = {
    "chosen": None,
    "candidates": 2,
    "filters": [
        {"name": "is_up", "passed": 1, "refused": 1},
        {"name": "fits_memory", "passed": 0, "refused": 1},
    ],
    "scores": [],
    "refusals": [
        {"node": "node1", "filter": "is_up", "reason": "no heartbeat for 40 s", "wanted": None, "free": None},
        {"node": "node2", "filter": "fits_memory", "reason": "512 MiB wanted, 4096 here", "wanted": 512, "free": 100},
    ],
    "nearest_fix": "Free 412 MiB of memory on node node2.",
}  # fmt: skip


def _why(client: ApiClient, server_id: str, as_: str) -> dict[str, Any]:
    reply = client.get(f"/cumulet/v1/servers/{server_id}/why", as_)
    assert reply.status_code == 200, reply.text
    return dict(reply.json or {})


def test_an_administrator_sees_all_of_it(api_client: ApiClient, database_url: str) -> None:
    server = add_instance(api_client, "demo")
    operation = add_operation(api_client, server, reasoning=REFUSED)
    assert _why(api_client, server, "admin") == {"server": server, "operation": operation, **REFUSED}


def test_a_tenant_sees_the_reason_without_names_and_amounts(api_client: ApiClient) -> None:
    server = add_instance(api_client, "demo")
    add_operation(api_client, server, reasoning=REFUSED)
    answer = _why(api_client, server, "demo")
    assert set(answer) >= FIXED_FORM
    text = re.sub(r"[0-9a-f-]{32,}", "", json.dumps(answer))  # without ids, which may hold any number
    assert not any(word in text for word in ("node1", "node2", "512", "4096", "412"))
    host_id = hashlib.sha224(f"{api_client.project_id('demo')}node2".encode()).hexdigest()
    assert answer["refusals"][1] == {
        "node": host_id, "filter": "fits_memory", "reason": "not enough memory is free", "wanted": None, "free": None,
    }  # fmt: skip
    assert answer["filters"] == REFUSED["filters"]
    assert answer["nearest_fix"]


def test_the_node_that_was_chosen(api_client: ApiClient) -> None:
    server = add_instance(api_client, "demo")
    chosen = {
        **REFUSED, "chosen": "node2", "refusals": [], "nearest_fix": "", "scores": [{"node": "node2", "score": 0.5}],
    }  # fmt: skip
    add_operation(api_client, server, reasoning=chosen)
    assert _why(api_client, server, "admin")["chosen"] == "node2"
    answer = _why(api_client, server, "demo")
    assert answer["chosen"] == hashlib.sha224(f"{api_client.project_id('demo')}node2".encode()).hexdigest()
    assert (answer["scores"], answer["nearest_fix"]) == ([], "")


def test_nothing_known_yet(api_client: ApiClient) -> None:
    answer = _why(api_client, add_instance(api_client, "demo"), "demo")
    assert (answer["operation"], answer["chosen"], answer["candidates"], answer["filters"]) == (None, None, 0, [])


def test_a_strangers_server_is_unknown(api_client: ApiClient) -> None:
    server, unknown = add_instance(api_client, "demo"), new_id()
    replies = [api_client.get(f"/cumulet/v1/servers/{name}/why", "other") for name in (server, unknown, "%00")]
    assert [reply.status_code for reply in replies] == [404, 404, 404]
    first, second = (reply.json["error"]["message"] for reply in replies[:2])
    assert first.replace(server, "") == second.replace(unknown, "")
