"""Transfers, messages, quota and the machines behind block storage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.cloud import Cloud
from tests.functional.volume.caller import Caller


@pytest.fixture
def call(cloud: Cloud) -> Caller:
    return Caller(cloud.api)


def quota(call: Caller, who: str) -> dict[str, int]:
    where = f"/os-quota-sets/{call.api.project_id(who)}?usage=True"
    found = call.get(where, who)["quota_set"]
    return {name: found[name]["in_use"] for name in ("volumes", "snapshots", "gigabytes")}


@pytest.mark.parametrize("path", ["/os-volume-transfer", "/volume-transfers"])
def test_a_volume_goes_to_whoever_has_the_key(call: Caller, cloud: Cloud, path: str) -> None:
    volume_id = call.volume(size=2)
    cloud.run_until_idle()
    made = call.post(path, {"transfer": {"volume_id": volume_id, "name": " gift "}})["transfer"]
    assert (made["name"], made["source_project_id"]) == ("gift", cloud.api.project_id("demo"))
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "awaiting-transfer"
    assert "auth_key" not in call.get(f"{path}/{made['id']}", "reader")["transfer"]
    call.get(f"{path}/{made['id']}", "other", 404)
    call.post(path, {"transfer": {"volume_id": volume_id}}, expect=400)
    call.post(f"{path}/{made['id']}/accept", {"accept": {"auth_key": "guessed"}}, "other", 400)
    call.post(f"{path}/{made['id']}/accept", {"accept": {"auth_key": made["auth_key"]}}, "other")
    assert quota(call, "demo") == {"volumes": 0, "snapshots": 0, "gigabytes": 0}
    assert quota(call, "other") == {"volumes": 1, "snapshots": 0, "gigabytes": 2}
    call.get(f"/volumes/{volume_id}", "demo", 404)
    shown = call.get(f"/volumes/{volume_id}", "other")["volume"]
    assert (shown["status"], shown["user_id"]) == ("available", cloud.api.user_id("other"))
    call.post(f"{path}/{made['id']}/accept", {"accept": {"auth_key": made["auth_key"]}}, "other", 404)


def test_an_offer_is_taken_back(call: Caller, cloud: Cloud) -> None:
    volume_id = call.volume()
    cloud.run_until_idle()
    made = call.post("/volume-transfers", {"transfer": {"volume_id": volume_id}})["transfer"]
    listed = call.get("/volume-transfers/detail")["transfers"]
    assert [(row["id"], row["volume_id"], row["accepted"]) for row in listed] == [(made["id"], volume_id, False)]
    assert call.get("/volume-transfers?name=other")["transfers"] == []
    call.delete(f"/volume-transfers/{made['id']}")
    call.delete(f"/volume-transfers/{made['id']}", expect=404)
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "available"


def test_fields_of_an_offer_by_microversion(call: Caller, cloud: Cloud) -> None:
    volume_id = call.volume()
    cloud.run_until_idle()
    made = call.post("/os-volume-transfer", {"transfer": {"volume_id": volume_id}}, at="3.54")["transfer"]
    where = f"/os-volume-transfer/{made['id']}"
    oldest = {"id", "volume_id", "name", "links", "created_at"}
    assert set(made) == {*oldest, "auth_key"}
    assert set(call.get(where, at="3.54")["transfer"]) == oldest
    assert set(call.get(where, at="3.56")["transfer"]) == {*oldest, "no_snapshots"}
    assert set(call.get(where)["transfer"]) == {
        *oldest, "no_snapshots", "source_project_id", "destination_project_id", "accepted",
    }  # fmt: skip
    call.get("/volume-transfers", at="3.54", expect=404)


def test_a_volume_is_not_given_beyond_the_taker_s_quota(call: Caller, cloud: Cloud) -> None:
    volume_id = call.volume()
    cloud.run_until_idle()
    call.put(f"/os-quota-sets/{cloud.api.project_id('other')}", {"quota_set": {"volumes": 0}}, "admin")
    made = call.post("/volume-transfers", {"transfer": {"volume_id": volume_id}})["transfer"]
    key = {"accept": {"auth_key": made["auth_key"]}}
    call.post(f"/volume-transfers/{made['id']}/accept", key, "other", 413)
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "awaiting-transfer"


def test_a_message_says_why_a_volume_could_not_be_made(call: Caller, cloud: Cloud) -> None:
    call.volume_type("magic", extra_specs={"storage_protocol": "telepathy"})
    volume_id = call.volume(volume_type="magic")
    cloud.run_until_idle()
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "error"
    message = call.get(f"/messages?resource_uuid={volume_id}", "reader")["messages"][0]
    assert "can not do what the volume type asks for" in message["user_message"]
    assert (message["event_id"], message["resource_type"], message["message_level"]) == (
        "VOLUME_VOLUME_001_002", "VOLUME", "ERROR",
    )  # fmt: skip
    assert "n1" not in message["user_message"], "names of nodes are not for tenants"
    where = f"/messages/{message['id']}"
    assert call.get(where)["message"] == message
    call.get(where, "other", 404)
    call.delete(where, "reader", 403)
    call.delete(where, "demo", 204)
    call.get(where, expect=404)
    assert call.get("/messages?message_level=ERROR")["messages"] == []
    call.get("/messages", at="3.2", expect=404)


def test_messages_expire(call: Caller, cloud: Cloud) -> None:
    call.volume_type("magic", extra_specs={"storage_protocol": "telepathy"})
    call.volume(volume_type="magic")
    cloud.run_until_idle()
    assert len(call.get("/messages")["messages"]) == 1
    cloud.clock.advance(31 * 24 * 3600.0)
    call.api._tokens.clear()
    assert call.get("/messages")["messages"] == []


def test_quota_is_set_by_project_and_class_and_reset(call: Caller, cloud: Cloud) -> None:
    demo = cloud.api.project_id("demo")
    where = f"/os-quota-sets/{demo}"
    before = call.get(where)["quota_set"]
    assert before["id"] == demo
    assert {"volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups"} < set(before)
    changed = call.put(where, {"quota_set": {"volumes": 1, "gigabytes": -1}}, "admin")["quota_set"]
    assert (changed["volumes"], changed["gigabytes"], "id" in changed) == (1, -1, False)
    call.volume()
    assert "volumes" in call.post("/volumes", {"volume": {"size": 1}}, expect=413)["overLimit"]["message"]
    assert call.get(f"{where}?usage=True")["quota_set"]["volumes"] == {"limit": 1, "in_use": 1, "reserved": 0}
    call.put("/os-quota-class-sets/default", {"quota_class_set": {"volumes": 7}}, "admin")
    assert call.get(f"{where}/defaults")["quota_set"]["volumes"] == 7
    assert call.get(where)["quota_set"]["volumes"] == 1
    call.delete(where, "admin", 200)
    assert call.get(where)["quota_set"]["volumes"] == 7
    assert call.get("/os-quota-class-sets/default", "admin")["quota_class_set"]["id"] == "default"
    for wrong in ({"colour": 1}, {"volumes": -2}, {"volumes": "many"}, {}):
        call.put(where, {"quota_set": wrong}, "admin", 400)
    call.get(where, "other", 403)


def test_limits_are_the_project_s_quota(call: Caller) -> None:
    call.volume(size=3)
    absolute = call.get("/limits", "reader")["limits"]["absolute"]
    assert absolute.items() >= {"totalVolumesUsed": 1, "totalGigabytesUsed": 3, "maxTotalVolumes": 10}.items()


def test_quota_of_one_type(call: Caller, cloud: Cloud) -> None:
    type_id = call.volume_type("fast")["id"]
    where = f"/os-quota-sets/{cloud.api.project_id('demo')}"
    call.put(where, {"quota_set": {"gigabytes_fast": 3}}, "admin")
    volume_id = call.volume(size=2, volume_type="fast")
    refused = call.post("/volumes", {"volume": {"size": 2, "volume_type": "fast"}}, expect=413)
    assert "gigabytes" in refused["overLimit"]["message"]
    call.volume(size=2)  # of another type
    used = call.get(f"{where}?usage=True")["quota_set"]
    assert (used["gigabytes_fast"]["in_use"], used["volumes_fast"]["in_use"]) == (2, 1)
    call.put(f"/types/{type_id}", {"volume_type": {"name": "faster"}}, "admin")
    assert call.get(f"{where}?usage=True")["quota_set"]["gigabytes_faster"]["in_use"] == 2
    cloud.run_until_idle()
    call.delete(f"/volumes/{volume_id}")
    cloud.run_until_idle()
    assert call.get(f"{where}?usage=True")["quota_set"]["gigabytes_faster"]["in_use"] == 0


def services(call: Caller, **filters: str) -> dict[tuple[str, str], dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    found = call.get(f"/os-services?{query}", "admin")["services"]
    return {(row["binary"], row["host"]): row for row in found}


def test_nodes_are_the_services(call: Caller) -> None:
    found = services(call)
    assert set(found) == {
        ("cinder-scheduler", "s1"), ("cinder-volume", "n1@files"),
        ("cinder-volume", "n2@files"),
    }  # fmt: skip
    assert {row["state"] for row in found.values()} == {"up"}
    assert set(services(call, host="n1")) == {("cinder-volume", "n1@files")}
    assert set(services(call, binary="cinder-scheduler")) == {("cinder-scheduler", "s1")}


def test_a_disabled_service_gets_no_new_volumes(call: Caller, cloud: Cloud) -> None:
    body = {"host": "n1@files", "binary": "cinder-volume"}
    call.put("/os-services/disable-log-reason", {**body, "disabled_reason": " "}, "admin", 400)
    told = call.put("/os-services/disable-log-reason", {**body, "disabled_reason": "new disk"}, "admin")
    assert (told["status"], told["disabled_reason"]) == ("disabled", "new disk")
    assert services(call)["cinder-volume", "n1@files"]["disabled_reason"] == "new disk"
    ids = [call.volume() for _ in range(3)]
    cloud.run_until_idle()
    hosts = {call.get(f"/volumes/{each}", "admin")["volume"]["os-vol-host-attr:host"] for each in ids}
    assert hosts == {"n2@files#files"}
    call.put("/os-services/freeze", {"host": "n2@files"}, "admin")
    nowhere = call.volume()
    cloud.run_until_idle()
    assert call.get(f"/volumes/{nowhere}")["volume"]["status"] == "error"
    assert "take no new volumes" in call.get("/messages")["messages"][0]["user_message"]
    call.put("/os-services/thaw", {"host": "n2@files"}, "admin")
    assert call.put("/os-services/enable", body, "admin")["disabled_reason"] is None
    somewhere = call.volume()
    cloud.run_until_idle()
    assert call.get(f"/volumes/{somewhere}")["volume"]["status"] == "available"


def test_services_that_are_not_there(call: Caller) -> None:
    call.put("/os-services/enable", {"host": "nowhere", "binary": "cinder-volume"}, "admin", 404)
    call.put("/os-services/disable", {"host": "n1@files", "binary": "nothing"}, "admin", 404)
    call.put("/os-services/freeze", {"host": "nowhere"}, "admin", 400)
    call.put("/os-services/thaw", {"host": "nowhere"}, "admin", 400)
    call.put("/os-services/disable", {"host": "n1@files"}, "admin", 400)


def test_hosts_and_what_is_on_them(call: Caller, cloud: Cloud) -> None:
    call.volume(size=2)
    cloud.run_until_idle()
    hosts = call.get("/os-hosts", "admin")["hosts"]
    assert {row["service"] for row in hosts} == {"cinder-scheduler", "cinder-volume"}
    counts = [call.get(f"/os-hosts/{name}", "admin")["host"] for name in ("n1@files", "n2@files")]
    totals = [rows[0]["resource"] for rows in counts]
    assert sorted(row["total_volume_gb"] for row in totals) == ["0", "2"]
    assert [row["project"] for row in totals] == ["(total)", "(total)"]
    call.get("/os-hosts/nowhere", "admin", 404)


def test_pools_and_capabilities_say_the_same(call: Caller, cloud: Cloud) -> None:
    call.volume(size=5)
    cloud.run_until_idle()
    assert call.get("/scheduler-stats/get_pools", "admin")["pools"] == [
        {"name": "n1@files#files"}, {"name": "n2@files#files"},
    ]  # fmt: skip
    pools = call.get("/scheduler-stats/get_pools?detail=True", "admin")["pools"]
    assert sorted(pool["capabilities"]["allocated_capacity_gb"] for pool in pools) == [0, 5]
    for pool in pools:
        found = call.get(f"/capabilities/{pool['name'].replace('#', '%23')}", "admin")
        for key in ("vendor_name", "volume_backend_name", "storage_protocol"):
            assert found[key] == pool["capabilities"][key]
    call.get("/capabilities/nowhere@files", "admin", 404)


def test_zones_extensions_and_filters(call: Caller) -> None:
    assert call.get("/os-availability-zone", "reader")["availabilityZoneInfo"] == [
        {"zoneName": "nova", "zoneState": {"available": True}}
    ]
    extensions = call.get("/extensions")["extensions"]
    assert "Hosts" in [row["name"] for row in extensions]
    assert call.get(f"/extensions/{extensions[0]['alias']}")["extension"] == extensions[0]
    call.get("/extensions/none", expect=404)
    assert call.get("/resource_filters?resource=group")["resource_filters"] == [
        {"resource": "group", "filters": ["name", "status"]}
    ]
    call.get("/resource_filters", at="3.32", expect=404)
