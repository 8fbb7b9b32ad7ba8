"""Images: registering, listing, changing, deleting, and who may."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from common.ids import new_id
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import DATA, PATCH, V2, patch, register, replace, uploaded

NO_IMAGES: list[Any] = [
    {"name": "x" * 256}, {"name": "a\x00b"}, {"id": "../../etc/passwd"}, {"id": "1234"}, {"disk_format": "exe"},
    {"container_format": "box"}, {"min_disk": -1}, {"min_ram": "many"}, {"protected": "yes"}, {"visibility": "secret"},
    {"tags": ["x" * 256]}, {"tags": "x"},
    {"colour": 3}, {"colour": None}, {"k" * 256: "v"}, {"p": "v" * 65536}, [], "x", None,
]  # fmt: skip
OWNED_BY_THE_SERVICE = [
    "status", "checksum", "size", "virtual_size", "created_at", "updated_at", "os_hash_algo", "os_hash_value", "self",
    "file", "schema", "direct_url", "stores", "location", "locations", "deleted", "deleted_at", "os_glance_import_task",
]  # fmt: skip
NO_QUERIES = [
    "limit=-1", "limit=x", "marker=nope", f"marker={uuid.uuid4()}", "sort=colour", "sort=name:up",
    "sort_key=name&sort=name",
    "sort_key=name&sort_dir=asc&sort_dir=desc", "sort_dir=up", "protected=maybe", "os_hidden=1",
    "size_min=x", "size_max=-1",
    "member_status=maybe", "created_at=gt:yesterday", "created_at=near:2020-01-01T00:00:00Z", 'name=in:"open',
    "name=%00", "a%22b=c", "a%5Cb=c", "size_min=99999999999999999999999",
]  # fmt: skip
LIKE_SQL = ["' OR 1=1 --", '"; DROP TABLE images; --', "%", "_", "\\", "$.x", "[0]", "é" * 40]
NO_PATCHES: list[tuple[Any, int]] = [
    ({"op": "move", "path": "/name", "value": "x"}, 400), ({"op": "replace", "path": "name", "value": "x"}, 400),
    ({"op": "replace", "path": "/", "value": "x"}, 400), ({"op": "replace", "path": "/a/b", "value": "x"}, 400),
    ({"op": "replace", "path": "/a~2", "value": "x"}, 400), ({"op": "replace", "path": "/name"}, 400),
    ({"op": "replace", "path": "/name", "value": 3}, 400), ({"op": "add", "path": "/k", "value": {"a": 1}}, 400),
    ({"op": "add", "path": "/k", "value": "\x00"}, 400), ({"op": "replace", "path": "/tags", "value": ["\x00"]}, 400),
    ({"op": "replace", "path": "/absent", "value": "x"}, 409), ({"op": "remove", "path": "/absent"}, 409),
    ({"op": "remove", "path": "/name"}, 403), ({"op": "replace", "path": "/id", "value": "x"}, 403),
    ("x", 400),
]  # fmt: skip


def _names(client: ApiClient, query: str = "", as_: str = "demo") -> list[str]:
    reply = client.get(f"{V2}?{query}", as_)
    assert reply.status_code == 200, reply.text
    return [image["name"] for image in reply.json["images"]]


def test_a_new_image_is_queued_and_shared(api_client: ApiClient, database_url: str) -> None:
    reply = api_client.post(V2, json={"name": "a", "os_distro": "debian", "tags": ["x", "x", "b"], "min_ram": 64})
    assert reply.status_code == 201
    image = reply.json
    assert reply.headers["Location"].endswith(f"/image/v2/images/{image['id']}")
    assert image["status"] == "queued"
    assert image["visibility"] == "shared"
    assert image["owner"] == api_client.project_id("demo")
    assert image["os_distro"] == "debian"
    assert image["tags"] == ["b", "x"]
    assert (image["size"], image["checksum"], image["os_hash_value"], image["disk_format"]) == (None, None, None, None)
    assert image["self"] == f"/v2/images/{image['id']}"
    assert image["file"] == f"/v2/images/{image['id']}/file"
    assert image["schema"] == "/v2/schemas/image"
    assert "locations" not in image
    assert api_client.get(f"{V2}/{image['id']}").json == image


def test_an_id_is_taken_for_ever(api_client: ApiClient) -> None:
    image_id = str(uuid.uuid4())
    assert register(api_client, id=image_id)["id"] == image_id
    assert api_client.post(V2, "other", json={"id": image_id}).status_code == 409
    assert api_client.delete(f"{V2}/{image_id}").status_code == 204
    assert api_client.get(f"{V2}/{image_id}").status_code == 404
    assert api_client.delete(f"{V2}/{image_id}").status_code == 404
    assert api_client.post(V2, "other", json={"id": image_id.upper()}).status_code == 409


def test_a_body_that_is_no_image_is_refused(api_client: ApiClient) -> None:
    for body in NO_IMAGES:
        reply = api_client.post(V2, json=body)
        assert reply.status_code == 400, (body, reply.text)
        assert reply.json["code"] == "400 Bad Request"


def test_what_the_service_owns_nobody_writes(api_client: ApiClient) -> None:
    """IMG-14, through both dialects, for the owner and for an administrator."""
    image = uploaded(api_client)
    for who, name in itertools.product(("demo", "admin"), OWNED_BY_THE_SERVICE):
        assert api_client.post(V2, who, json={"name": "a", name: "x"}).status_code == 403
        for change in (
            replace(name, "x"),
            {"op": "add", "path": f"/{name}", "value": "x"},
            {"op": "remove", "path": f"/{name}"},
        ):
            assert patch(api_client, image["id"], change, as_=who).status_code == 403
            old = {change["op"]: change["path"], "value": change.get("value")}
            reply = api_client.patch(
                f"{V2}/{image['id']}", who, json=[old], headers={"Content-Type": PATCH.replace("2.1", "2.0")}
            )
            assert reply.status_code == 403
    assert api_client.get(f"{V2}/{image['id']}").json == image


def test_only_an_administrator_publishes_and_gives_away(api_client: ApiClient) -> None:
    other = api_client.project_id("other")
    assert api_client.post(V2, json={"visibility": "public"}).status_code == 403
    assert api_client.post(V2, json={"owner": other}).status_code == 403
    image = register(api_client)
    assert patch(api_client, image["id"], replace("visibility", "public")).status_code == 403
    assert patch(api_client, image["id"], replace("owner", other)).status_code == 403
    assert patch(api_client, image["id"], replace("visibility", "public"), as_="admin").json["visibility"] == "public"
    assert patch(api_client, image["id"], replace("name", "renamed")).json["visibility"] == "public"
    assert patch(api_client, image["id"], replace("owner", other), as_="admin").json["owner"] == other
    assert api_client.post(V2, "admin", json={"owner": other}).json["owner"] == other


def test_visibility(api_client: ApiClient, database_url: str) -> None:
    for name in ("private", "shared", "community"):
        register(api_client, name=name, visibility=name)
    register(api_client, "admin", name="public", visibility="public")
    assert sorted(_names(api_client)) == ["community", "private", "public", "shared"]
    assert _names(api_client, as_="other") == ["public"]
    assert _names(api_client, "visibility=community", "other") == ["community"]
    assert sorted(_names(api_client, "visibility=all", "other")) == ["community", "public"]
    assert _names(api_client, "visibility=private", "other") == []
    assert sorted(_names(api_client, as_="admin")) == ["private", "public", "shared"]
    assert sorted(_names(api_client, "visibility=all", "admin")) == ["community", "private", "public", "shared"]
    assert api_client.get(f"{V2}?visibility=mine").status_code == 400


def test_a_strangers_image_is_unknown_and_a_visible_one_is_not_theirs_to_change(api_client: ApiClient) -> None:
    hidden, seen = uploaded(api_client, visibility="private"), uploaded(api_client, visibility="community")
    unknown = str(uuid.uuid4())
    for image_id, status in ((hidden["id"], 404), (seen["id"], 403), (unknown, 404)):
        replies = [
            patch(api_client, image_id, replace("name", "mine"), as_="other"),
            api_client.delete(f"{V2}/{image_id}", "other"),
            api_client.put(f"{V2}/{image_id}/file", "other", data=b"x", content_type="application/octet-stream"),
            api_client.put(f"{V2}/{image_id}/tags/x", "other"),
            api_client.post(f"{V2}/{image_id}/actions/deactivate", "other"),
        ]
        assert [reply.status_code for reply in replies] == [status] * 5
    strange, none = (api_client.get(f"{V2}/{i}", "other").json["message"] for i in (hidden["id"], unknown))
    assert strange.replace(hidden["id"], "") == none.replace(unknown, "")
    assert api_client.get(f"{V2}/{seen['id']}/file", "other").data == DATA
    assert api_client.get(f"{V2}/{seen['id']}").json == seen


def test_a_reader_reads(api_client: ApiClient) -> None:
    image = register(api_client)
    assert api_client.get(f"{V2}/{image['id']}", "reader").status_code == 200
    assert api_client.get(V2, "reader").status_code == 200
    assert api_client.post(V2, "reader", json={"name": "a"}).status_code == 403
    assert patch(api_client, image["id"], replace("name", "b"), as_="reader").status_code == 403
    assert api_client.delete(f"{V2}/{image['id']}", "reader").status_code == 403
    assert api_client.get(V2, None).status_code == 401
    hidden = uploaded(api_client, "other", visibility="private")
    for image_id, status in ((image["id"], 403), (hidden["id"], 404)):
        assert patch(api_client, image_id, replace("name", "b"), as_="reader").status_code == status
        assert api_client.delete(f"{V2}/{image_id}", "reader").status_code == status
        assert api_client.post(f"{V2}/{image_id}/actions/deactivate", "reader").status_code == status
        assert api_client.delete(f"{V2}/{image_id}/members/{new_id()}", "reader").status_code == status


def test_filters(api_client: ApiClient, database_url: str) -> None:
    register(api_client, name="one", tags=["t1", "t2"], os_distro="debian", min_disk=1)
    register(api_client, name="two, three", tags=["t1"], disk_format="qcow2", os_hidden=False)
    register(api_client, name="hidden", os_hidden=True)
    big = uploaded(api_client, name="big", protected=True)
    expected = {
        "name=one": ["one"], 'name=in:one,"two,%20three"': ["one", "two, three"], "tag=t1": ["one", "two, three"],
        "tag=t1&tag=t2": ["one"], "os_distro=debian": ["one"],
        "os_distro=arch": [], "disk_format=qcow2": ["two, three"],
        "status=active": ["big"], "status=in:active,queued": ["big", "one", "two, three"], "os_hidden=true": ["hidden"],
        "protected=true": ["big"], f"size_min={len(DATA)}": ["big"], f"size_min={len(DATA) + 1}": [],
        f"size_max={len(DATA)}": ["big"], f"id={big['id']}": ["big"],
        "created_at=gt:2020-01-01T00:00:00Z&name=one": ["one"],
        "created_at=lt:2020-01-01T00:00:00Z": [], "updated_at=gte:2020-01-01&name=one": ["one"],
        f"owner={api_client.project_id('demo')}&name=one": ["one"], "owner=nobody": [], "container_format=ovf": [],
        "visibility=shared&name=one": ["one"], "member_status=all&name=one": ["one"],
        f"size_max={10**18}&name=big": ["big"],
    }  # fmt: skip
    assert {query: sorted(_names(api_client, query)) for query in expected} == expected


def test_a_query_that_makes_no_sense_is_told_so(api_client: ApiClient) -> None:
    for query in NO_QUERIES:
        reply = api_client.get(f"{V2}?{query}")
        assert reply.status_code == 400, (query, reply.text)


def test_what_looks_like_sql_is_text(api_client: ApiClient, database_url: str) -> None:
    """DOS-10."""
    register(api_client, name="one", **{"a.b": "v"})
    for text in LIKE_SQL:
        for name in ("name", "owner", "status", "tag", "id", "os_distro", "disk_format"):
            reply = api_client.get(V2, query_string={name: text})
            assert (reply.status_code, reply.json["images"]) == (200, [])
        for name in ("sort", "sort_key", "marker", "limit", "created_at", "size_min"):
            assert api_client.get(V2, query_string={name: text}).status_code == 400
        if '"' not in text and "\\" not in text:
            assert api_client.get(V2, query_string={text: "v"}).json["images"] == []
    assert [i["name"] for i in api_client.get(V2, query_string={"a.b": "v"}).json["images"]] == ["one"]


def test_sorting_and_pages(api_client: ApiClient, database_url: str) -> None:
    for name in ("b", "a", "c"):
        register(api_client, name=name)
    register(api_client, name="a", disk_format="qcow2")
    assert _names(api_client, "sort=name:asc") == ["a", "a", "b", "c"]
    assert _names(api_client, "sort_key=name&sort_dir=desc") == ["c", "b", "a", "a"]
    assert _names(api_client, "sort_key=name&sort_key=disk_format&sort_dir=asc&sort_dir=desc") == ["a", "a", "b", "c"]
    seen, path = [], f"{V2}?limit=3&sort=name:asc"
    first = api_client.get(path).json
    assert first["first"] == "/v2/images?limit=3&sort=name%3Aasc"
    assert first["next"].startswith("/v2/images?limit=3&sort=name%3Aasc&marker=")
    assert first["schema"] == "/v2/schemas/images"
    while path:
        page = api_client.get(path).json
        seen += [image["id"] for image in page["images"]]
        path = f"/image{page['next']}" if "next" in page else ""
    assert len(seen) == len(set(seen)) == 4
    assert api_client.get(f"{V2}?limit=0").json["images"] == []


def test_a_list_takes_the_same_statements_whatever_its_size(api_client: ApiClient) -> None:
    counts = []
    for _ in range(2):
        for number in range(3):
            register(api_client, name=f"n{number}", tags=["a", "b"])
        api_client.token("demo")
        before = api_client.services.db.statements
        assert api_client.get(V2).status_code == 200
        counts.append(api_client.services.db.statements - before)
    assert counts[0] == counts[1]


def test_patch(api_client: ApiClient, database_url: str) -> None:
    image = register(api_client, name="a", os_distro="debian", tags=["x"])
    reply = patch(
        api_client, image["id"], replace("name", "b"), replace("tags", ["y", "z"]), replace("os_distro", "arch"),
        {"op": "add", "path": "/a~1b~0c", "value": "1"}, {"op": "add", "path": "/min_disk", "value": 3},
        replace("disk_format", "qcow2"),
    )  # fmt: skip
    assert reply.status_code == 200, reply.text
    changed = reply.json
    assert (changed["name"], changed["tags"], changed["os_distro"]) == ("b", ["y", "z"], "arch")
    assert (changed["a/b~c"], changed["min_disk"], changed["disk_format"]) == ("1", 3, "qcow2")
    reply = patch(api_client, image["id"], {"op": "remove", "path": "/os_distro"})
    assert "os_distro" not in reply.json
    assert api_client.get(f"{V2}/{image['id']}").json == reply.json


def test_the_old_patch_dialect(api_client: ApiClient) -> None:
    image = register(api_client)
    headers = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
    reply = api_client.patch(
        f"{V2}/{image['id']}", json=[{"replace": "/name", "value": "n"}, {"add": "/k", "value": "v"}], headers=headers
    )
    assert (reply.status_code, reply.json["name"], reply.json["k"]) == (200, "n", "v")
    two = [{"replace": "/name", "add": "/name", "value": "x"}]
    assert api_client.patch(f"{V2}/{image['id']}", json=two, headers=headers).status_code == 400


def test_a_patch_is_done_whole_or_not_at_all(api_client: ApiClient) -> None:
    image = register(api_client)
    for change, status in NO_PATCHES:
        reply = patch(api_client, image["id"], replace("name", "half"), change)
        assert reply.status_code == status, (change, reply.text)
    assert api_client.get(f"{V2}/{image['id']}").json["name"] == "disk"


def test_patch_is_taken_in_its_own_media_types_only(api_client: ApiClient) -> None:
    image = register(api_client)
    assert api_client.patch(f"{V2}/{image['id']}", json=[]).status_code == 415
    assert api_client.patch(f"{V2}/{image['id']}", json={}, headers={"Content-Type": PATCH}).status_code == 400


def test_the_formats_of_bytes_that_are_there_stay(api_client: ApiClient) -> None:
    image = uploaded(api_client)
    assert patch(api_client, image["id"], replace("disk_format", "qcow2")).status_code == 403
    assert patch(api_client, image["id"], replace("disk_format", "raw")).status_code == 200


def test_limits_of_properties_and_tags(api_client: ApiClient) -> None:
    many = {f"k{number}": "v" for number in range(129)}
    assert api_client.post(V2, json=many).status_code == 413
    image = register(api_client, **{f"k{number}": "v" for number in range(128)})
    assert patch(api_client, image["id"], {"op": "add", "path": "/one_more", "value": "v"}).status_code == 413
    for number in range(128):
        assert api_client.put(f"{V2}/{image['id']}/tags/t{number}").status_code == 204
    assert api_client.put(f"{V2}/{image['id']}/tags/more").status_code == 413
    assert api_client.put(f"{V2}/{image['id']}/tags/t0").status_code == 204


def test_tags(api_client: ApiClient) -> None:
    image = register(api_client)
    tag = f"{V2}/{image['id']}/tags"
    assert api_client.put(f"{tag}/one").status_code == 204
    assert api_client.put(f"{tag}/one").status_code == 204
    assert api_client.get(f"{V2}/{image['id']}").json["tags"] == ["one"]
    assert api_client.put(f"{tag}/{'x' * 256}").status_code == 400
    assert api_client.delete(f"{tag}/one").status_code == 204
    assert api_client.delete(f"{tag}/one").status_code == 404


def test_protection(api_client: ApiClient) -> None:
    image = uploaded(api_client, protected=True)
    assert api_client.delete(f"{V2}/{image['id']}").status_code == 403
    assert api_client.delete(f"{V2}/{image['id']}", "admin").status_code == 403
    patch(api_client, image["id"], replace("protected", False))
    assert api_client.delete(f"{V2}/{image['id']}").status_code == 204


def test_deactivation_stops_downloads(api_client: ApiClient) -> None:
    image = uploaded(api_client)
    path = f"{V2}/{image['id']}"
    assert api_client.post(f"{path}/actions/deactivate").status_code == 204
    assert api_client.post(f"{path}/actions/deactivate").status_code == 204
    assert api_client.get(path).json["status"] == "deactivated"
    assert api_client.get(f"{path}/file").status_code == 403
    assert api_client.get(f"{path}/file", "admin").data == DATA
    assert api_client.post(f"{path}/actions/reactivate").status_code == 204
    assert api_client.get(f"{path}/file").data == DATA
    queued = register(api_client)
    assert api_client.post(f"{V2}/{queued['id']}/actions/deactivate").status_code == 403


def test_documents(api_client: ApiClient) -> None:
    for path, status in (("/image", 300), ("/image/", 300), ("/image/versions", 200)):
        reply = api_client.get(path, None)
        assert reply.status_code == status
        versions = reply.json["versions"]
        assert (versions[0]["id"], versions[0]["status"], versions[-1]["id"]) == ("v2.16", "CURRENT", "v2.0")
        assert versions[0]["links"][0]["href"].endswith("/image/v2/")
    for name in ("image", "images", "member", "members", "task", "tasks"):
        assert api_client.get(f"/image/v2/schemas/{name}").json["name"] == name
    assert api_client.get("/image/v2/schemas/nothing").status_code == 404
    assert api_client.get("/image/v2/info/import").json["import-methods"]["value"] == [
        "glance-direct", "web-download", "glance-download",
    ]  # fmt: skip
    (store,) = api_client.get("/image/v2/info/stores").json["stores"]
    assert (store["id"], store["default"]) == ("local", "true")
    assert "properties" not in store
    assert api_client.get("/image/v2/info/stores/detail").status_code == 403
    (store,) = api_client.get("/image/v2/info/stores/detail", "admin").json["stores"]
    assert (store["type"], store["properties"]["data_dir"]) == ("file", api_client.services.config.image.store_dir)
    assert api_client.get(f"{V2}/{register(api_client)['id']}/tasks").json == {"tasks": []}
