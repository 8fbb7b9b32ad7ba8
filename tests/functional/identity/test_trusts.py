"""Trusts: what a token made with one is and may do, how it ends, and how far one may be passed on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from werkzeug.test import TestResponse

from common.clock import ManualClock
from tests.fixtures.api import PASSWORD, ApiClient

V3 = "/identity/v3"
TRUSTS = f"{V3}/OS-TRUST/trusts"


def ask(client: ApiClient, token: str | None = None, **changes: Any) -> TestResponse:
    """demo, a member of project demo, trusts `other`, who is none."""
    given = {
        "trustor_user_id": client.user_id("demo"),
        "trustee_user_id": client.user_id("other"),
        "project_id": client.project_id("demo"),
        "roles": [{"name": "member"}],
        "impersonation": False,
        **changes,
    }
    return client.post(TRUSTS, "demo", token=token, json={"trust": given})


def make(client: ApiClient, token: str | None = None, **changes: Any) -> str:
    reply = ask(client, token, **changes)
    assert reply.status_code == 201, reply.text
    return str(reply.json["trust"]["id"])


def enter(client: ApiClient, trust_id: str, user: str = "other", expect: int = 201) -> TestResponse:
    return client.login(user, PASSWORD, {"OS-TRUST:trust": {"id": trust_id}}, expect=expect)


def token_of(reply: TestResponse) -> str:
    return str(reply.headers["X-Subject-Token"])


def works(client: ApiClient, token: str) -> bool:
    return client.get("/compute/v2.1/servers", token=token).status_code == 200


def test_the_trustee_acts_in_the_project_under_its_own_name(api_client: ApiClient, database_url: str) -> None:
    trust_id = make(api_client)
    reply = enter(api_client, trust_id)
    token = reply.json["token"]
    assert token["user"]["name"] == "other"
    assert token["project"]["id"] == api_client.project_id("demo")
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    ends = {"trustor_user": {"id": api_client.user_id("demo")}, "trustee_user": {"id": api_client.user_id("other")}}
    assert token["OS-TRUST:trust"] == {"id": trust_id, "impersonation": False, **ends}
    assert works(api_client, token_of(reply))


def test_impersonation_makes_it_the_trustor(api_client: ApiClient) -> None:
    reply = enter(api_client, make(api_client, impersonation=True, roles=[{"name": "reader"}]))
    assert reply.json["token"]["user"]["name"] == "demo"
    assert [role["name"] for role in reply.json["token"]["roles"]] == ["reader"]
    network = {"network": {"name": "x"}}
    assert api_client.post("/network/v2.0/networks", token=token_of(reply), json=network).status_code == 403


def test_nobody_else_gets_in(api_client: ApiClient) -> None:
    trust_id = make(api_client, remaining_uses=1)
    enter(api_client, trust_id, "reader", expect=403)
    enter(api_client, "unknown", expect=401)
    assert api_client.get(f"{TRUSTS}/{trust_id}", "demo").json["trust"]["remaining_uses"] == 1


def test_uses_run_out(api_client: ApiClient, database_url: str) -> None:
    trust_id = make(api_client, remaining_uses=2)
    tokens = [token_of(enter(api_client, trust_id)) for _ in range(2)]
    enter(api_client, trust_id, expect=401)
    assert all(works(api_client, token) for token in tokens)
    assert api_client.get(f"{TRUSTS}/{trust_id}", "demo").json["trust"]["remaining_uses"] == 0


def test_it_ends_at_its_time_and_its_tokens_with_it(api_client: ApiClient, manual_clock: ManualClock) -> None:
    past, soon = (manual_clock.now() + timedelta(seconds=seconds) for seconds in (-1, 60))
    assert ask(api_client, expires_at=past.isoformat()).status_code == 400
    trust_id = make(api_client, expires_at=soon.isoformat())
    token = token_of(enter(api_client, trust_id))
    assert works(api_client, token)
    manual_clock.advance(61)
    assert not works(api_client, token)
    enter(api_client, trust_id, expect=401)


def test_tokens_die_with_the_trust(api_client: ApiClient, database_url: str) -> None:
    trust_id = make(api_client)
    token = token_of(enter(api_client, trust_id))
    assert api_client.delete(f"{TRUSTS}/{trust_id}", "other").status_code == 403
    assert api_client.delete(f"{TRUSTS}/{trust_id}", "demo").status_code == 204
    assert not works(api_client, token)
    assert api_client.get(f"{TRUSTS}/{trust_id}", "demo").status_code == 404


def test_a_role_that_the_trustor_loses_ends_it(api_client: ApiClient) -> None:
    trust_id = make(api_client, roles=[{"name": "reader"}])
    token = token_of(enter(api_client, trust_id))
    roles = api_client.get(f"{V3}/roles?name=member", "admin").json["roles"]
    grant = f"{V3}/projects/{api_client.project_id('demo')}/users/{api_client.user_id('demo')}/roles/{roles[0]['id']}"
    assert api_client.delete(grant, "admin").status_code == 204
    assert not works(api_client, token)
    enter(api_client, trust_id, expect=401)


def test_disabling_either_end_ends_its_tokens(api_client: ApiClient) -> None:
    for user in ("demo", "other"):
        token = token_of(enter(api_client, make(api_client)))
        one = f"{V3}/users/{api_client.user_id(user)}"
        assert api_client.patch(one, "admin", json={"user": {"enabled": False}}).status_code == 200
        assert not works(api_client, token)
        api_client.patch(one, "admin", json={"user": {"enabled": True}})
        api_client._tokens.clear()


def test_what_nobody_may_give(api_client: ApiClient) -> None:
    assert ask(api_client, roles=[{"name": "admin"}]).status_code == 404
    assert ask(api_client, roles=[]).status_code == 403
    assert ask(api_client, trustor_user_id=api_client.user_id("other")).status_code == 403
    assert ask(api_client, trustee_user_id="unknown").status_code == 404
    assert ask(api_client, remaining_uses=0).status_code == 400
    assert ask(api_client, api_client.token("other")).status_code == 403


def test_a_trust_token_makes_no_other_token_and_no_credential(api_client: ApiClient) -> None:
    token = token_of(enter(api_client, make(api_client, impersonation=True)))
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    assert api_client.post(f"{V3}/auth/tokens", None, json={"auth": auth}).status_code == 403
    of_user = f"{V3}/users/{api_client.user_id('demo')}"
    wanted = {"application_credential": {"name": "x"}}
    assert api_client.post(f"{of_user}/application_credentials", token=token, json=wanted).status_code == 403
    stored = {"credential": {"type": "cert", "blob": "x"}}
    assert api_client.post(f"{V3}/credentials", token=token, json=stored).status_code == 403
    assert ask(api_client, token).status_code == 403  # it may not be passed on


def test_it_may_be_passed_on_as_often_as_it_says(api_client: ApiClient, database_url: str) -> None:
    first = make(api_client, impersonation=True, allow_redelegation=True, redelegation_count=1)
    token = token_of(enter(api_client, first))
    third = {"trustee_user_id": api_client.user_id("service")}
    for refused in ({"remaining_uses": 1}, {"roles": [{"name": "manager"}]}):
        assert ask(api_client, token, **third, **refused).status_code in (403, 404)
    second = ask(api_client, token, **third).json["trust"]
    assert (second["redelegation_count"], second["redelegated_trust_id"]) == (0, first)
    last = token_of(enter(api_client, second["id"], "service"))
    assert works(api_client, last)
    assert ask(api_client, last).status_code == 403
    assert api_client.delete(f"{TRUSTS}/{first}", "demo").status_code == 204
    assert not works(api_client, last)


def test_no_more_passes_on_than_keystone_allows(api_client: ApiClient) -> None:
    assert ask(api_client, allow_redelegation=True, redelegation_count=4).status_code == 403
    assert ask(api_client, allow_redelegation=True, remaining_uses=1).status_code == 400
    made = ask(api_client, allow_redelegation=True).json["trust"]
    assert made["redelegation_count"] == 3


def test_each_end_sees_its_own(api_client: ApiClient) -> None:
    trust_id = make(api_client)
    for user, end in (("demo", "trustor"), ("other", "trustee")):
        mine = api_client.get(f"{TRUSTS}?{end}_user_id={api_client.user_id(user)}", user).json["trusts"]
        assert [(trust["id"], "roles" in trust) for trust in mine] == [(trust_id, False)]
        assert api_client.get(f"{TRUSTS}/{trust_id}", user).status_code == 200
    assert api_client.get(TRUSTS, "demo").status_code == 403
    assert api_client.get(f"{TRUSTS}?trustor_user_id={api_client.user_id('demo')}", "other").status_code == 403
    assert api_client.get(f"{TRUSTS}/{trust_id}", "reader").status_code == 403
    roles = api_client.get(f"{TRUSTS}/{trust_id}/roles", "other").json["roles"]
    assert [role["name"] for role in roles] == ["member"]
    assert api_client.head(f"{TRUSTS}/{trust_id}/roles/{roles[0]['id']}", "other").status_code == 200
    assert api_client.get(f"{TRUSTS}/{trust_id}/roles/unknown", "other").status_code == 404
