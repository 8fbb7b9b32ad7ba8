"""Input that nobody sane sends, to every route: an answer in the service's own form, never a 500, never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from api.app import METHODS, all_apis
from api.policy import Rule
from api.routing import allowed_methods
from common.ids import new_id
from tests.fixtures.cloud import Cloud
from tests.fixtures.postgresql import PostgresqlServer
from tests.functional.routes_world import PROTECTED, Row, World, placeholders, rows, values

pytestmark = pytest.mark.xdist_group("bad_input")  # one world

ROWS = rows()
BODIED = [row for row in ROWS if row.route.method in ("POST", "PUT", "PATCH") and not row.route.raw_body]
SETTINGS: dict[str, Any] = {
    "deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("bad-input")
    shutil.copyfile(_sqlite_template, folder / "db.sqlite")
    with Cloud(folder, f"sqlite:///{folder / 'db.sqlite'}") as cloud:
        cloud.furnish()
        yield World.furnish(cloud)


@pytest.fixture(scope="module")
def postgresql_world(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: PostgresqlServer, _postgresql_template: str
) -> Iterator[World]:
    """PostgreSQL refuses what SQLite swallows: NUL in a text, a number out of range, another type."""
    name = postgresql_server.create_database(template=_postgresql_template)
    with Cloud(tmp_path_factory.mktemp("bad-input-postgresql"), postgresql_server.url(name)) as cloud:
        cloud.furnish()
        yield World.furnish(cloud)
    postgresql_server.drop_database(name)


@pytest.fixture(params=["world", pytest.param("postgresql_world", marks=pytest.mark.postgresql)])
def each_world(request: pytest.FixtureRequest) -> Iterator[World]:
    found: World = request.getfixturevalue(request.param)
    yield found
    for who in ("admin", "demo"):  # else everything after the first mishap would be a harmless 401
        assert found.cloud.api.get("/identity/v3/auth/projects", who).status_code == 200, who


@pytest.fixture(params=[4, pytest.param(1, marks=pytest.mark.full)], ids=["a_quarter", "all"])
def part(request: pytest.FixtureRequest) -> int:
    """Of what is sent to each route this fraction, another one for each; all of it is hundreds of thousands of requests."""
    fraction: int = request.param
    return fraction


def send(world: World, row: Row, as_: str | None = "admin", *, url: str = "", **options: Any) -> TestResponse:
    headers = {**row.headers, **options.pop("headers", {})}
    return world.cloud.api.request(
        row.route.method, url or row.url(placeholders(row)), as_, headers=headers, **options
    )  # fmt: skip


def check(row: Row, reply: TestResponse, *statuses: int) -> None:
    """One of these statuses (or just no 5xx); an error is in the service's own form and shows nothing of our inside."""
    what = (row.where, reply.status_code, reply.text[:500])
    if statuses:
        assert reply.status_code in statuses, what
    assert reply.status_code < 500 or reply.status_code in (501, 503), what
    assert "Traceback" not in reply.text, what
    assert "site-packages" not in reply.text, what
    if reply.status_code >= 400 and row.route.method != "HEAD":
        wanted = row.api.error_form(reply.status_code, "", "")
        assert set(json.loads(reply.text)) == set(wanted), what


BAD_JSON = [
    b"{", b"nul", b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe",
    b'{"a": "\xff"}', b"\x00", b'{"a": 1} x', b"{\"a\": \"\x01\"}", b'"\\u12"',
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD_JSON)), ids=[repr(body[:12]) for body in BAD_JSON])
def test_what_is_no_json(world: World, part: int, number: int) -> None:
    body = BAD_JSON[number]
    for row in BODIED[number % part :: part]:
        check(row, send(world, row, data=body, content_type="application/json"), 400)


ODD_JSON: list[Any] = [
    None, True, 0, -1, 2**63, 2**64, 10**400, -(10**30), 1e308, "", "x" * 70_000, [], {}, [[]], {"": ""},
    {"\x00": "\x00"}, {"\ud800": 1}, {"a" * 10_000: 1}, {str(number): number for number in range(2000)}, [None] * 5000,
    {"__proto__": {}}, {"server": None}, {"server": []}, {"network": "x"}, {"user": 7}, {"auth": {}},
]  # fmt: skip


def test_json_that_is_no_request(world: World, part: int) -> None:
    for place, row in enumerate(BODIED):
        for body in ODD_JSON[place % (3 * part) :: 3 * part]:
            check(row, send(world, row, data=json.dumps(body), content_type="application/json"))


def test_duplicate_keys_and_huge_numbers(world: World) -> None:
    for row in BODIED:
        for body in (b'{"server":{},"server":{}}', b'{"a":' + b"9" * 5000 + b"}", b'{"a":1e99999}', b'{"a":-0}'):
            check(row, send(world, row, data=body, content_type="application/json"))


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml"]
)
def test_another_content_type(world: World, content_type: str) -> None:
    for row in BODIED:
        check(
            row,
            send(world, row, data=b'{"a": 1}', content_type=content_type, headers={"Content-Type": content_type}),
            415,
        )


def test_a_body_over_the_limit(world: World) -> None:
    limit = world.cloud.config.api.max_body_kib * 1024
    for row in BODIED[::4]:
        reply = send(world, row, data=b" " * (limit + 1), content_type="application/json")
        check(row, reply, 413)
        if row.api.name != "image":
            assert int(reply.headers["Retry-After"]) >= 1


def test_a_body_before_login_is_not_read(world: World) -> None:
    """DOS-05: whoever has no token is told so, whatever is sent."""
    for row in BODIED:
        if row.route.rule == Rule.PUBLIC:
            continue
        check(row, send(world, row, None, data=b"{" * 1000, content_type="application/json"), 401)


def test_methods_that_a_path_does_not_have(world: World, part: int) -> None:
    by_path: dict[tuple[str, str], list[Row]] = {}
    for row in ROWS:
        by_path.setdefault((row.api.name, row.api.prefix + row.route.path), []).append(row)
    for at_path in list(by_path.values())[::part]:
        row = at_path[0]
        allowed = allowed_methods([each.route for each in at_path])
        for method in METHODS:
            if method in allowed:
                continue
            reply = world.cloud.api.request(method, row.url(placeholders(row)), "admin", headers=row.headers)
            assert reply.status_code == 405, (method, row.where, reply.status_code, reply.text)
            assert reply.headers["Allow"] == ", ".join(allowed), (method, row.where)
            if method != "HEAD":
                assert set(json.loads(reply.text)) == set(row.api.error_form(405, "", "")), (method, row.where)


def test_head_answers_as_get_without_a_body(world: World) -> None:
    for row in PROTECTED:
        if row.route.method != "GET" or row.parameters:
            continue
        reply = world.cloud.api.head(row.url({}), "admin", headers=row.headers)
        assert reply.status_code in (200, 204, 300, 400), (row.where, reply.status_code)
        assert reply.data == b"", row.where


@pytest.mark.parametrize(
    "rest", ["/no-such-thing", "/servers/x/y/z", "/%00", "/../../etc/passwd", "/%F0%9F%98%80", "//x"]
)
def test_unknown_paths(world: World, rest: str) -> None:
    for api in all_apis():
        if not api.prefix or api.name.endswith("-versions"):
            continue
        reply = world.cloud.api.get(api.prefix + rest, "admin")
        assert reply.status_code == 404, (api.name, rest, reply.status_code, reply.text)
        assert set(json.loads(reply.text)) == set(api.error_form(404, "", "")), (api.name, rest, reply.text)


def test_unknown_paths_of_no_api(world: World) -> None:
    reply = world.cloud.api.get("/wp-login.php", None)
    assert (reply.status_code, reply.content_type) == (404, "application/json")
    assert "error" in reply.get_json()


NAMES = [
    "\x00", "a\nb", "\x1b[31m", "'; DROP TABLE users; --", "%", "%25", "\U0001f600", "../..", "x" * 5000, "-rf", "\u202e",
    "9" * 40, "null", "{}", " ", ".",
]  # fmt: skip


def test_odd_names_in_paths(each_world: World, part: int) -> None:
    for place, row in enumerate(ROWS):
        if not row.parameters or row.route.method == "PUT":  # PUT makes what it names, such as tags
            continue
        for name in NAMES[place % (3 * part) :: 3 * part]:
            url = row.url({parameter: quote(name, safe="") for parameter in row.parameters})
            check(row, send(each_world, row, url=url))


QUERIES = [
    "limit", "marker", "sort", "sort_key", "sort_dir", "name", "status", "changes-since", "changes-before", "ip", "ip6", "id",
    "fields", "page_reverse", "deleted", "all_tenants", "project_id", "tag", "tags", "size_min", "visibility", "member_status",
    "is_public", "minRam", "fixed_ips", "flavor", "host", "start", "end", "detailed", "reservation_id", "enabled",
    "scope.project.id", "name__contains", "state", "service",
]  # fmt: skip
QUERY_VALUES = [
    "", "-1", "0", "99999999999999999999999", "x", "\x00", "'", '"', "%", "_", "\\", "1;2", "in:a,b", "gt:x", "(a+)+$",
    "\ud83d", "null", "None", "true", "2026-13-40", "2026-01-01T00:00:00Z", "ip_address=1.2.3.4", "x" * 3000, "asc", "id:desc",
    "\U0001f600",
]  # fmt: skip


def test_odd_queries(each_world: World, part: int) -> None:
    """DOS-10: every list, every parameter, every odd value."""
    lists = [row for row in ROWS if row.route.method == "GET" and not row.parameters]
    for place, row in enumerate(lists):
        for number, key in list(enumerate(QUERIES))[place % (2 * part) :: 2 * part]:
            value = QUERY_VALUES[(place + number * 5) % len(QUERY_VALUES)]  # rotating: every key meets every value
            text = quote(value.encode("utf-8", "surrogatepass"), safe="")
            check(row, send(each_world, row, url=f"{row.url({})}?{key}={text}"))


def mutations() -> st.SearchStrategy[Any]:
    junk: st.SearchStrategy[Any] = st.sampled_from(
        [None, True, -1, 0, 2**63, 10**30, 1.5, "", "\x00", "x" * 300, "\ud800", [], {}, [None], {"a": {}}]
    )
    return junk | st.text(max_size=8) | st.integers()


def mutate(value: Any, junk: Any, place: int) -> Any:
    """The value with junk in the place-th position of its tree, or as an additional property."""
    if isinstance(value, dict) and value:
        keys = sorted(value)
        turn = place % (len(keys) + 1)
        if turn == len(keys):
            return {**value, "odd": junk}
        key = keys[turn]
        deeper = place // (len(keys) + 1)
        return {**value, key: junk if deeper == 0 else mutate(value[key], junk, deeper - 1)}
    if isinstance(value, list) and value:
        return [mutate(value[0], junk, place), *value[1:]]
    return junk


@settings(max_examples=200, **SETTINGS)
@given(row=st.sampled_from(BODIED), junk=mutations(), place=st.integers(0, 40), mine=st.booleans())
def test_valid_bodies_with_one_thing_wrong(each_world: World, row: Row, junk: Any, place: int, mine: bool) -> None:
    """RBAC-04 and DOS-01: a body that was good but for one value."""
    named = (values(row, each_world) if mine and not row.api.name.startswith("identity") else None) or placeholders(row)
    body = mutate(row.body(each_world), junk, place)
    reply = send(each_world, row, "demo", url=row.url(named), data=json.dumps(body), content_type="application/json")
    check(row, reply)


words = st.sampled_from(["name", "id", "limit", "marker", "server", "os-start", "x"]) | st.text(max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, **SETTINGS)
@given(
    row=st.sampled_from(ROWS), who=st.sampled_from([None, "demo", "reader", "admin"]), body=json_values,
    query=st.dictionaries(words, st.text(max_size=8), max_size=3),
    version=st.sampled_from(["", "2.1", "2.26", "latest", "9.9", "x"]),
)  # fmt: skip
def test_anything_anywhere(
    each_world: World, row: Row, who: str | None, body: Any, query: dict[str, str], version: str
) -> None:
    headers = {"OpenStack-API-Version": f"compute {version}"} if version else {}
    safe = {
        key.encode("utf-8", "replace").decode(): text.encode("utf-8", "replace").decode() for key, text in query.items()
    }
    reply = send(
        each_world, row, who, query_string=safe, data=json.dumps(body), content_type="application/json", headers=headers
    )
    check(row, reply)


def test_odd_headers(world: World, part: int) -> None:
    for row in ROWS[:: 3 * part]:
        for name, value in (
            ("OpenStack-API-Version", "compute 2." + "9" * 500), ("OpenStack-API-Version", "compute"),
            ("X-OpenStack-Nova-API-Version", "\u00e4"), ("X-OpenStack-Request-ID", "x" * 9000), ("Accept", "\u00e4/\u00e4"),
            ("Content-Length", "-1"), ("Range", "bytes=9-1"), ("Host", "evil.example"), ("X-Auth-Token", ""),
        ):  # fmt: skip
            reply = send(world, row, None if name == "X-Auth-Token" else "admin", headers={name: value})
            assert reply.status_code < 500 or reply.status_code == 501, (row.where, name, reply.status_code, reply.text)
            assert "x" * 100 not in str(reply.headers)


def test_client_request_ids_are_kept_only_when_they_are_some(world: World) -> None:
    given_id = f"req-{new_id()}"
    for row in PROTECTED[:5]:
        reply = send(world, row, headers={"X-OpenStack-Request-ID": given_id})
        assert reply.headers["x-openstack-request-id"] != given_id
