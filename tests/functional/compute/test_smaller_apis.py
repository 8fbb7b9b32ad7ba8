"""External events, passwords, topology, migrations, quota classes, extra specs, certificates as key pairs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from sqlalchemy import select

from common.db import node_cells, nodes
from common.db.models import Node
from common.hardware import reading
from common.ids import new_id
from tests.functional.compute.conftest import NEWEST, URL, Cloud, add_flavor, version

CELLS: list[dict[str, Any]] = [
    {
        "id": 0, "cpus": [0, 1, 2, 3], "dedicated": [2, 3], "siblings": [[0, 1], [2, 3]], "memory_mib": 4096,
        "pages": [{"size_kib": 2048, "total": 512}],
    },
    {
        "id": 1, "cpus": [6, 7, 8, 9], "dedicated": [6, 7, 8, 9], "siblings": [[6, 7], [8, 9]], "memory_mib": 2048,
        "pages": [{"size_kib": 2048, "total": 256}],
    },
]  # fmt: skip
EVENTS, CLASSES, SPECS = (
    f"{URL}/os-server-external-events",
    f"{URL}/os-quota-class-sets",
    f"{URL}/flavors/tiny/os-extra_specs",
)


def test_services_tell_of_events_and_the_node_is_told(cloud: Cloud) -> None:
    api, placed, building = cloud.api, cloud.active(), cloud.server()

    def tell(*server_ids: str, as_: str = "service", text: str = "2.104", **more: str) -> Any:
        events = [{"name": "network-changed", "server_uuid": each, **more} for each in server_ids]
        return api.post(EVENTS, as_, headers=version(text), json={"events": events})

    with cloud.services.db.read() as session:
        before = session.scalars(select(Node.network_wanted)).one()
    assert tell(placed, as_="demo").status_code == 403
    taken = tell(placed)
    assert (taken.status_code, taken.json["events"][0]["code"]) == (200, 200)
    with cloud.services.db.read() as session:
        assert session.scalars(select(Node.network_wanted)).one() == before + 1
    mixed = tell(placed, building, new_id())
    assert (mixed.status_code, [row["code"] for row in mixed.json["events"]]) == (207, [200, 422, 404])
    assert mixed.json["events"][1]["status"] == "failed"
    assert tell(new_id(), as_="admin").status_code == 404
    assert tell(placed, name="volume-extended", text="2.50").status_code == 400
    assert tell(placed, name="volume-extended", text="2.51").status_code == 200
    assert api.post(EVENTS, "service", json={"events": []}).status_code == 400


def test_an_administrator_has_the_node_put_the_network_in_order(cloud: Cloud) -> None:
    placed, building = cloud.active(), cloud.server()

    def inject(server_id: str, as_: str = "admin") -> int:
        url = f"{URL}/servers/{server_id}/action"
        return cloud.api.post(url, as_, json={"injectNetworkInfo": None}).status_code

    with cloud.services.db.read() as session:
        before = session.scalars(select(Node.network_wanted)).one()
    assert (inject(placed, "demo"), inject(placed), inject(building)) == (403, 202, 409)
    with cloud.services.db.read() as session:
        assert session.scalars(select(Node.network_wanted)).one() == before + 1


def test_topology_and_migrations_of_a_server(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/servers/{cloud.active()}"
    assert api.get(f"{url}/topology", headers=version("2.77")).status_code == 404
    assert api.get(f"{url}/topology", headers=version("2.78")).json == {"nodes": [], "pagesize_kb": None}
    assert api.get(f"{url}/migrations", "admin", headers=NEWEST).json == {"migrations": []}
    assert api.get(f"{url}/migrations/1", "admin", headers=NEWEST).status_code == 404
    assert api.get(f"{URL}/os-migrations?status=done", "admin", headers=NEWEST).json == {"migrations": []}
    assert api.get(f"{URL}/os-migrations").status_code == 403
    for bad in ("marker=x", "limit=x", "changes-since=x", "shape=round"):
        assert api.get(f"{URL}/os-migrations?{bad}", "admin", headers=NEWEST).status_code == 400, bad


def test_the_topology_of_a_guest_with_cells_is_told_and_its_hosts_to_administrators(cloud: Cloud) -> None:
    specs = {
        "hw:numa_nodes": "2", "hw:cpu_policy": "dedicated", "hw:mem_page_size": "2MB", "hw:cpu_threads": "2",
        "hw:cpu_sockets": "1",
    }  # fmt: skip
    with cloud.services.db.write() as session:
        now = cloud.services.clock.now()
        add_flavor(session, now, id="cells", name="cells", vcpus=4, memory_mib=128, extra_specs=specs)
        session.get_one(Node, cloud.node_id).pcpus = node_cells.report(session, cloud.node_id, CELLS)
    server_id = cloud.active(flavorRef="cells")

    def told(as_: str = "demo") -> Any:
        return cloud.api.get(f"{URL}/servers/{server_id}/topology", as_, headers=NEWEST).json

    def cell(*cpus: int) -> dict[str, Any]:
        return {"vcpu_set": list(cpus), "siblings": [list(cpus)], "memory_mb": 64}

    assert told() == told("admin") == {"nodes": [cell(0, 1), cell(2, 3)], "pagesize_kb": 2048}
    with cloud.services.db.write() as session:
        wish = reading.of(specs, {}, 4, 128).numa
        amounts = nodes.Amounts(0, 128, 1, pcpus=4, numa=wish)
        assert nodes.claim(
            session, consumer_id=server_id, node_id=cloud.node_id, amounts=amounts, project_id="p", user_id="u", now=now
        )
    assert told() == {"nodes": [cell(0, 1), cell(2, 3)], "pagesize_kb": 2048}
    hosts = [{name: each[name] for name in ("host_node", "cpu_pinning")} for each in told("admin")["nodes"]]
    assert [each["host_node"] for each in hosts] == [0, 1]
    assert [sorted(each["cpu_pinning"]) for each in hosts] == [["0", "1"], ["2", "3"]]
    assert {cpu for each in hosts for cpu in each["cpu_pinning"].values()} <= {2, 3, 4, 5, 6, 7, 8, 9}


def test_the_default_class_holds_where_a_project_has_no_limit(cloud: Cloud) -> None:
    api, demo = cloud.api, cloud.api.project_id("demo")
    changed = api.put(f"{CLASSES}/default", "admin", headers=NEWEST, json={"quota_class_set": {"instances": 1}})
    assert (changed.json["quota_class_set"]["instances"], "id" in changed.json["quota_class_set"]) == (1, False)
    assert api.get(f"{CLASSES}/default", "admin", headers=NEWEST).json["quota_class_set"]["instances"] == 1
    assert api.get(f"{URL}/os-quota-sets/{demo}/defaults", headers=NEWEST).json["quota_set"]["instances"] == 1
    assert api.get(f"{URL}/limits").json["limits"]["absolute"]["maxTotalInstances"] == 1
    assert [cloud.create().status_code for _ in range(2)] == [202, 403]
    api.put(f"{URL}/os-quota-sets/{demo}", "admin", headers=NEWEST, json={"quota_set": {"instances": 2}})
    assert cloud.create().status_code == 202
    for name, bad in (("default", {"instances": -2}), ("default", {"x": 1}), ("gold", {"instances": 1})):
        assert api.put(f"{CLASSES}/{name}", "admin", headers=NEWEST, json={"quota_class_set": bad}).status_code == 400
    assert api.put(f"{CLASSES}/default", json={"quota_class_set": {}}).status_code == 403


@pytest.mark.parametrize(("specs", "status"), [
    ({"hw:cpu_policy": "dedicated", "mine:anything": "goes", "plain": "too"}, 200), ({"hw:cpu_policy": "mine"}, 400),
    ({"hw:no_such": "1"}, 400), ({"quota:cpu_shares": "many"}, 400), ({"quota:disk_read_iops_sec": "100"}, 200),
    ({"trait:HW_CPU_X86_AVX2": "required"}, 200), ({"trait:HW_CPU_X86_AVX2": "perhaps"}, 400),
    ({"resources:VGPU": "1"}, 200), ({"hw:mem_page_size": "1GB"}, 200), ({"hw:numa_nodes": "0"}, 400),
    ({"aggregate_instance_extra_specs:disk": "<or> ssd <or> nvme"}, 200), ({"os:secure_boot": "required"}, 200),
])  # fmt: skip
def test_extra_specs_are_checked_since_286(cloud: Cloud, specs: dict[str, str], status: int) -> None:
    body = {"extra_specs": specs}
    assert cloud.api.post(SPECS, "admin", headers=version("2.86"), json=body).status_code == status
    assert cloud.api.post(SPECS, "admin", headers=version("2.85"), json=body).status_code == 200
    if status == 400:
        key = next(iter(specs))
        assert cloud.api.put(f"{SPECS}/{key}", "admin", headers=NEWEST, json=specs).status_code == 400


def test_certificates_as_key_pairs(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/os-keypairs"
    made = api.post(url, headers=version("2.2"), json={"keypair": {"name": "win", "type": "x509"}}).json["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    assert api.user_id("demo")[:64] in certificate.subject.rfc4514_string()
    key, theirs, _ = pkcs12.load_key_and_certificates(base64.b64decode(made["private_key"]), None)
    assert theirs == certificate
    assert key is not None
    assert len(made["fingerprint"].split(":")) == 20
    again = {"keypair": {"name": "win2", "type": "x509", "public_key": made["public_key"]}}
    imported = api.post(url, headers=NEWEST, json=again).json["keypair"]
    assert (imported["type"], imported["fingerprint"], "private_key" in imported) == (
        "x509",
        made["fingerprint"],
        False,
    )
    bad = {"keypair": {"name": "win3", "type": "x509", "public_key": "ssh-rsa AAAA"}}
    assert api.post(url, headers=NEWEST, json=bad).status_code == 400
    assert cloud.create(key_name="win").status_code == 202


def test_the_password_of_a_new_server_is_answered_once(cloud: Cloud) -> None:
    own = cloud.create(adminPass="a secret of mine").json["server"]
    assert own["adminPass"] == "a secret of mine"
    made = {cloud.create().json["server"]["adminPass"] for _ in range(2)}
    assert len(made) == 2
    assert "a secret of mine" not in str(cloud.show(own["id"], "admin"))
