"""The unmodified `openstack` command on everything but servers: identity, flavors, images, networks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_openstack import openstack, words

pytestmark = [pytest.mark.qemu, pytest.mark.root]

ADMIN = "cumulet-admin"


def names(rows: list[dict[str, Any]]) -> set[str]:
    return {row["Name"] for row in rows}


def test_identity(cloud: Cloud) -> None:
    token, catalog, projects, users, roles = openstack(
        cloud,
        words("token issue -f json"),
        words("catalog list -f json"),
        words("project list -f json"),
        words("user list -f json"),
        words("role list -f json"),
        user=ADMIN,
    )
    assert token.json["id"].startswith("gAAAA")
    assert {"identity", "compute", "image", "network"} <= {row["Type"] for row in catalog.json}
    assert names(projects.json) >= {"admin", "demo", "service"}
    assert names(users.json) >= {"admin", "demo"}
    assert names(roles.json) >= {"admin", "manager", "member", "reader", "service"}


def test_projects_users_and_roles_are_made(cloud: Cloud) -> None:
    project, user, role, _, assigned, *_ = openstack(
        cloud,
        words("project create --description testing e2e -f json"),
        words("user create --password chosen-by-e2e e2e -f json"),
        words("role create e2e -f json"),
        words("role add --project e2e --user e2e e2e"),
        words("role assignment list --project e2e --names -f json"),
        words("role remove --project e2e --user e2e e2e"),
        words("role delete e2e"),
        words("user delete e2e"),
        words("project delete e2e"),
        user=ADMIN,
    )
    assert (project.json["name"], user.json["name"], role.json["name"]) == ("e2e", "e2e", "e2e")
    assert [row["User"] for row in assigned.json] == ["e2e@Default"]


def test_flavors_and_hosts(cloud: Cloud) -> None:
    made, listed, shown, _, hypervisors, services, zones = openstack(
        cloud,
        words("flavor create --vcpus 1 --ram 128 --disk 1 e2e -f json"),
        words("flavor list -f json"),
        words("flavor show e2e -f json"),
        words("flavor delete e2e"),
        words("hypervisor list -f json"),
        words("compute service list -f json"),
        words("availability zone list -f json"),
        user=ADMIN,
    )
    assert names(listed.json) == {"c1.tiny", "c1.small", "e2e"}
    assert (shown.json["id"], shown.json["ram"]) == (made.json["id"], 128)
    assert {(row["Hypervisor Type"], row["State"]) for row in hypervisors.json} == {("QEMU", "up")}
    agents = {row["Binary"]: row["State"] for row in services.json}
    assert agents["nova-compute"] == "up"
    assert "nova-scheduler" in agents
    assert "nova" in {row["Zone Name"] for row in zones.json}


def test_keypairs(cloud: Cloud, tmp_path: Path) -> None:
    private = tmp_path / "made.key"
    imported, _, listed, shown, *_ = openstack(
        cloud,
        words(f"keypair create --public-key {cloud.client}/id_demo.pub imported -f json"),
        words(f"keypair create --private-key {private} generated"),
        words("keypair list -f json"),
        words("keypair show imported -f json"),
        words("keypair delete imported generated"),
    )
    assert names(listed.json) >= {"demo", "imported", "generated"}
    assert shown.json["fingerprint"] == imported.json["fingerprint"]
    assert private.read_text().startswith("-----BEGIN")


def test_images(cloud: Cloud, tmp_path: Path) -> None:
    source, saved = cloud.state / "guest/cumulet-guest.qcow2", tmp_path / "saved.qcow2"
    made, listed, shown, _, _ = openstack(
        cloud,
        words(
            f"image create --disk-format qcow2 --container-format bare --file {source} --property os=test e2e -f json"
        ),
        words("image list -f json"),
        words("image show e2e -f json"),
        words(f"image save --file {saved} e2e"),
        words("image delete e2e"),
    )
    assert names(listed.json) == {"cumulet-guest", "e2e"}
    assert made.json["status"] in {"queued", "active"}
    assert shown.json["status"] == "active"
    assert shown.json["properties"]["os"] == "test"
    digest = hashlib.sha512(source.read_bytes()).hexdigest()
    assert shown.json["properties"]["os_hash_value"] == digest
    assert hashlib.sha512(saved.read_bytes()).hexdigest() == digest


def test_networks_subnets_and_ports(cloud: Cloud) -> None:
    network, networks, subnet, subnets, port, ports, shown, *_ = openstack(
        cloud,
        words("network create e2e -f json"),
        words("network list -f json"),
        words("subnet create --network e2e --subnet-range 10.77.0.0/24 e2e -f json"),
        words("subnet list -f json"),
        words("port create --network e2e --fixed-ip ip-address=10.77.0.9 e2e -f json"),
        words("port list --network e2e -f json"),
        words("port show e2e -f json"),
        words("network show e2e -f json"),
        words("subnet show e2e -f json"),
        words("port delete e2e"),
        words("subnet delete e2e"),
        words("network delete e2e"),
    )
    assert names(networks.json) == {"shared", "public", "e2e"}
    assert names(subnets.json) == {"shared", "e2e"}
    assert subnet.json["network_id"] == network.json["id"]
    assert subnet.json["gateway_ip"] == "10.77.0.1"
    assert "e2e" in names(ports.json)
    assert [fixed["ip_address"] for fixed in shown.json["fixed_ips"]] == ["10.77.0.9"]
    assert shown.json["mac_address"] == port.json["mac_address"]


def test_security_groups_and_rules(cloud: Cloud) -> None:
    group, rule, groups, rules, shown, _ = openstack(
        cloud,
        words("security group create --description testing e2e -f json"),
        words("security group rule create --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24 e2e -f json"),
        words("security group list -f json"),
        words("security group rule list e2e -f json"),
        words("security group show e2e -f json"),
        words("security group delete e2e"),
    )
    assert names(groups.json) >= {"default", "e2e"}
    assert (rule.json["port_range_min"], rule.json["port_range_max"]) == (80, 81)
    assert rule.json["id"] in {row["ID"] for row in rules.json}
    assert len(rules.json) == 3  # and egress for IPv4 and IPv6, which every new group has
    assert shown.json["id"] == group.json["id"]


def test_errors_are_told_in_words(cloud: Cloud) -> None:
    flavor, image, network, forbidden = openstack(
        cloud,
        words("server create --flavor nope --image cumulet-guest --network shared x"),
        words("server create --flavor c1.tiny --image nope --network shared x"),
        words("server create --flavor c1.tiny --image cumulet-guest --network nope x"),
        words("flavor create --vcpus 1 --ram 128 --disk 1 mine"),
        refused=True,
    )
    for answer in (flavor, image, network):
        assert "nope" in answer.error
    assert "403" in forbidden.error
