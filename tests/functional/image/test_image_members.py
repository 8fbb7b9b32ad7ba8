"""Sharing an image with another project, which accepts or rejects it; taking it back counts at once."""

from __future__ import annotations

import pytest

from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import DATA, V2, patch, register, replace, uploaded


def _share(client: ApiClient, image_id: str, persona: str = "other") -> str:
    member = client.project_id(persona)
    reply = client.post(f"{V2}/{image_id}/members", json={"member": member})
    assert reply.status_code == 200, reply.text
    assert (reply.json["image_id"], reply.json["member_id"], reply.json["status"]) == (image_id, member, "pending")
    assert reply.json["schema"] == "/v2/schemas/member"
    return member


def _listed(client: ApiClient, as_: str, query: str = "") -> list[str]:
    return [image["id"] for image in client.get(f"{V2}?{query}", as_).json["images"]]


def test_share_accept_reject(api_client: ApiClient, database_url: str) -> None:
    image = uploaded(api_client)
    assert api_client.get(f"{V2}/{image['id']}", "other").status_code == 404
    member = _share(api_client, image["id"])
    path = f"{V2}/{image['id']}/members/{member}"
    assert api_client.get(f"{V2}/{image['id']}", "other").status_code == 200
    assert _listed(api_client, "other") == []
    assert _listed(api_client, "other", "member_status=pending&visibility=shared") == [image["id"]]
    assert api_client.put(path, "other", json={"status": "accepted"}).json["status"] == "accepted"
    assert _listed(api_client, "other") == [image["id"]]
    assert api_client.get(f"{V2}/{image['id']}/file", "other").data == DATA
    assert api_client.put(path, "other", json={"status": "rejected"}).json["status"] == "rejected"
    assert _listed(api_client, "other") == []
    assert _listed(api_client, "other", "member_status=all") == [image["id"]]


def test_what_was_taken_back_is_gone_at_once(api_client: ApiClient) -> None:
    """IMG-19."""
    image = uploaded(api_client)
    member = _share(api_client, image["id"])
    path = f"{V2}/{image['id']}/members/{member}"
    api_client.put(path, "other", json={"status": "accepted"})
    assert api_client.get(f"{V2}/{image['id']}/file", "other").status_code == 200
    assert api_client.delete(path).status_code == 204
    assert api_client.delete(path).status_code == 404
    assert api_client.get(f"{V2}/{image['id']}/file", "other").status_code == 404
    _share(api_client, image["id"])
    patch(api_client, image["id"], replace("visibility", "private"))
    assert api_client.get(f"{V2}/{image['id']}", "other").status_code == 404


def test_only_the_owner_shares_and_only_the_member_answers(api_client: ApiClient) -> None:
    image = register(api_client)
    members = f"{V2}/{image['id']}/members"
    member = _share(api_client, image["id"])
    assert api_client.put(f"{members}/{member}", json={"status": "accepted"}).status_code == 403
    assert api_client.post(members, "other", json={"member": "third"}).status_code == 403
    assert api_client.delete(f"{members}/{member}", "other").status_code == 403
    assert api_client.post(members, json={"member": member}).status_code == 409
    assert api_client.post(members, json={"member": "third"}).status_code == 200
    assert len(api_client.get(members).json["members"]) == 2
    assert [m["member_id"] for m in api_client.get(members, "other").json["members"]] == [member]
    assert api_client.get(f"{members}/third", "other").status_code == 404
    assert api_client.get(f"{members}/{member}", "other").json["status"] == "pending"
    assert api_client.put(f"{members}/third", "other", json={"status": "accepted"}).status_code == 404


@pytest.mark.parametrize("body", [{"status": "perhaps"}, {}, {"status": 1}, {"status": "accepted", "x": 1}, None])
def test_an_answer_that_is_none(api_client: ApiClient, body: object) -> None:
    image = register(api_client)
    member = _share(api_client, image["id"])
    assert api_client.put(f"{V2}/{image['id']}/members/{member}", "other", json=body).status_code == 400


@pytest.mark.parametrize("body", [{"member": ""}, {"member": "x" * 65}, {"member": "a\x00"}, {"member": 3}, {}, []])
def test_a_member_that_is_none(api_client: ApiClient, body: object) -> None:
    assert api_client.post(f"{V2}/{register(api_client)['id']}/members", json=body).status_code == 400


def test_only_shared_images_have_members(api_client: ApiClient) -> None:
    image = register(api_client, visibility="private")
    assert api_client.post(f"{V2}/{image['id']}/members", json={"member": "x"}).status_code == 403
    assert api_client.get(f"{V2}/{image['id']}/members").status_code == 403
