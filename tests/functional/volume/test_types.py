"""Volume types, QoS specs and default types: who sees what of them, what is refused, what holds for new volumes."""

from __future__ import annotations

from typing import Any

import pytest

from common.ids import new_id
from tests.fixtures.api import ApiClient
from tests.functional.volume.caller import Caller

SPECS = {"multiattach": "<is> False", "volume_backend_name": "files", "RESKEY:availability_zones": "nova"}
LUKS = {"provider": "LuksEncryptor", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}


@pytest.fixture
def call(api_client: ApiClient) -> Caller:
    return Caller(api_client)


def test_life_of_a_type(call: Caller) -> None:
    made = call.volume_type(description="ssd", extra_specs=SPECS)
    assert (made["is_public"], made["os-volume-type-access:is_public"], made["extra_specs"]) == (True, True, SPECS)
    call.post("/types", {"volume_type": {"name": "fast"}}, "admin", 409)
    where = f"/types/{made['id']}"
    shown = call.get(where, "admin")["volume_type"]
    assert shown == {**made, "qos_specs_id": None}
    changed = call.put(where, {"volume_type": {"name": "faster", "is_public": False}}, "admin")["volume_type"]
    assert (changed["name"], changed["description"], changed["is_public"]) == ("faster", "ssd", False)
    call.get(where, "demo", 404)
    call.delete(where, "admin")
    call.get(where, "admin", 404)


@pytest.mark.parametrize(
    "body",
    [{}, {"name": None}, {"description": None, "name": None}, {"name": ""}, {"color": "red"}, {"is_public": "perhaps"}],
)
def test_changes_of_a_type_that_mean_nothing(call: Caller, body: dict[str, Any]) -> None:
    where = f"/types/{call.volume_type()['id']}"
    call.put(where, {"volume_type": body}, "admin", 400)


def test_two_types_never_get_one_name(call: Caller) -> None:
    call.volume_type("one")
    two = call.volume_type("two")["id"]
    call.put(f"/types/{two}", {"volume_type": {"name": "one"}}, "admin", 409)
    call.put(f"/types/{two}", {"volume_type": {"name": "two", "description": "same name"}}, "admin")


def test_users_see_few_of_the_extra_specs(call: Caller) -> None:
    where = f"/types/{call.volume_type(extra_specs=SPECS)['id']}"
    visible = {"multiattach": "<is> False", "RESKEY:availability_zones": "nova"}
    for who in ("reader", "demo"):
        assert call.get(where, who)["volume_type"]["extra_specs"] == visible
        assert call.get(f"{where}/extra_specs", who)["extra_specs"] == visible
        assert call.get(f"{where}/extra_specs/multiattach", who) == {"multiattach": "<is> False"}
        call.get(f"{where}/extra_specs/volume_backend_name", who, 404)
        assert "qos_specs_id" not in call.get(where, who)["volume_type"]
    assert call.get(f"{where}/extra_specs", "admin")["extra_specs"] == SPECS


def test_extra_specs_one_by_one(call: Caller) -> None:
    where = f"/types/{call.volume_type()['id']}/extra_specs"
    assert call.post(where, {"extra_specs": {"a": "1", "b": "2"}}, "admin", 200) == {
        "extra_specs": {"a": "1", "b": "2"}
    }
    assert call.put(f"{where}/a", {"a": "3"}, "admin") == {"a": "3"}
    call.put(f"{where}/a", {"b": "3"}, "admin", 400)
    call.put(f"{where}/a", {"a": "3", "b": "3"}, "admin", 400)
    call.put(f"{where}/a", None, "admin", 400)
    call.post(where, {"extra_specs": ["a"]}, "admin", 400)
    call.delete(f"{where}/b", "admin")
    call.delete(f"{where}/b", "admin", 404)
    assert call.get(where, "admin") == {"extra_specs": {"a": "3"}}
    call.post(f"/types/{new_id()}/extra_specs", {"extra_specs": {"a": "1"}}, "admin", 404)


def test_a_private_type_is_for_those_who_have_access(call: Caller) -> None:
    private = call.volume_type("private", **{"os-volume-type-access:is_public": False})
    where, demo = f"/types/{private['id']}", call.api.project_id("demo")
    call.get(where, "demo", 404)
    call.post("/volumes", {"volume": {"size": 1, "volume_type": "private"}}, expect=404)
    call.post(f"{where}/action", {"addProjectAccess": {"project": demo}}, "admin")
    call.post(f"{where}/action", {"addProjectAccess": {"project": demo}}, "admin", 409)
    call.post(f"{where}/action", {"addProjectAccess": {"project": new_id()}}, "admin", 400)
    assert call.get(f"{where}/os-volume-type-access", "admin")["volume_type_access"] == [
        {"volume_type_id": private["id"], "project_id": demo}
    ]
    assert call.get(where, "demo")["volume_type"]["name"] == "private"
    assert "private" in [row["name"] for row in call.get("/types")["volume_types"]]
    call.get(where, "other", 404)
    made = call.post("/volumes", {"volume": {"size": 1, "volume_type": "private"}})["volume"]
    assert made["volume_type"] == "private"
    call.post(f"{where}/action", {"removeProjectAccess": {"project": demo}}, "admin")
    call.post(f"{where}/action", {"removeProjectAccess": {"project": demo}}, "admin", 404)
    call.get(where, "demo", 404)


def test_access_to_a_public_type_is_no_question(call: Caller) -> None:
    where = f"/types/{call.volume_type()['id']}"
    call.get(f"{where}/os-volume-type-access", "admin", 404)
    call.post(f"{where}/action", {"addProjectAccess": {"project": call.api.project_id("demo")}}, "admin", 400)


def test_lists_of_types(call: Caller) -> None:
    for name, public in (("a", True), ("b", False), ("c", True)):
        call.volume_type(name, extra_specs={"of": name}, **{"os-volume-type-access:is_public": public})

    def names(query: str, as_: str = "admin", at: str = "3.71") -> list[str]:
        found = call.get(f"/types?{query}", as_, at=at)["volume_types"]
        return [row["name"] for row in found if len(row["name"]) == 1]

    assert names("sort=name:asc") == ["a", "c"]
    assert names("sort=name:asc&is_public=None") == ["a", "b", "c"]
    assert names("is_public=False") == ["b"]
    assert names("is_public=None", "demo") == ["c", "a"] or names("is_public=None&sort=name:asc", "demo") == ["a", "c"]
    assert names("extra_specs={'of':'c'}") == ["c"]
    assert names("extra_specs={'of':'c'}&sort=name:asc", at="3.51") == ["a", "c"]
    page = call.get("/types?limit=1&sort=name:asc", "admin")
    assert len(page["volume_types"]) == 1
    assert "marker=" in page["volume_type_links"][0]["href"]


def test_volumes_without_a_type_get_the_default(call: Caller) -> None:
    assert call.get("/types/default")["volume_type"]["name"] == "__DEFAULT__"
    own, demo = call.volume_type("own")["id"], call.api.project_id("demo")
    call.get(f"/default-types/{demo}", "admin", 404)
    assert call.put(f"/default-types/{demo}", {"default_type": {"volume_type": "own"}}, "admin") == {
        "default_type": {"project_id": demo, "volume_type_id": own}
    }
    assert call.get("/types/default")["volume_type"]["name"] == "own"
    assert call.get("/types/default", "other")["volume_type"]["name"] == "__DEFAULT__"
    made = call.post("/volumes", {"volume": {"size": 1}})["volume"]
    assert (made["volume_type"], made["volume_type_id"]) == ("own", own)
    assert call.get("/default-types", "admin")["default_types"] == [{"project_id": demo, "volume_type_id": own}]
    call.delete(f"/types/{own}", "admin", 400)
    call.delete(f"/default-types/{demo}", "admin", 204)
    call.delete(f"/default-types/{demo}", "admin", 404)
    assert call.get("/types/default")["volume_type"]["name"] == "__DEFAULT__"
    call.delete(f"/types/{own}", "admin", 400)  # the volume is of it
    default = call.get("/types/default")["volume_type"]["id"]
    call.delete(f"/types/{default}", "admin", 400)


def test_encryption_is_kept_and_volumes_of_such_a_type_are_refused(call: Caller) -> None:
    type_id = call.volume_type("safe")["id"]
    where = f"/types/{type_id}/encryption"
    assert call.get(where, "admin") == {}
    made = call.post(where, {"encryption": LUKS}, "admin", 200)["encryption"]
    assert made.items() >= {**LUKS, "volume_type_id": type_id}.items()
    call.post(where, {"encryption": LUKS}, "admin", 409)
    assert call.get(f"{where}/cipher", "admin") == {"cipher": "aes-xts-plain64"}
    call.get(f"{where}/color", "admin", 404)
    refused = call.post("/volumes", {"volume": {"size": 1, "volume_type": "safe"}}, expect=400)
    assert "no key manager" in refused["badRequest"]["message"]
    change = {"encryption": {"key_size": 128, "control_location": "back-end"}}
    assert call.put(f"{where}/{made['encryption_id']}", change, "admin") == change
    assert call.get(where, "admin").items() >= {**LUKS, **change["encryption"]}.items()
    call.put(f"{where}/{new_id()}", change, "admin", 404)
    call.delete(f"{where}/{made['encryption_id']}", "admin")
    assert call.get(where, "admin") == {}
    call.post("/volumes", {"volume": {"size": 1, "volume_type": "safe"}})
    call.post(where, {"encryption": LUKS}, "admin", 400)  # a volume is of the type
    call.post(f"/types/{new_id()}/encryption", {"encryption": LUKS}, "admin", 404)
    call.post(where, {"encryption": {"provider": "x"}}, "admin", 400)


def test_life_of_qos_specs(call: Caller) -> None:
    body = {"qos_specs": {"name": "gold", "consumer": "front-end", "read_iops_sec": "2000"}}
    made = call.post("/qos-specs", body, "admin", 200)
    specs = made["qos_specs"]
    assert specs.items() >= {"name": "gold", "consumer": "front-end", "specs": {"read_iops_sec": "2000"}}.items()
    assert [link["rel"] for link in made["links"]] == ["self", "bookmark"]
    call.post("/qos-specs", body, "admin", 409)
    call.post("/qos-specs", {"qos_specs": {"name": "x", "consumer": "somebody"}}, "admin", 400)
    for limits in (
        {"read_iops_sec": "many"},
        {"read_iops_sec": "1", "total_iops_sec": "2"},
        {"total_iops_sec_max": "2"},
    ):
        call.post("/qos-specs", {"qos_specs": {"name": "x", "consumer": "both", **limits}}, "admin", 400)
    assert call.get("/qos-specs", "admin")["qos_specs"] == [specs]
    where = f"/qos-specs/{specs['id']}"
    assert call.put(where, {"qos_specs": {"write_iops_sec": "500"}}, "admin") == {
        "qos_specs": {"write_iops_sec": "500"}
    }
    assert call.get(where, "admin")["qos_specs"]["specs"] == {"read_iops_sec": "2000", "write_iops_sec": "500"}
    call.put(where, {"qos_specs": {"total_iops_sec": "500"}}, "admin", 400)
    call.put(f"{where}/delete_keys", {"keys": ["read_iops_sec"]}, "admin", 202)
    call.put(f"{where}/delete_keys", {"keys": ["read_iops_sec"]}, "admin", 400)
    assert call.get(where, "admin")["qos_specs"]["specs"] == {"write_iops_sec": "500"}
    call.delete(where, "admin")
    call.get(where, "admin", 404)


def test_qos_specs_belong_to_types(call: Caller) -> None:
    ids = [
        call.post("/qos-specs", {"qos_specs": {"name": name}}, "admin", 200)["qos_specs"]["id"] for name in ("a", "b")
    ]
    types = [call.volume_type(name)["id"] for name in ("one", "two")]
    for type_id in types:
        call.get(f"/qos-specs/{ids[0]}/associate?vol_type_id={type_id}", "admin", 202)
    call.get(f"/qos-specs/{ids[1]}/associate?vol_type_id={types[0]}", "admin", 400)
    call.get(f"/qos-specs/{ids[0]}/associate?vol_type_id={new_id()}", "admin", 404)
    call.get(f"/qos-specs/{ids[0]}/associate", "admin", 400)
    assert call.get(f"/qos-specs/{ids[0]}/associations", "admin")["qos_associations"] == [
        {"association_type": "volume_type", "name": name, "id": type_id}
        for name, type_id in zip(("one", "two"), types, strict=True)
    ]
    assert call.get(f"/types/{types[0]}", "admin")["volume_type"]["qos_specs_id"] == ids[0]
    call.delete(f"/qos-specs/{ids[0]}", "admin", 400)
    call.get(f"/qos-specs/{ids[0]}/disassociate?vol_type_id={types[0]}", "admin", 202)
    assert call.get(f"/types/{types[0]}", "admin")["volume_type"]["qos_specs_id"] is None
    call.get(f"/qos-specs/{ids[0]}/disassociate_all", "admin", 202)
    assert call.get(f"/qos-specs/{ids[0]}/associations", "admin")["qos_associations"] == []
    call.get(f"/qos-specs/{ids[0]}/associate?vol_type_id={types[0]}", "admin", 202)
    call.delete(f"/qos-specs/{ids[0]}?force=True", "admin")
    assert call.get(f"/types/{types[0]}", "admin")["volume_type"]["qos_specs_id"] is None
