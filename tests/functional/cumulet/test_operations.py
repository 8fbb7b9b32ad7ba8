"""Operations: each project its own, administrators all, with as much of them as each may know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from common.ids import new_id
from common.states import OperationState
from tests.fixtures.api import ApiClient
from tests.functional.cumulet.rows import add_instance, add_operation

PATH = "/cumulet/v1/operations"
ERROR = {"code": "hypervisor_error", "message": "it did not start", "detail": "/var/lib/secret path", "node": "node1"}


def _ids(client: ApiClient, query: str = "", as_: str = "demo") -> list[str]:
    reply = client.get(f"{PATH}?{query}", as_)
    assert reply.status_code == 200, reply.text
    return [item["id"] for item in reply.json["operations"]]


def test_lists(api_client: ApiClient, database_url: str) -> None:
    mine, theirs = add_instance(api_client, "demo"), add_instance(api_client, "other")
    done = add_operation(api_client, mine)
    stuck = add_operation(api_client, mine, state=OperationState.STUCK)
    strange = add_operation(api_client, theirs)
    assert sorted(_ids(api_client)) == sorted([done, stuck])
    assert _ids(api_client, "state=stuck") == _ids(api_client, "stuck=true") == [stuck]
    assert sorted(_ids(api_client, "state=stuck,done")) == sorted([done, stuck])
    assert _ids(api_client, f"resource={theirs}") == []
    assert _ids(api_client, as_="admin") == []
    assert sorted(_ids(api_client, "all_projects=true", "admin")) == sorted([done, stuck, strange])
    assert _ids(api_client, f"all_projects=1&resource={theirs}", "admin") == [strange]
    newest, older = _ids(api_client)
    assert _ids(api_client, "limit=1") == [newest]
    assert _ids(api_client, f"limit=1&marker={newest}") == [older]
    assert _ids(api_client, f"marker={older}") == []
    assert api_client.get(f"{PATH}?limit=1").json["next_marker"] == newest
    assert api_client.get(f"{PATH}").json["next_marker"] is None
    assert api_client.get(f"{PATH}?marker={strange}").status_code == 400
    assert api_client.get(f"{PATH}?all_projects=true").status_code == 403


def test_stuck_ones_and_late_ones_with_what_they_wait_for(api_client: ApiClient, database_url: str) -> None:
    mine, now = add_instance(api_client, "demo"), api_client.services.clock.now()
    late = add_operation(
        api_client, mine, state=OperationState.RUNNING, step="ensure_instance", attempt=7, sent={"id": "c", "node": "n1"},
        step_deadline=now - timedelta(seconds=1),
    )  # fmt: skip
    add_operation(api_client, mine, state=OperationState.RUNNING, step_deadline=now + timedelta(hours=1))
    add_operation(api_client, mine, state=OperationState.DONE, step_deadline=now - timedelta(hours=1))
    stuck = add_operation(api_client, mine, state=OperationState.STUCK)
    rows = api_client.get(f"{PATH}?stuck=true&all_projects=true", "admin").json["operations"]
    assert {row["id"]: row["waits_for"] for row in rows} == {
        late: "node n1 to finish ensure_instance, asked 7 times", stuck: "a person",
    }  # fmt: skip
    assert "waits_for" not in api_client.get(f"{PATH}?stuck=true").json["operations"][0]


@pytest.mark.parametrize("query", ["state=odd", "resource=%00", "limit=-1", "limit=x", "stuck=perhaps", "marker=x"])
def test_a_query_that_makes_no_sense(api_client: ApiClient, query: str) -> None:
    assert api_client.get(f"{PATH}?{query}").status_code == 400


def test_one_operation(api_client: ApiClient) -> None:
    operation = add_operation(api_client, add_instance(api_client, "demo"), state="failed", error=ERROR)

    def show(as_: str) -> dict[str, Any]:
        return dict(api_client.get(f"{PATH}/{operation}", as_).json["operation"])

    mine, full = show("demo"), show("admin")
    assert full["error"] == ERROR
    assert (full["events"][0]["node"], full["events"][0]["detail"]) == ("node1", "for administrators only")
    assert mine["error"] == {"code": "hypervisor_error", "message": "it did not start"}
    assert mine["events"][0]["name"] == "claim"
    assert "detail" not in mine["events"][0]
    assert "node1" not in str(mine)
    assert "lease_owner" not in mine
    for name in (operation, new_id(), "%00"):
        assert api_client.get(f"{PATH}/{name}", "other").status_code == 404
