"""Attacks on tokens and logins: AUTH-01, -03 (revocation), -05 (headers), -06 (oracles), -08 (methods) and -09."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from api.app import create_app
from common.clock import ManualClock
from common.config import Config
from common.db import login_failures
from common.db.session import Database
from common.passwords import Passwords
from common.tokens import TokenCodec
from tests.fixtures.api import PASSWORD, ApiClient

V3 = "/identity/v3"
TOKENS = f"{V3}/auth/tokens"
REFUSED = {
    "error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}
}
SCOPES: dict[str, Any] = {
    "project": {"project": {"name": "work", "domain": {"name": "corp"}}},
    "domain": {"domain": {"name": "corp"}},
    "unscoped": "unscoped",
}


class Tenant:
    """Domain corp with project work and user ann, member of both; and ways to take that away."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.domain = self.create("domains", "domain", name="corp")
        self.project = self.create("projects", "project", name="work", domain_id=self.domain)
        self.user = self.create("users", "user", name="ann", domain_id=self.domain, password=PASSWORD)
        roles = client.get(f"{V3}/roles?name=member", "admin").json["roles"]
        self.grants = [
            f"{V3}/{kind}/{target}/users/{self.user}/roles/{roles[0]['id']}"
            for kind, target in (("projects", self.project), ("domains", self.domain))
        ]
        for grant in self.grants:
            assert client.put(grant, "admin").status_code == 204

    def create(self, path: str, noun: str, **fields: Any) -> str:
        reply = self.client.post(f"{V3}/{path}", "admin", json={noun: fields})
        assert reply.status_code == 201, reply.text
        return str(reply.json[noun]["id"])

    def change(self, path: str, noun: str, **fields: Any) -> None:
        reply = self.client.patch(f"{V3}/{path}", "admin", json={noun: fields})
        assert reply.status_code == 200, reply.text

    def token(self, scope: Any) -> str:
        user = {"id": self.user, "password": PASSWORD}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        reply = self.client.post(TOKENS, None, json={"auth": auth})
        assert reply.status_code == 201, reply.text
        return reply.headers["X-Subject-Token"]

    def ungrant(self) -> None:
        for grant in self.grants:
            assert self.client.delete(grant, "admin").status_code == 204

    def disable_and_enable(self, path: str, noun: str) -> None:
        """Enabled again, the old tokens must stay dead."""
        self.change(path, noun, enabled=False)
        self.change(path, noun, enabled=True)

    def change_own_password(self) -> None:
        body = {"user": {"original_password": PASSWORD, "password": "another"}}
        reply = self.client.post(f"{V3}/users/{self.user}/password", token=self.token("unscoped"), json=body)
        assert reply.status_code == 204, reply.text

    def delete(self, path: str) -> None:
        assert self.client.delete(f"{V3}/{path}", "admin").status_code == 204


ALL = {"project", "domain", "unscoped"}
CHANGES: dict[str, tuple[Callable[[Tenant], None], set[str]]] = {  # change, and which tokens it kills
    "roles taken away": (Tenant.ungrant, {"project", "domain"}),
    "project disabled and enabled": (lambda t: t.disable_and_enable(f"projects/{t.project}", "project"), {"project"}),
    "project deleted": (lambda t: t.delete(f"projects/{t.project}"), {"project"}),
    "domain disabled": (lambda t: t.change(f"domains/{t.domain}", "domain", enabled=False), ALL),
    "domain disabled and enabled": (lambda t: t.disable_and_enable(f"domains/{t.domain}", "domain"), ALL),
    "user disabled": (lambda t: t.change(f"users/{t.user}", "user", enabled=False), ALL),
    "user disabled and enabled": (lambda t: t.disable_and_enable(f"users/{t.user}", "user"), ALL),
    "user deleted": (lambda t: t.delete(f"users/{t.user}"), ALL),
    "password reset": (lambda t: t.change(f"users/{t.user}", "user", password=PASSWORD), ALL),
    "own password changed": (Tenant.change_own_password, ALL),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_reach_tokens_at_once(
    api_client: ApiClient, database_url: str, manual_clock: ManualClock, change: str
) -> None:
    """AUTH-01; time stands still, so nothing here depends on the resolution of clocks."""
    tenant = Tenant(api_client)
    tokens = {name: tenant.token(scope) for name, scope in SCOPES.items()}
    apply, killed = CHANGES[change]
    apply(tenant)
    for name, token in tokens.items():
        reply = api_client.get(f"{V3}/regions", token=token)
        assert reply.status_code == (401 if name in killed else 200), name
        if name in killed:
            assert reply.json == REFUSED
            body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}}
            assert api_client.post(TOKENS, None, json=body).status_code == 401, "a dead token must not be rescoped"


def test_a_login_right_after_a_change_works(api_client: ApiClient, manual_clock: ManualClock) -> None:
    tenant = Tenant(api_client)
    for _ in range(3):
        tenant.change(f"users/{tenant.user}", "user", password=PASSWORD)
        tenant.disable_and_enable(f"projects/{tenant.project}", "project")
        assert api_client.get(f"{V3}/regions", token=tenant.token(SCOPES["project"])).status_code == 200


def test_a_revocation_outlives_the_process(api_client: ApiClient) -> None:
    """AUTH-03: nothing but the database knows of it."""
    token = api_client.token("demo")
    other_worker = _second_process(api_client)
    assert other_worker.get(f"{V3}/regions", token=token).status_code == 200
    assert api_client.delete(TOKENS, headers={"X-Subject-Token": token}).status_code == 204
    assert other_worker.get(f"{V3}/regions", token=token).status_code == 401
    assert _second_process(api_client).get(f"{V3}/regions", token=token).status_code == 401


def _second_process(client: ApiClient) -> ApiClient:
    services = replace(
        client.services,
        db=Database(client.services.config.database),
        tokens=TokenCodec(client.services.config.identity.fernet_dir),
    )
    return ApiClient(services, create_app(services))


IDENTITY_HEADERS = (
    *(
        "X-User-Id",
        "X_USER_ID",
        "x-roles",
        "X-Role",
        "X-Is-Admin-Project",
        "X-Project-Id",
        "X-Tenant-Id",
        "X-Domain-Id",
    ),
    *("OpenStack-System-Scope", "X-Identity-Status", "X-Service-Token", "Remote-User", "REMOTE_USER", "Forwarded"),
)


def test_identity_headers_are_not_believed(api_client: ApiClient) -> None:
    """AUTH-05."""
    for name in IDENTITY_HEADERS:
        for value in (api_client.user_id("admin"), "admin", "Confirmed", "all", api_client.token("admin")):
            headers = {name: value}
            assert api_client.get(f"{V3}/users", None, headers=headers).status_code == 401, headers
            assert api_client.get(f"{V3}/users", "demo", headers=headers).status_code == 403, headers
    overrides = {"REMOTE_USER": "admin"}
    assert api_client.get(f"{V3}/users", None, environ_overrides=overrides).status_code == 401


@pytest.mark.parametrize("token", ["", " ", "x", "gAAAAA" + "A" * 300, "\x00", "é", "A" * 100_000])
def test_forged_tokens_are_401(api_client: ApiClient, token: str) -> None:
    reply = api_client.get(f"{V3}/regions", None, headers={"X-Auth-Token": token.encode("latin-1").decode("latin-1")})
    assert reply.status_code == 401


def test_a_changed_byte_makes_a_token_worthless(api_client: ApiClient) -> None:
    token = api_client.token("demo")
    for position in range(0, len(token), 7):
        flipped = "A" if token[position] != "A" else "B"
        changed = token[:position] + flipped + token[position + 1 :]
        if position == len(token) - 1:
            continue  # the last character may hold padding bits only
        assert api_client.get(f"{V3}/regions", token=changed).status_code == 401


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "domain": {"id": "default"}, "password": "a guess"}


def _attempt(client: ApiClient, user: dict[str, Any], address: str = "127.0.0.1") -> Any:
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return client.post(TOKENS, None, json={"auth": auth}, environ_base={"REMOTE_ADDR": address})


def test_refusals_are_alike(api_client: ApiClient, manual_clock: ManualClock) -> None:
    """AUTH-06: unknown, disabled, blocked, too long or wrong: one answer."""
    disable = {"user": {"enabled": False}}
    assert api_client.patch(f"{V3}/users/{api_client.user_id('reader')}", "admin", json=disable).status_code == 200
    default = {"id": "default"}
    replies = [
        _attempt(api_client, {"name": "demo", "domain": default, "password": "wrong"}),
        _attempt(api_client, {"name": "nobody", "domain": default, "password": "wrong"}),
        _attempt(api_client, {"name": "demo", "domain": {"id": "nowhere"}, "password": PASSWORD}),
        _attempt(api_client, {"id": "0" * 32, "password": "wrong"}),
        _attempt(api_client, {"id": api_client.user_id("reader"), "password": PASSWORD}),
        _attempt(api_client, {"name": "demo", "domain": default, "password": ""}),
        _attempt(api_client, {"name": "demo", "domain": default, "password": "x" * 500_000}),
    ]
    for _ in range(login_failures.FREE_TRIES + 1):
        replies.append(_attempt(api_client, {"name": "demo", "domain": default, "password": "wrong"}))
    for reply in replies:
        assert (reply.status_code, reply.json) == (401, REFUSED)
        assert reply.headers["WWW-Authenticate"] == 'Keystone uri="http://localhost/identity"'


@pytest.mark.full
def test_unknown_accounts_take_as_long_as_known_ones(config: Config, api_client: ApiClient) -> None:
    """AUTH-06: a dummy hash is computed; medians, because the machine is shared."""
    costly = replace(config, identity=replace(config.identity, argon2_memory_kib=19 * 1024, argon2_rounds=2))
    services = replace(api_client.services, config=costly)
    client = ApiClient(services, create_app(services))
    name = {"name": "timed", "domain_id": "default", "password": PASSWORD}
    assert client.post(f"{V3}/users", "admin", json={"user": name}).status_code == 201
    times: dict[str, list[float]] = {"timed": [], "nobody": []}
    for _ in range(60):
        for user, samples in times.items():
            _forget_failures(client)
            began = time.perf_counter()
            reply = _attempt(client, {"name": user, "domain": {"id": "default"}, "password": "wrong"})
            samples.append(time.perf_counter() - began)
            assert reply.status_code == 401
    known, unknown = (statistics.median(samples) for samples in times.values())
    assert abs(known - unknown) / known < 0.15, (known, unknown)


def _forget_failures(client: ApiClient) -> None:
    with client.services.db.write() as session:
        session.connection().exec_driver_sql("DELETE FROM login_failures")


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry per password that was compared with a hash."""
    seen: list[bool] = []
    real = Passwords.verify

    def counting(self: Passwords, password: Any, stored: str | None) -> bool:
        seen.append(stored is not None)
        return real(self, password, stored)

    monkeypatch.setattr(Passwords, "verify", counting)
    return seen


def test_repeated_methods_cost_one_hash(api_client: ApiClient, hashes: list[bool]) -> None:
    """AUTH-08."""
    user = {"name": "demo", "domain": {"id": "default"}, "password": PASSWORD}
    auth = {"identity": {"methods": ["password"] * 10_000, "password": {"user": user}}}
    assert api_client.post(TOKENS, None, json={"auth": auth}).status_code == 201
    assert len(hashes) == 1
    auth["identity"]["methods"] = ["password", "no such method"]
    assert api_client.post(TOKENS, None, json={"auth": auth}).status_code == 401
    assert len(hashes) == 1


@pytest.mark.parametrize("name", ["demo", "nobody"])
def test_guessing_is_slowed_down_per_account(
    api_client: ApiClient, database_url: str, manual_clock: ManualClock, hashes: list[bool], name: str
) -> None:
    """AUTH-09: two hundred tries reach the hash FREE_TRIES times; by any way of naming the account."""
    for number in range(200):
        named: dict[str, Any] = {"name": name, "domain": {"id": "default"} if number % 2 else {"name": "Default"}}
        if name == "demo" and number % 3 == 0:
            named = {"id": api_client.user_id("demo")}
        assert _attempt(api_client, {**named, "password": f"guess {number}"}).status_code == 401
    allowed = login_failures.FREE_TRIES * (1 if name == "demo" else 2)  # what nobody has can be named in many ways
    assert len(hashes) == allowed
    assert api_client.login("other", PASSWORD).status_code == 201, "other accounts are not touched"
    if name == "nobody":
        return
    api_client.login("demo", PASSWORD, expect=401)
    manual_clock.advance(login_failures.FIRST_BLOCK_S + 0.001)
    api_client.login("demo", "wrong", expect=401)
    manual_clock.advance(login_failures.FIRST_BLOCK_S + 0.001)
    api_client.login("demo", PASSWORD, expect=401)  # the block has doubled
    manual_clock.advance(login_failures.FIRST_BLOCK_S + 0.001)
    api_client.login("demo", PASSWORD, expect=201)
    for _ in range(login_failures.FREE_TRIES - 1):  # a success forgets the failures
        api_client.login("demo", "wrong", expect=401)
    api_client.login("demo", PASSWORD, expect=201)


def test_guessing_is_slowed_down_per_address_of_the_client(
    api_client: ApiClient, manual_clock: ManualClock, hashes: list[bool]
) -> None:
    """AUTH-09: one address that guesses at many accounts, in one /64; others, and loopback, are not touched."""
    for number in range(login_failures.ADDRESS_FREE_TRIES * 2):
        guess = _attempt(api_client, _named(f"nobody-{number}"), f"2001:db8::{number:x}")
        assert guess.status_code == 401
    assert len(hashes) == login_failures.ADDRESS_FREE_TRIES
    right = {**_named("demo"), "password": PASSWORD}
    assert _attempt(api_client, right, "2001:db8::ffff").status_code == 401
    assert _attempt(api_client, right, "2001:db8:0:1::1").status_code == 201
    assert _attempt(api_client, right, "192.0.2.1").status_code == 201
    assert _attempt(api_client, right, "127.0.0.1").status_code == 201
    manual_clock.advance(login_failures.FIRST_BLOCK_S + 0.001)
    assert _attempt(api_client, right, "2001:db8::ffff").status_code == 201


def test_a_block_never_exceeds_its_bound(api_client: ApiClient, manual_clock: ManualClock) -> None:
    for _ in range(login_failures.FREE_TRIES + 20):
        api_client.login("demo", "wrong", expect=401)
        manual_clock.advance(login_failures.LONGEST_BLOCK_S + 1)
    assert api_client.login("demo", PASSWORD).status_code == 201


def test_changing_a_password_is_no_way_round_the_back_off(
    api_client: ApiClient, manual_clock: ManualClock, hashes: list[bool]
) -> None:
    path = f"{V3}/users/{api_client.user_id('demo')}/password"
    token = api_client.token("demo")
    hashes.clear()
    for number in range(20):
        body = {"user": {"original_password": f"guess {number}", "password": "mine now"}}
        assert api_client.post(path, token=token, json=body).status_code == 401
    assert len(hashes) == login_failures.FREE_TRIES


def test_no_log_line_holds_a_password_or_a_token(
    api_client: ApiClient, caplog: pytest.LogCaptureFixture, manual_clock: ManualClock
) -> None:
    caplog.set_level("DEBUG")
    token = api_client.token("admin")
    secret = "hunter2 is nobody's"
    create = {"user": {"name": "logged", "password": secret}}
    assert api_client.post(f"{V3}/users", "admin", json=create).status_code == 201
    assert api_client.post(f"{V3}/users", "admin", json=create).status_code == 409
    broken = {"user": {"name": 5, "password": secret}}
    refused = api_client.post(f"{V3}/users", "admin", json=broken)
    assert refused.status_code == 400
    assert secret not in refused.text
    api_client.login("logged", secret)
    for _ in range(login_failures.FREE_TRIES + 1):
        api_client.login("demo", secret, expect=401)
    lines = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert any("login.blocked" in line for line in lines)
    assert not [line for line in lines if secret in line or token in line]
