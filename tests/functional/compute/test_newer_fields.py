"""What came with microversions after 2.79, seen in what the API answers."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from common.db.models import Node, Port
from tests.functional.compute.conftest import NEWEST, URL, Cloud, version


def test_hostnames_are_set_and_changed(cloud: Cloud) -> None:
    server_id = cloud.active(hostname="db.example.org")
    assert cloud.show(server_id)["OS-EXT-SRV-ATTR:hostname"] == "db.example.org"
    assert "OS-EXT-SRV-ATTR:hostname" not in cloud.show(server_id, microversion="2.89")
    url = f"{URL}/servers/{server_id}"
    with cloud.services.db.write() as session:
        session.execute(update(Port).values(binding_node_id=cloud.node_id))
        before = session.scalars(select(Node.network_wanted)).one()
    assert cloud.api.put(url, headers=version("2.90"), json={"server": {"hostname": "a.b"}}).status_code == 400
    changed = cloud.api.put(url, headers=NEWEST, json={"server": {"hostname": "db2"}}).json["server"]
    assert changed["OS-EXT-SRV-ATTR:hostname"] == "db2"
    with cloud.services.db.read() as session:
        assert session.scalars(select(Node.network_wanted)).one() > before  # DNS of the network learns it
    for bad in ("-a", "a-", "a_b", "x" * 256, ""):
        assert cloud.create(hostname=bad).status_code == 400, bad
    assert cloud.create(hostname="many", min_count=2).status_code == 202
    names = {row["OS-EXT-SRV-ATTR:hostname"] for row in _detail(cloud)}
    assert names == {"db2", "many-1", "many-2"}


def _detail(cloud: Cloud) -> list[dict[str, object]]:
    found: list[dict[str, object]] = cloud.api.get(f"{URL}/servers/detail", headers=NEWEST).json["servers"]
    return found


def test_zone_asked_for_image_properties_and_hints(cloud: Cloud) -> None:
    other = cloud.server()
    body = {**cloud.body(availability_zone="nova"), "os:scheduler_hints": {"different_host": other, "mine": "x"}}
    server_id = cloud.api.post(f"{URL}/servers", headers=NEWEST, json=body).json["server"]["id"]
    shown = cloud.show(server_id)
    assert shown["pinned_availability_zone"] == "nova"
    assert cloud.show(other)["pinned_availability_zone"] is None
    assert shown["image"]["properties"] == {"hw_disk_bus": "virtio"}
    assert shown["scheduler_hints"] == {"different_host": other, "mine": "x"}
    listed = {str(row["id"]): row for row in _detail(cloud)}
    assert {key: listed[server_id][key] for key in shown if key in listed[server_id]}.items() <= shown.items()
    assert "pinned_availability_zone" not in cloud.show(server_id, microversion="2.95")
    assert "properties" not in cloud.show(server_id, microversion="2.97")["image"]
    assert "scheduler_hints" not in cloud.show(server_id, microversion="2.99")
    for bad in ({"group": "g"}, {"same_host": "web"}, {"different_host": ["web"]}, {"build_near_host_ip": "here"}):
        asked = {**cloud.body(), "os:scheduler_hints": bad}
        assert cloud.api.post(f"{URL}/servers", headers=NEWEST, json=asked).status_code == 400, bad


def test_filters_that_everybody_has_since_283(cloud: Cloud) -> None:
    cloud.server(name="building")
    cloud.active(name="done")

    def names(microversion: str) -> list[str]:
        reply = cloud.api.get(f"{URL}/servers?vm_state=active", headers=version(microversion))
        return sorted(row["name"] for row in reply.json["servers"])

    assert (names("2.82"), names("2.83")) == (["building", "done"], ["done"])


def test_key_pairs_are_only_imported_since_292(cloud: Cloud) -> None:
    url, made = f"{URL}/os-keypairs", {"keypair": {"name": "generated"}}
    assert cloud.api.post(url, headers=version("2.91"), json=made).status_code == 201
    assert cloud.api.post(url, headers=version("2.92"), json={"keypair": {"name": "other"}}).status_code == 400
    key = cloud.api.get(f"{url}/generated").json["keypair"]["public_key"]
    mail = {"keypair": {"name": "me@example.org", "public_key": key}}
    assert cloud.api.post(url, headers=version("2.91"), json=mail).status_code == 400
    assert cloud.api.post(url, headers=version("2.92"), json=mail).status_code == 201


def test_the_zone_a_server_is_pinned_to_can_be_changed(cloud: Cloud) -> None:
    """2.104."""

    def pin(zone: str | None, text: str = "2.104") -> int:
        body = {"server": {"pinned_availability_zone": zone}}
        return cloud.api.put(f"{URL}/servers/{server_id}", headers=version(text), json=body).status_code

    server_id = cloud.active(availability_zone="nova")
    assert cloud.show(server_id)["pinned_availability_zone"] == "nova"
    assert pin("nova", "2.103") == 400
    assert (pin("nova"), pin("mars"), pin(None)) == (200, 409, 200)
    assert cloud.show(server_id)["pinned_availability_zone"] is None
    assert (pin("mars"), pin("nova")) == (409, 200)
    assert cloud.show(server_id)["pinned_availability_zone"] == "nova"


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/flavors", "name"), ("/os-keypairs", "limit"), ("/os-aggregates", None), ("/limits", "tenant_id"),
        ("/os-hypervisors", "with_servers"), ("/os-services", "binary"), ("/os-server-groups", "all_projects"),
        ("/servers", "name"),
    ],
)  # fmt: skip
def test_unknown_query_parameters_are_refused_from_2_102_on(cloud: Cloud, path: str, known: str | None) -> None:
    def ask(text: str, query: str) -> int:
        return cloud.api.get(f"{URL}{path}?{query}=1", "admin", headers=version(text)).status_code

    assert ask("2.102", "colour") == 400
    assert path in ("/servers", "/flavors") or ask("2.101", "colour") == 200
    assert known is None or ask("2.102", known) == 200


def test_flavors_are_found_by_name_and_have_no_factor_any_more(cloud: Cloud) -> None:
    found = cloud.api.get(f"{URL}/flavors?name=c1.tiny", headers=version("2.102")).json["flavors"]
    assert [each["name"] for each in found] == ["c1.tiny"]
    assert cloud.api.get(f"{URL}/flavors?name=c1", headers=version("2.102")).json["flavors"] == []
    body = {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 0, "rxtx_factor": 1.0}}
    for text, status in (("2.102", 400), ("2.101", 200)):
        assert cloud.api.post(f"{URL}/flavors", "admin", headers=version(text), json=body).status_code == status


def test_a_rebuild_shows_a_password_as_a_creation_does(cloud: Cloud) -> None:
    server_id = cloud.active()
    body = {"rebuild": {"imageRef": cloud.image_id, "adminPass": "chosen"}}
    reply = cloud.api.post(f"{URL}/servers/{server_id}/action", headers=NEWEST, json=body)
    assert (reply.status_code, reply.json["server"]["adminPass"]) == (202, "chosen")
