"""Flavors with their extra specs and access; key pairs."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from common.ids import new_id
from tests.functional.compute.conftest import NEWEST, URL, Cloud, version

FLAVORS = f"{URL}/flavors"
KEYS = f"{URL}/os-keypairs"
SMALL = {"name": "small", "ram": 256, "vcpus": 1, "disk": 2}


def test_flavor_life(cloud: Cloud) -> None:
    api = cloud.api
    assert api.post(FLAVORS, json={"flavor": SMALL}).status_code == 403
    made = api.post(FLAVORS, "admin", headers=NEWEST, json={"flavor": {**SMALL, "id": "auto", "description": "d"}})
    assert made.status_code == 200
    flavor = made.json["flavor"]
    assert (flavor["ram"], flavor["swap"], flavor["description"]) == (256, 0, "d")
    assert api.get(f"{FLAVORS}/{flavor['id']}").json["flavor"]["swap"] == ""
    same_name = api.post(FLAVORS, "admin", json={"flavor": SMALL})
    assert (same_name.status_code, "name small" in same_name.text) == (409, True)
    same_id = api.post(FLAVORS, "admin", json={"flavor": {**SMALL, "name": "n", "id": "tiny"}})
    assert (same_id.status_code, "ID tiny" in same_id.text) == (409, True)
    for bad in ({"ram": 0}, {"vcpus": "many"}, {"disk": -1}, {"name": ""}, {"id": "a/b"}, {"rxtx_factor": 0}, {"x": 1}):
        assert api.post(FLAVORS, "admin", json={"flavor": {**SMALL, **bad}}).status_code == 400, bad
    url = f"{FLAVORS}/{flavor['id']}"
    assert api.put(url, "admin", headers=NEWEST, json={"flavor": {"description": None}}).status_code == 200
    assert api.put(url, "admin", headers=version("2.54"), json={"flavor": {"description": "x"}}).status_code == 404
    assert api.delete(url, "admin").status_code == 202
    gone = api.delete(url, "admin")
    assert (gone.status_code, gone.json["itemNotFound"]["message"]) == (
        404,
        f"Flavor {flavor['id']} could not be found.",
    )


def test_flavor_lists(cloud: Cloud) -> None:
    api = cloud.api
    for size in (1, 2, 3):
        api.post(
            FLAVORS,
            "admin",
            json={"flavor": {"name": f"f{size}", "id": str(size), "ram": 100 * size, "vcpus": 1, "disk": size}},
        )
    listed = api.get(f"{FLAVORS}?minRam=200&minDisk=2").json["flavors"]
    assert [row["id"] for row in listed] == ["2", "3"]
    page = api.get(f"{FLAVORS}/detail?limit=2").json
    assert [row["id"] for row in page["flavors"]] == ["1", "2"]
    rest = api.get(page["flavors_links"][0]["href"].removeprefix("http://localhost")).json
    assert [row["id"] for row in rest["flavors"]] == ["3", "tiny"]
    assert api.get(f"{FLAVORS}?minRam=lots").status_code == 400
    assert api.get(f"{FLAVORS}?marker=nothing").status_code == 400
    descending = api.get(f"{FLAVORS}?sort_key=memory_mb&sort_dir=desc").json["flavors"]
    assert [row["id"] for row in descending][:2] == ["3", "2"]


def test_private_flavors(cloud: Cloud) -> None:
    api = cloud.api
    body = {"flavor": {**SMALL, "id": "p", "os-flavor-access:is_public": False}}
    assert api.post(FLAVORS, "admin", json=body).status_code == 200
    unknown, hidden = api.get(f"{FLAVORS}/unknown"), api.get(f"{FLAVORS}/p")
    assert (hidden.status_code, hidden.text) == (404, unknown.text.replace("unknown", "p"))
    assert "p" not in [row["id"] for row in api.get(FLAVORS).json["flavors"]]
    assert "p" in [row["id"] for row in api.get(f"{FLAVORS}?is_public=none", "admin").json["flavors"]]
    assert [row["id"] for row in api.get(f"{FLAVORS}?is_public=false", "admin").json["flavors"]] == ["p"]
    demo = api.project_id("demo")
    grant = {"addTenantAccess": {"tenant": demo}}
    assert api.post(f"{FLAVORS}/p/action", json=grant).status_code == 403
    granted = api.post(f"{FLAVORS}/p/action", "admin", json=grant)
    assert {"flavor_id": "p", "tenant_id": demo} in granted.json["flavor_access"]
    assert api.post(f"{FLAVORS}/p/action", "admin", json=grant).status_code == 409
    assert api.get(f"{FLAVORS}/p").status_code == 200
    nobody = api.post(f"{FLAVORS}/p/action", "admin", json={"addTenantAccess": {"tenant": new_id()}})
    assert nobody.status_code == 400
    assert api.post(f"{FLAVORS}/tiny/action", "admin", json=grant).status_code == 409
    assert api.get(f"{FLAVORS}/tiny/os-flavor-access", "admin").status_code == 404
    revoke = {"removeTenantAccess": {"tenant": demo}}
    assert api.post(f"{FLAVORS}/p/action", "admin", json=revoke).status_code == 200
    assert api.post(f"{FLAVORS}/p/action", "admin", json=revoke).status_code == 404
    assert api.get(f"{FLAVORS}/p").status_code == 404


def test_extra_specs(cloud: Cloud) -> None:
    api, url = cloud.api, f"{FLAVORS}/tiny/os-extra_specs"
    assert api.post(url, json={"extra_specs": {"a": "1"}}).status_code == 403
    assert api.post(url, "admin", json={"extra_specs": {"a:b": "1", "c": 2}}).json == {
        "extra_specs": {"a:b": "1", "c": "2"}
    }
    assert api.get(f"{url}/a:b").json == {"a:b": "1"}
    assert api.put(f"{url}/c", "admin", json={"c": "3"}).json == {"c": "3"}
    assert api.put(f"{url}/c", "admin", json={"d": "3"}).status_code == 400
    assert api.post(url, "admin", json={"extra_specs": {"bad/key": "1"}}).status_code == 400
    assert api.delete(f"{url}/c", "admin").status_code == 200
    assert api.delete(f"{url}/c", "admin").status_code == 404
    assert api.get(url).json == {"extra_specs": {"hw:cpu_policy": "shared", "a:b": "1"}}


def _public_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def test_keypair_import_and_generation(cloud: Cloud) -> None:
    api, key = cloud.api, _public_key()
    imported = api.post(KEYS, headers=NEWEST, json={"keypair": {"name": "mine", "public_key": f"{key} me@here\n"}})
    assert imported.status_code == 201
    assert imported.json["keypair"]["public_key"] == f"{key} me@here"
    assert "private_key" not in imported.json["keypair"]
    again = api.post(KEYS, headers=NEWEST, json={"keypair": {"name": "mine", "public_key": key}})
    assert (again.status_code, again.json["conflictingRequest"]["message"]) == (409, "Key pair 'mine' already exists.")
    made = api.post(KEYS, json={"keypair": {"name": "made"}})
    assert made.status_code == 200
    private = serialization.load_pem_private_key(made.json["keypair"]["private_key"].encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert made.json["keypair"]["public_key"].startswith(public.decode())
    server_id = cloud.server(key_name="mine")
    assert cloud.show(server_id)["key_name"] == "mine"
    assert api.delete(f"{KEYS}/mine", headers=NEWEST).status_code == 204
    missing = api.get(f"{KEYS}/mine", headers=NEWEST)
    assert missing.json["itemNotFound"]["message"] == f"Keypair mine not found for user {api.user_id('demo')}"


@pytest.mark.parametrize("key", [
    "ssh-rsa AAAA", "not a key", "ssh-ed25519 " + "A" * 68, "command=\"rm\" KEY", "KEY\nKEY", "ssh-rsa KEYBLOB", "",
])  # fmt: skip
def test_bad_public_keys(cloud: Cloud, key: str) -> None:
    real = _public_key()
    text = key.replace("KEYBLOB", real.split()[1]).replace("KEY", real)
    reply = cloud.api.post(KEYS, json={"keypair": {"name": "bad", "public_key": text}})
    assert reply.status_code == 400
    assert cloud.api.get(KEYS).json == {"keypairs": []}


def test_keypair_names_types_and_owners(cloud: Cloud) -> None:
    api = cloud.api
    for name in ("a/b", "../x", " a", "a@b", "x" * 256, ""):
        assert api.post(KEYS, headers=NEWEST, json={"keypair": {"name": name}}).status_code == 400
    x509 = api.post(KEYS, headers=NEWEST, json={"keypair": {"name": "x", "type": "x509"}})
    assert (x509.status_code, "x509" in x509.text) == (400, True)
    assert api.post(KEYS, json={"keypair": {"name": "x", "type": "ssh"}}).status_code == 400  # no types before 2.2
    other = api.user_id("other")
    body = {"keypair": {"name": "theirs", "public_key": _public_key(), "user_id": other}}
    assert api.post(KEYS, headers=NEWEST, json=body).status_code == 403
    assert api.post(KEYS, "admin", headers=NEWEST, json=body).status_code == 201
    assert api.get(f"{KEYS}?user_id={other}", headers=NEWEST).status_code == 403
    assert [row["keypair"]["name"] for row in api.get(KEYS, "other", headers=NEWEST).json["keypairs"]] == ["theirs"]
    assert api.get(f"{KEYS}/theirs", headers=NEWEST).status_code == 404
    assert cloud.create(key_name="theirs").status_code == 400


def test_keypair_pages_and_quota(cloud: Cloud) -> None:
    api = cloud.api
    api.put(f"{URL}/os-quota-sets/{api.project_id('demo')}", "admin", json={"quota_set": {"key_pairs": 3}})
    for name in ("a", "b", "c"):
        assert (
            api.post(KEYS, headers=NEWEST, json={"keypair": {"name": name, "public_key": _public_key()}}).status_code
            == 201
        )
    full = api.post(KEYS, headers=NEWEST, json={"keypair": {"name": "d", "public_key": _public_key()}})
    assert (full.status_code, full.json["forbidden"]["message"]) == (403, "Quota exceeded, too many key pairs.")
    api.delete(f"{KEYS}/b", headers=NEWEST)
    assert (
        api.post(KEYS, headers=NEWEST, json={"keypair": {"name": "d", "public_key": _public_key()}}).status_code == 201
    )
    page = api.get(f"{KEYS}?limit=2", headers=NEWEST).json
    assert [row["keypair"]["name"] for row in page["keypairs"]] == ["a", "c"]
    rest = api.get(page["keypairs_links"][0]["href"].removeprefix("http://localhost"), headers=NEWEST).json
    assert [row["keypair"]["name"] for row in rest["keypairs"]] == ["d"]
