"""POST /servers: what is accepted, what is refused and in which words, and that a refusal leaves nothing behind."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Instance, Operation, Port, QuotaUsage
from common.ids import new_id
from scheduler import instance_spec
from tests.functional.compute.conftest import NEWEST, URL, Cloud, add_flavor, add_image, add_network, version


def _left(cloud: Cloud) -> tuple[int, int, int, int]:
    with cloud.services.db.read() as session:
        counts = [
            session.scalar(sa.select(sa.func.count()).select_from(table)) for table in (Instance, Operation, Port)
        ]
        used = session.scalar(sa.select(sa.func.coalesce(sa.func.sum(QuotaUsage.in_use), 0)))
    return (int(counts[0] or 0), int(counts[1] or 0), int(counts[2] or 0), int(used or 0))


def test_create_answers_202_and_everything_is_in_one_transaction(cloud: Cloud) -> None:
    reply = cloud.create(metadata={"role": "web"}, tags=["b", "a"], description="first", networks="auto")
    assert reply.status_code == 202, reply.text
    body = reply.json["server"]
    assert set(body) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert reply.headers["Location"] == f"http://localhost{URL}/servers/{body['id']}"
    with cloud.services.db.read() as session:
        instance = session.get_one(Instance, body["id"])
        operation = session.scalars(sa.select(Operation)).one()
        port = session.scalars(sa.select(Port).where(Port.device_id == instance.id)).one()
    assert (instance.vm_state, instance.task_state, instance.operation_id) == ("building", "scheduling", operation.id)
    assert operation.kind == "server_create"
    assert operation.params["requested_node"] is None
    assert instance.image["properties"] == {"hw_disk_bus": "virtio"}
    assert instance.flavor["memory_mib"] == 128
    assert (port.device_owner, port.delete_with_instance, port.dns_name) == ("compute:nova", True, "web")
    assert reply.headers["x-compute-request-id"] == operation.request_id


def test_show_of_a_new_server(cloud: Cloud) -> None:
    body = cloud.show(cloud.server())
    assert (body["status"], body["OS-EXT-STS:task_state"], body["addresses"], body["hostId"]) == (
        "BUILD",
        "scheduling",
        {},
        "",
    )
    assert body["flavor"]["original_name"] == "c1.tiny"
    assert body["security_groups"] == [{"name": "default"}]


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("unknown flavor", {"flavorRef": "huge"}, 400, "Flavor huge could not be found."),
    ("unknown image", {"imageRef": new_id()}, 400, "Can not find requested image"),
    ("no image", {"imageRef": ""}, 400, "Invalid imageRef provided."),
    ("unknown key", {"key_name": "nobody"}, 400, "Invalid key_name provided."),
    ("unknown group", {"security_groups": [{"name": "nope"}]}, 400, "Unable to find security_group with name or id"),
    ("unknown zone", {"availability_zone": "mars"}, 400, "The requested availability zone is not available"),
    ("forced host", {"availability_zone": "nova:node1"}, 403, "Policy doesn't allow"),
    ("host", {"host": "node1"}, 403, "Policy doesn't allow"),
    ("long name", {"name": "x" * 256}, 400, "name"),
    ("empty name", {"name": ""}, 400, "name"),
    ("spaces in name", {"name": " web "}, 400, "name"),
    ("unknown field", {"shape": "round"}, 400, "'shape' unexpected"),
    ("user data", {"user_data": "not base64!"}, 400, "user_data"),
    ("long user data", {"user_data": base64.b64encode(b"x" * 60000).decode()}, 400, "user_data"),
    ("counts", {"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
    ("zero", {"min_count": 0}, 400, "min_count"),
    ("metadata key", {"metadata": {"a/b": "c"}}, 400, "metadata"),
    ("metadata value", {"metadata": {"a": "c" * 256}}, 400, "metadata"),
    ("much metadata", {"metadata": {f"k{i}": "v" for i in range(129)}}, 403, "metadata items exceeds 128"),
    ("group hint", {}, 400, "could not be found"),
    ("address", {"accessIPv4": "1.2.3"}, 400, "accessIPv4"),
    ("personality", {"personality": [{"path": "/etc/passwd", "contents": "eA=="}]}, 400, "'personality' unexpected"),
    ("volume", {"block_device_mapping_v2": [{"source_type": "volume", "uuid": new_id(), "boot_index": 0,
                                             "destination_type": "volume"}]}, 400, "failed to get volume"),
    ("network", {"networks": [{"uuid": new_id()}]}, 400, "could not be found."),
    ("network text", {"networks": [{"uuid": "private"}]}, 400, "networks"),
    ("port", {"networks": [{"port": new_id()}]}, 400, "Port id"),
    ("too many", {"min_count": 11}, 403, "for instances: Requested 11, but already used 0 of 10 instances"),
    ("string config drive", {"config_drive": "maybe"}, 400, "config_drive"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "status", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_refused_in_words_and_leaves_nothing(
    cloud: Cloud, changes: dict[str, Any], status: int, words: str
) -> None:
    before = _left(cloud)
    body = cloud.body(**changes)
    if not changes:
        body["os:scheduler_hints"] = {"group": new_id()}
    reply = cloud.api.post(f"{URL}/servers", headers=NEWEST, json=body)
    assert reply.status_code == status, reply.text
    fault = next(iter(reply.json.values()))
    assert fault["code"] == status
    assert words in fault["message"]
    assert _left(cloud) == before


def test_image_still_queued(cloud: Cloud) -> None:
    reply = cloud.create(imageRef=cloud.queued_image_id)
    assert reply.status_code == 400
    assert reply.json["badRequest"]["message"] == f"Image {cloud.queued_image_id} is not active."


def test_image_and_network_of_another_project_are_unknown(cloud: Cloud) -> None:
    unknown = cloud.create(imageRef=new_id())
    strange = cloud.create(imageRef=cloud.other_image_id)
    assert (strange.status_code, strange.json) == (unknown.status_code, unknown.json)
    reply = cloud.create(networks=[{"uuid": cloud.other_network_id}])
    assert reply.status_code == 400
    assert reply.json["badRequest"]["message"] == f"Network {cloud.other_network_id} could not be found."


def test_image_that_does_not_fit(cloud: Cloud) -> None:
    now = cloud.services.clock.now()
    with cloud.services.db.write() as session:
        large = add_image(session, now, visibility="public", virtual_size=1024**3 + 1)
        hungry = add_image(session, now, visibility="public", min_ram=256)
        wide = add_image(session, now, visibility="public", min_disk=2)
        foreign = add_image(session, now, visibility="public", disk_format="vmdk")
        whole = add_flavor(session, now, id="whole", name="whole", root_gib=0)
    words = {
        large: "disk is too small",
        hungry: "memory is too small",
        wide: "smaller than the minimum size",
        foreign: "(method glance-direct) converts it",
    }
    for image_id, text in words.items():
        reply = cloud.create(imageRef=image_id)
        assert reply.status_code == 400
        assert text in reply.json["badRequest"]["message"]
    assert cloud.create(imageRef=large, flavorRef=whole).status_code == 202


def test_private_flavor_is_unknown_to_strangers(cloud: Cloud) -> None:
    with cloud.services.db.write() as session:
        add_flavor(session, cloud.services.clock.now(), id="secret", name="secret", is_public=False)
        add_flavor(session, cloud.services.clock.now(), id="off", name="off", disabled=True)
    for flavor_id in ("secret", "off"):
        reply = cloud.create(flavorRef=flavor_id)
        assert reply.status_code == 400
        assert reply.json["badRequest"]["message"] == f"Flavor {flavor_id} could not be found."


def test_several_networks_need_a_choice(cloud: Cloud) -> None:
    now = cloud.services.clock.now()
    with cloud.services.db.write() as session:
        add_network(session, now, cloud.api.project_id("other"), "shared", "10.3.0.0/24", shared=True)
    reply = cloud.create()
    assert reply.status_code == 409
    assert "Multiple possible networks found" in reply.json["conflictingRequest"]["message"]
    assert cloud.create(networks="none").status_code == 202
    old = cloud.body()
    del old["server"]["networks"]
    assert cloud.api.post(f"{URL}/servers", json=old).status_code == 409
    assert cloud.api.post(f"{URL}/servers", headers=NEWEST, json=old).status_code == 400  # required since 2.37


def test_auto_makes_the_projects_topology_when_there_is_no_network(cloud: Cloud) -> None:
    net = "/network/v2.0"
    assert cloud.api.delete(f"{net}/networks/{cloud.network_id}").status_code == 204
    refused = cloud.create()
    assert refused.status_code == 400
    assert refused.json["badRequest"]["message"] == (
        f"Unable to automatically allocate a network for project {cloud.api.project_id('demo')}: "
        f"Deployment error: No default router:external network."
    )
    network = {"name": "public", "router:external": True, "is_default": True}
    outside = cloud.api.post(f"{net}/networks", "admin", json={"network": network}).json["network"]["id"]
    subnet = {"network_id": outside, "cidr": "172.24.4.0/24", "ip_version": 4, "enable_dhcp": False}
    pool = {"name": "p", "prefixes": ["10.200.0.0/16"], "default_prefixlen": 24, "is_default": True, "shared": True}
    assert cloud.api.post(f"{net}/subnets", "admin", json={"subnet": subnet}).status_code == 201
    assert "No default subnetpools" in cloud.create().json["badRequest"]["message"]
    assert cloud.api.post(f"{net}/subnetpools", "admin", json={"subnetpool": pool}).status_code == 201
    assert cloud.create(flavorRef="huge").status_code == 400
    assert (
        cloud.api.get(f"{net}/networks?router:external=false").json["networks"] == []
    )  # for what was refused: nothing
    servers = [cloud.server() for _ in range(2)]
    (made,) = cloud.api.get(f"{net}/networks?router:external=false").json["networks"]
    assert made["name"] == "auto_allocated_network"
    plugged = cloud.api.get(f"{net}/ports?network_id={made['id']}&device_owner=compute:nova").json["ports"]
    assert {port["device_id"] for port in plugged} == set(servers)
    (router,) = cloud.api.get(f"{net}/routers").json["routers"]
    assert router["external_gateway_info"]["network_id"] == outside


def test_fixed_address_and_brought_port(cloud: Cloud) -> None:
    first = cloud.active(networks=[{"uuid": cloud.network_id, "fixed_ip": "10.1.0.77"}])
    assert cloud.show(first)["addresses"]["private"][0]["addr"] == "10.1.0.77"
    again = cloud.create(networks=[{"uuid": cloud.network_id, "fixed_ip": "10.1.0.77"}])
    assert again.status_code == 400
    assert "already in use" in again.json["badRequest"]["message"]
    port = {"port": {"network_id": cloud.network_id}}
    port_id = cloud.api.post("/network/v2.0/ports", json=port).json["port"]["id"]
    second = cloud.active(networks=[{"port": port_id}])
    found = cloud.api.get(f"{URL}/servers/{second}/os-interface", headers=NEWEST).json["interfaceAttachments"]
    assert [row["port_id"] for row in found] == [port_id]
    taken = cloud.create(networks=[{"port": port_id}])
    assert taken.status_code == 409
    assert taken.json["conflictingRequest"]["message"] == f"Port {port_id} is still in use."
    other = cloud.create("other", networks=[{"port": port_id}])
    assert other.status_code == 400
    assert other.json["badRequest"]["message"] == f"Port id {port_id} could not be found."


def test_several_at_once_and_reservation_id(cloud: Cloud) -> None:
    reply = cloud.create(min_count=2, max_count=3, name="many", return_reservation_id=True)
    assert set(reply.json) == {"reservation_id"}
    query = {"reservation_id": reply.json["reservation_id"], "sort_key": "display_name", "sort_dir": "asc"}
    found = cloud.api.get(f"{URL}/servers", query_string=query, headers=NEWEST).json["servers"]
    assert [row["name"] for row in found] == ["many-1", "many-2", "many-3"]
    rest = cloud.create(min_count=1, max_count=20, name="rest", return_reservation_id=True)
    assert rest.status_code == 202
    assert len(cloud.api.get(f"{URL}/servers", headers=NEWEST).json["servers"]) == 10
    assert cloud.create().status_code == 403


def test_quota_message_names_all_that_is_exceeded(cloud: Cloud) -> None:
    with cloud.services.db.write() as session:
        add_flavor(session, cloud.services.clock.now(), id="big", name="big", vcpus=5, memory_mib=1)
    reply = cloud.create(flavorRef="big", min_count=11)
    assert reply.status_code == 403
    assert reply.json["forbidden"]["message"] == (
        "Quota exceeded for instances, cores: Requested 11, 55, but already used 0, 0 of 10, 20 instances, cores"
    )


def test_admin_may_choose_the_node(cloud: Cloud) -> None:
    with cloud.services.db.write() as session:
        network_id = add_network(session, cloud.services.clock.now(), cloud.api.project_id("admin"), "a", "10.9.0.0/24")
    nics = [{"uuid": network_id}]
    server_id = cloud.server("admin", availability_zone="nova:node1", networks=nics)
    with cloud.services.db.read() as session:
        operation = session.scalars(sa.select(Operation).where(Operation.resource_id == server_id)).one()
    assert (operation.params["requested_node"], operation.params["availability_zone"]) == ("node1", "nova")
    reply = cloud.create("admin", host="nowhere", networks=nics)
    assert (reply.status_code, reply.json["badRequest"]["message"]) == (400, "Compute host nowhere could not be found.")


def test_old_microversions_refuse_newer_fields(cloud: Cloud) -> None:
    for text, field, value in (("2.18", "description", "x"), ("2.51", "tags", ["a"]), ("2.73", "host", "node1")):
        body = cloud.body(networks=[{"uuid": cloud.network_id}], **{field: value})
        reply = cloud.api.post(f"{URL}/servers", headers=version(text), json=body)
        assert reply.status_code == 400
        assert f"'{field}' unexpected" in reply.json["badRequest"]["message"]


def test_the_request_itself(cloud: Cloud) -> None:
    path = f"{URL}/servers"
    assert cloud.api.post(path, as_=None, json=cloud.body()).status_code == 401
    assert cloud.api.post(path, token="gAAAAABforged", json=cloud.body()).status_code == 401
    assert cloud.api.post(path, "reader", json=cloud.body()).status_code == 403
    assert cloud.api.post(path, data=b"{", content_type="application/json").status_code == 400
    assert cloud.api.post(path, data=b"<server/>", content_type="application/xml").status_code == 415
    large = cloud.api.post(path, data=b"[" * (1024 * 1024 + 1), content_type="application/json")
    assert (large.status_code, "Retry-After" in large.headers) == (413, True)
    assert cloud.api.post(path, json=[1]).status_code == 400
    assert cloud.api.post(path, json={"server": None}).status_code == 400
    assert cloud.api.post(path, headers=version("2.105"), json=cloud.body()).status_code == 406
    assert cloud.api.patch(path, json={}).status_code == 405


def test_blank_devices_divide_what_the_flavor_has(cloud: Cloud) -> None:
    now = cloud.services.clock.now()
    with cloud.services.db.write() as session:
        add_flavor(session, now, id="roomy", name="roomy", ephemeral_gib=5, swap_mib=512)
    blank = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
    devices = [
        {"source_type": "image", "uuid": cloud.image_id, "destination_type": "local", "boot_index": 0},
        {**blank, "volume_size": 2}, {**blank, "volume_size": "3", "guest_format": "ext4"},
        {**blank, "volume_size": 256, "guest_format": "swap"},
    ]  # fmt: skip
    server_id = cloud.server(flavorRef="roomy", imageRef="", block_device_mapping_v2=devices)
    with cloud.services.db.read() as session:
        instance = session.get_one(Instance, server_id)
        spec = instance_spec.build(session, instance, cloud.services.config)
    assert (instance.image_id, instance.local_disks) == (
        cloud.image_id, {"ephemeral_gib": [2, 3], "swap_mib": 256},
    )  # fmt: skip
    assert (spec.ephemeral_parts_gib, spec.swap_mib) == ([2, 3], 256)
    for wrong, words in (
        ([{**blank, "volume_size": 6}], "Ephemeral disks requested are larger"),
        ([{**blank, "volume_size": 513, "guest_format": "swap"}], "Swap drive requested is larger"),
        ([{**blank, "volume_size": 1, "guest_format": "swap"}] * 2, "More than one swap drive"),
        ([{**blank, "volume_size": 1, "boot_index": 0}], "can't be booted"),
        ([{**blank, "volume_size": 0}], "whole number above 0"),
        ([{**blank, "volume_size": 1, "guest_format": "ntfs"}], "formatted as ext4"),
        ([{**blank, "volume_size": 1, "uuid": new_id()}], "Invalid device UUID"),
        (devices[:1] * 2, "Boot sequence"),
    ):
        reply = cloud.create(flavorRef="roomy", block_device_mapping_v2=wrong)
        assert reply.status_code == 400, reply.text
        assert words in reply.json["badRequest"]["message"]


def test_hardware_that_cannot_be_is_refused_before_anything_is_made(cloud: Cloud) -> None:
    now = cloud.services.clock.now()
    with cloud.services.db.write() as session:
        add_flavor(session, now, id="tpm", name="tpm", extra_specs={"hw:tpm_version": "2.0"})
        add_flavor(session, now, id="odd", name="odd", vcpus=3, extra_specs={"hw:numa_nodes": "2"})
        tape = add_image(session, now, visibility="public", properties={"hw_disk_bus": "tape"})
        add_flavor(session, now, id="own", name="own", vcpus=2, extra_specs={"hw:cpu_policy": "dedicated"})
    before = _left(cloud)
    for changes, words in (
        (
            {"flavorRef": "tpm"},
            "The flavor asks for hw:tpm_version=2.0: that is not supported, no node has a virtual TPM.",
        ),
        ({"flavorRef": "odd"}, "3 vCPUs and 128 MiB can't be divided equally into 2 NUMA cells"),
        ({"imageRef": tape}, "hw_disk_bus can't be 'tape'"),
    ):
        reply = cloud.create(**changes)
        assert reply.status_code == 400, reply.text
        assert words in reply.json["badRequest"]["message"]
    assert _left(cloud) == before
    assert cloud.create(flavorRef="own").status_code == 202
