"""Who may call what, tried on every row of the route tables; a new row is covered on the day it appears.

Without a token: 401. With too little: 403. With another project's: as if it were not there, and nothing has changed.
Nothing a header claims makes any difference (AUTH-05), nor does a parent that is not the child's (RBAC-01, RBAC-02).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.policy import Rule
from common.db.base import Base
from tests.fixtures.cloud import Cloud
from tests.functional.routes_world import (
    NOT_FOR_PROJECTS,
    PROTECTED,
    RANK,
    UNKNOWN,
    Row,
    World,
    placeholders,
    rows,
    values,
)

pytestmark = pytest.mark.xdist_group("authorization")  # one world

FORGED = {
    "X-User-Id": "1", "X-User-Name": "admin", "X-Roles": "admin", "X-Role": "admin", "X_ROLES": "admin",
    "X-Project-Id": "1", "X-Project-Name": "admin", "X-Tenant-Id": "1", "X-Is-Admin-Project": "True",
    "X-Identity-Status": "Confirmed", "X-Service-Token": "x", "X-Service-Roles": "admin", "REMOTE_USER": "admin",
    "X-Forwarded-User": "admin", "X-Domain-Id": "default", "X-System-Scope": "all", "X-Cumulet-Node": "n1",
}  # fmt: skip
ENOUGH_FOR = {"reader": Rule.READER, "demo": Rule.MEMBER, "manager": Rule.MANAGER}

#: Where OpenStack answers a stranger with another status than 404; each with the reason.
OTHER_ANSWERS = {
    "identity:get_user": 403,  # Keystone: not an administrator, so nothing is said about anybody else
    "identity:get_project": 403,
    "identity:change_password": 403,
    "identity:list_user_projects": 403,
    "identity:list_groups_for_user": 403,
    "identity:list_project_tags": 403,
    "identity:get_project_tag": 403,
    "identity:list_application_credentials": 403,
    "identity:create_application_credential": 403,
    "identity:get_application_credential": 403,
    "identity:delete_application_credential": 403,
    "identity:list_access_rules": 403,
    "identity:get_access_rule": 403,
    "identity:delete_access_rule": 403,
    "identity:get_credential": 403,
    "identity:update_credential": 403,
    "identity:delete_credential": 403,
    "identity:ec2_list_credentials": 403,
    "identity:ec2_create_credential": 403,
    "identity:ec2_get_credential": 403,
    "identity:ec2_delete_credential": 403,
    "identity:get_trust": 403,
    "identity:delete_trust": 403,
    "identity:list_roles_for_trust": 403,
    "identity:get_role_for_trust": 403,
    "identity:get_limit": 403,
    "compute:quota-sets:show": 403,  # Nova's policy: quota of another project
    "compute:quota-sets:detail": 403,
    "compute:simple-tenant-usage:show": 403,
    "compute:servers:migrate": 403,  # who is no manager moves no server, whose ever it is
    "compute:servers:os-migrateLive": 403,
    "compute:servers-migrations:index": 403,
    "volume:quota-sets:show": 403,
    "volume:os-volume-transfer:accept": 400,  # whoever has an offer's id and key may take it: the key is wrong
    "volume:volume-transfers:accept": 400,
    "network:quotas:show": 403,
    "network:quotas:details": 403,
    "network:quotas:details_json": 403,
}
#: These tell the same to everybody: defaults and the catalogue's words belong to no project.
SAME_FOR_ALL = {
    "compute:quota-sets:defaults", "network:quotas:default", "volume:quota-sets:defaults",
    "identity:get_domain", "identity:get_region",
}  # fmt: skip
#: With these the child is made by the request, so a parent can't be the wrong one.
MAKES_THE_CHILD = {
    "compute:server-metadata:update", "compute:server-tags:update", "compute:image-metadata:update", "image:tags:add",
    "volume:volume-metadata:update", "volume:snapshot-metadata:update",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("authorization")
    shutil.copyfile(_sqlite_template, folder / "db.sqlite")
    with Cloud(folder, f"sqlite:///{folder / 'db.sqlite'}") as cloud:
        cloud.furnish()
        yield World.furnish(cloud)


@pytest.fixture(params=[{}, FORGED], ids=["plain", "forged"])
def headers(request: pytest.FixtureRequest) -> dict[str, str]:
    found: dict[str, str] = request.param
    return found


def everything(world: World) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with world.cloud.db.read() as session:
        return {
            table.name: sorted(map(repr, session.execute(sa.select(table)).all()))
            for table in Base.metadata.sorted_tables
        }


def in_own_form(row: Row, body: Any, status: int) -> bool:
    """The body has the shape of the service's errors; a reply to HEAD has none."""
    if row.route.method == "HEAD":
        return body is None
    wanted = row.api.error_form(status, "", "")
    return isinstance(body, dict) and set(body) == set(wanted)


def test_without_a_token(world: World, headers: dict[str, str]) -> None:
    before = everything(world)
    for row in PROTECTED:
        reply = world.cloud.api.request(
            row.route.method, row.url(placeholders(row)), None, headers={**headers, **row.headers}, json=row.body(world)
        )
        assert reply.status_code == 401, (row.where, reply.text)
        assert in_own_form(row, reply.get_json(silent=True), 401), (row.where, reply.text)
        assert reply.headers["WWW-Authenticate"].startswith("Keystone uri="), row.where
    assert everything(world) == before


@pytest.mark.parametrize("token", ["rubbish", "gAAAAABk" + "A" * 180, "\u00e4".encode().decode("latin-1")])
def test_with_a_token_that_is_none(world: World, token: str) -> None:
    for row in PROTECTED:
        reply = world.cloud.api.request(row.route.method, row.url(placeholders(row)), token=token, headers=row.headers)
        assert reply.status_code == 401, (row.where, reply.text)


@pytest.mark.parametrize("who", [*ENOUGH_FOR, "unscoped"])
def test_with_too_little(world: World, headers: dict[str, str], who: str) -> None:
    api = world.cloud.api
    token = _unscoped(world) if who == "unscoped" else api.token(who)
    most = RANK[ENOUGH_FOR.get(who, Rule.AUTHENTICATED)]
    before = everything(world)
    tried = [row for row in PROTECTED if RANK[row.route.rule] > most]
    for row in tried:
        reply = api.request(
            row.route.method, row.url(placeholders(row)), token=token, headers={**headers, **row.headers},
            json=row.body(world),
        )  # fmt: skip
        wanted = 404 if row.route.look else 403  # the placeholders name nothing
        assert reply.status_code == wanted, (row.where, reply.status_code, reply.text)
        assert in_own_form(row, reply.get_json(silent=True), wanted), (row.where, reply.text)
    assert tried
    assert everything(world) == before


def _unscoped(world: World) -> str:
    from tests.fixtures.api import PASSWORD

    return str(world.cloud.api.login("other", PASSWORD, "unscoped").headers["X-Subject-Token"])


def test_nodes_routes_want_a_nodes_secret(world: World) -> None:
    for row in rows(Rule.NODE):
        for who in (None, "demo", "admin"):
            reply = world.cloud.api.request(
                row.route.method, row.url({name: world.ids[name] for name in row.parameters}), who,
                headers={"X-Cumulet-Node": "n1", "X-Cumulet-Node-Secret": ""},
            )  # fmt: skip
            assert reply.status_code in (401, 403), (row.where, who, reply.status_code, reply.text)


def test_a_strangers_thing_looks_like_none(world: World, headers: dict[str, str]) -> None:
    """RBAC-01: every row that names something, with demo's ids, as a member of another project."""
    api = world.cloud.api
    before = everything(world)
    tried = []
    for row in PROTECTED:
        if row.route.rule in NOT_FOR_PROJECTS or row.route.key in SAME_FOR_ALL or not row.parameters:
            continue
        named = values(row, world)
        if named is None:
            continue
        sent: dict[str, Any] = {"headers": {**headers, **row.headers}, "json": row.body(world)}
        reply = api.request(row.route.method, row.url(named), "other", **sent)
        wanted = OTHER_ANSWERS.get(row.route.key, 404)
        assert reply.status_code == wanted, (row.where, named, reply.status_code, reply.text)
        if wanted == 404:
            first = row.parameters[0]
            unknown = api.request(row.route.method, row.url({**named, first: UNKNOWN}), "other", **sent)
            assert _without(reply.text, named[first]) == _without(unknown.text, UNKNOWN), row.where
        tried.append(row.where)
    assert len(tried) > 60
    assert everything(world) == before


def _without(text: str, name: str) -> str:
    return text.replace(name, "…").replace(name.replace("'", "\\u0027"), "…")


def test_the_owner_is_not_kept_out(world: World) -> None:
    """Else the test above would be content with an API that finds nothing for anybody."""
    for row in PROTECTED:
        if row.route.rule not in (Rule.READER, Rule.MEMBER) or row.route.method != "GET" or not row.parameters:
            continue
        named = values(row, world)
        if named is None or named.get("volume_id") == UNKNOWN:
            continue
        reply = world.cloud.api.request("GET", row.url(named), "demo", headers=row.headers)
        assert reply.status_code < 400, (row.where, named, reply.status_code, reply.text)


def test_a_child_under_another_parent_is_not_there(world: World) -> None:
    """RBAC-02: both belong to the caller, but not to each other."""
    twins = world.twin.ids
    tried = []
    for row in PROTECTED:
        if len(row.parameters) < 2 or row.route.rule in NOT_FOR_PROJECTS or row.route.key in MAKES_THE_CHILD:
            continue
        parent = row.parameters[0]
        named = values(row, world)
        if named is None or (
            row.route.key.startswith("network:") and row.parameters[-1] == "tag"
        ):  # a word, which any object can have
            continue
        assert parent in twins, (
            f"{row.where}: add a second <{parent}> to World.twin in tests/functional/routes_world.py"
        )
        swapped = {**named, parent: twins[parent]}
        reply = world.cloud.api.request(
            row.route.method, row.url(swapped), "demo", headers=row.headers, json=row.body(world)
        )
        wanted = OTHER_ANSWERS.get(row.route.key, 404)  # a stranger's parent
        if row.route.key == "image:members:answer":
            wanted = 403  # an owner may never answer for a member
        if row.route.key.startswith("image:metadefs:") and row.route.method != "GET":
            wanted = 403  # no member writes them, whatever it names
        if row.route.key.startswith("network:qos_") and row.route.method != "GET":
            wanted = 403  # only administrators write rules, as in Neutron's policy
        assert reply.status_code == wanted, (row.where, swapped, reply.status_code, reply.text)
        tried.append(row.where)
    assert len(tried) >= 8


def test_lists_are_the_callers_own(world: World) -> None:
    """RBAC-05: no query parameter shows another project's things."""
    ids = {value for value in world.ids.values() if len(value) > 8} - {world.ids["project_id"], world.ids["user_id"]}
    queries: tuple[dict[str, Any], ...] = (
        {}, {"all_tenants": 1}, {"all_tenants": "True"}, {"project_id": world.ids["project_id"]},
        {"tenant_id": world.ids["project_id"]}, {"deleted": "True"}, {"owner": world.ids["project_id"]},
        {"user_id": world.ids["user_id"]}, {"visibility": "all"}, {"visibility": "private"}, {"is_public": "None"},
    )  # fmt: skip
    for row in PROTECTED:
        if row.route.method != "GET" or row.parameters or row.route.rule in NOT_FOR_PROJECTS:
            continue
        for query in queries:
            reply = world.cloud.api.request("GET", row.url({}), "other", headers=row.headers, query_string=query)
            assert reply.status_code in (200, 300, 400, 403, 501), (row.where, query, reply.status_code, reply.text)
            leaked = {each for each in ids if each in reply.text}
            assert not leaked, (row.where, query, leaked)


def test_foreign_ids_in_bodies(world: World) -> None:
    """RBAC-03: a body's references are looked up under the caller's rights."""
    ids, api = world.ids, world.cloud.api
    server = {"name": "x", "imageRef": world.cloud.image_id, "flavorRef": world.cloud.flavor_id}
    group = {"security_group_id": ids["group_id"], "direction": "ingress"}
    mine = api.post("/network/v2.0/security-groups", "other", json={"security_group": {"name": "mine"}})
    mine_id = world.cloud.ok(mine)["security_group"]["id"]
    attempts: list[tuple[str, str, Any]] = [
        ("POST", "/compute/v2.1/servers", {"server": {**server, "networks": [{"uuid": ids["network_id"]}]}}),
        ("POST", "/compute/v2.1/servers", {"server": {**server, "networks": [{"port": ids["free_port_id"]}]}}),
        ("POST", "/compute/v2.1/servers", {"server": {**server, "networks": "none", "imageRef": ids["image_id"]}}),
        ("POST", "/compute/v2.1/servers", {"server": {**server, "networks": "none", "flavorRef": "private"}}),
        ("POST", "/compute/v2.1/servers", {"server": {**server, "networks": "none", "key_name": "demo"}}),
        ("POST", "/compute/v2.1/servers", {"server": {**server, "networks": "auto",
                                                      "security_groups": [{"name": ids["group_id"]}]}}),
        ("POST", "/network/v2.0/ports", {"port": {"network_id": ids["network_id"]}}),
        ("POST", "/network/v2.0/ports", {"port": {"network_id": world.cloud.network_id,
                                                  "security_groups": [ids["group_id"]]}}),
        ("POST", "/network/v2.0/ports", {"port": {"network_id": world.cloud.network_id,
                                                  "project_id": ids["project_id"]}}),
        ("POST", "/network/v2.0/subnets", {"subnet": {"network_id": ids["network_id"], "cidr": "10.9.0.0/24",
                                                      "ip_version": 4}}),
        ("POST", "/network/v2.0/security-group-rules", {"security_group_rule": group}),
        ("POST", "/network/v2.0/security-group-rules", {"security_group_rule": {
            "security_group_id": mine_id, "direction": "ingress", "remote_group_id": ids["group_id"]}}),
    ]  # fmt: skip
    before = everything(world)
    for method, path, body in attempts:
        reply = api.request(method, path, "other", json=body, headers={"OpenStack-API-Version": "compute 2.104"})
        assert reply.status_code in (400, 403, 404), (path, body, reply.status_code, reply.text)
    after = everything(world)
    assert {name for name in after if after[name] != before[name]} == set()
