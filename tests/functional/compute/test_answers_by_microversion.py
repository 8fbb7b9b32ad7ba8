"""Exactly the keys of the microversion asked for, at every one of them: the API reference's tables, written down anew.

Each table says with which microversion a key came and after which one it went.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.functional.compute.conftest import URL, Cloud, version

HIGHEST = 104
Keys = Mapping[str, tuple[int, int]]


def keys(*always: str, **others: tuple[int, int]) -> dict[str, tuple[int, int]]:
    return {**dict.fromkeys(always, (1, HIGHEST)), **others}


def since(first: int, *names: str) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(names, (first, HIGHEST))


def until(last: int, *names: str) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(names, (1, last))


_SERVER_FIRST = (
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor", "created", "updated",
    "addresses", "accessIPv4", "accessIPv6", "links", "progress", "OS-DCF:diskConfig",
)  # fmt: skip
_SERVER_EXTENDED = (
    "OS-EXT-AZ:availability_zone", "config_drive", "key_name", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at",
    "security_groups", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state",
    "os-extended-volumes:volumes_attached",
)  # fmt: skip
_SERVER_LATER = {
    **since(9, "locked"), **since(19, "description"), **since(26, "tags"), **since(63, "trusted_image_certificates"),
    **since(73, "locked_reason"), **since(90, "OS-EXT-SRV-ATTR:hostname"), **since(96, "pinned_availability_zone"),
    **since(100, "scheduler_hints"),
}  # fmt: skip
SERVER = keys(*_SERVER_FIRST, *_SERVER_EXTENDED) | _SERVER_LATER
SERVER_SHOWN = SERVER | since(71, "server_groups")
_ADMINS = ("host", "instance_name", "hypervisor_hostname")
_ADMINS_LATER = (
    "reservation_id",
    "launch_index",
    "hostname",
    "kernel_id",
    "ramdisk_id",
    "root_device_name",
    "user_data",
)
SERVER_FOR_ADMINS = SERVER_SHOWN | keys(*(f"OS-EXT-SRV-ATTR:{name}" for name in _ADMINS)) | {
    **since(3, *(f"OS-EXT-SRV-ATTR:{name}" for name in _ADMINS_LATER)), **since(16, "host_status"),
}  # fmt: skip
SERVER_UPDATED = keys(*_SERVER_FIRST) | since(75, *_SERVER_EXTENDED) | _SERVER_LATER | since(71, "server_groups")
FLAVOR = keys(
    "id", "name", "ram", "disk", "swap", "vcpus", "OS-FLV-EXT-DATA:ephemeral", "os-flavor-access:is_public", "links",
) | until(101, "OS-FLV-DISABLED:disabled", "rxtx_factor") | since(55, "description") | since(61, "extra_specs")  # fmt: skip
FLAVOR_SUMMARY = keys("id", "name", "links") | since(55, "description")
EMBEDDED_FLAVOR = until(46, "id", "links") | since(
    47, "original_name", "vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs"
)
SERVICE = keys(
    "id", "binary", "host", "zone", "status", "state", "updated_at", "disabled_reason"
) | since(11, "forced_down")  # fmt: skip
_AMOUNTS = (
    "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "vcpus",
    "local_gb_used", "memory_mb", "memory_mb_used", "running_vms", "vcpus_used",
)  # fmt: skip
HYPERVISOR = keys(
    "id", "hypervisor_hostname", "state", "status", "service", "hypervisor_type", "hypervisor_version", "host_ip"
) | until(87, *_AMOUNTS) | since(88, "uptime")  # fmt: skip
AGGREGATE = keys(
    "id", "name", "availability_zone", "hosts", "metadata", "created_at", "updated_at", "deleted", "deleted_at"
) | since(41, "uuid")  # fmt: skip
SERVER_GROUP = (
    keys("id", "name", "members") | until(63, "policies", "metadata") | since(13, "project_id", "user_id")
    | since(64, "policy", "rules")
)  # fmt: skip
KEYPAIR = keys("name", "public_key", "fingerprint") | since(2, "type")
_COUNTED = ("id", "instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members")
_INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
QUOTA = keys(*_COUNTED) | until(35, "floating_ips", "fixed_ips", "security_groups", "security_group_rules") | until(
    56, *_INJECTED
)  # fmt: skip
LIMITS = keys(
    "maxTotalInstances", "maxTotalCores", "maxTotalRAMSize", "maxTotalKeypairs", "maxServerMeta", "maxServerGroups",
    "maxServerGroupMembers", "totalInstancesUsed", "totalCoresUsed", "totalRAMUsed", "totalServerGroupsUsed",
) | until(38, "maxImageMeta") | until(56, "maxPersonality", "maxPersonalitySize") | until(
    35, "maxTotalFloatingIps", "maxSecurityGroups", "maxSecurityGroupRules", "totalFloatingIpsUsed",
    "totalSecurityGroupsUsed",
)  # fmt: skip
ACTION = keys(
    "action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message"
) | since(58, "updated_at")  # fmt: skip
INTERFACE = keys("port_id", "net_id", "mac_addr", "port_state", "fixed_ips") | since(70, "tag")
QUOTA_CLASS = keys(
    "id", "instances", "cores", "ram", "metadata_items", "key_pairs"
) | until(49, "floating_ips", "fixed_ips", "security_groups", "security_group_rules") | until(56, *_INJECTED) | since(
    50, "server_groups", "server_group_members"
)  # fmt: skip
USAGE = keys(
    "tenant_id", "total_hours", "total_local_gb_usage", "total_memory_mb_usage", "total_vcpus_usage", "server_usages",
    "start", "stop",
)  # fmt: skip
KEYPAIR_SHOWN = KEYPAIR | keys("user_id", "id", "created_at", "updated_at", "deleted", "deleted_at")
HYPERVISOR_SUMMARY = keys("id", "hypervisor_hostname", "state", "status")
DIAGNOSED_IMAGE = keys("id", "links") | since(98, "properties")


@dataclass(frozen=True)
class Question:
    """path: of the request, {id} is a server's; find: what of the answer has these keys."""

    path: str
    expected: Keys
    find: Callable[[Any], Mapping[str, Any]]
    as_: str = "demo"
    method: str = "GET"
    body: Any = None


QUESTIONS = {
    "show": Question("/servers/{id}", SERVER_SHOWN, lambda it: it["server"]),
    "show for admins": Question("/servers/{id}", SERVER_FOR_ADMINS, lambda it: it["server"], "admin"),
    "detail": Question("/servers/detail", SERVER, lambda it: it["servers"][0]),
    "list": Question("/servers", keys("id", "name", "links"), lambda it: it["servers"][0]),
    "update": Question("/servers/{id}", SERVER_UPDATED, lambda it: it["server"], method="PUT", body={"server": {}}),
    "flavor of a server": Question("/servers/{id}", EMBEDDED_FLAVOR, lambda it: it["server"]["flavor"]),
    "image of a server": Question("/servers/{id}", DIAGNOSED_IMAGE, lambda it: it["server"]["image"]),
    "flavor": Question("/flavors/tiny", FLAVOR, lambda it: it["flavor"]),
    "flavors": Question("/flavors", FLAVOR_SUMMARY, lambda it: it["flavors"][0]),
    "services": Question("/os-services", SERVICE, lambda it: it["services"][0], "admin"),
    "hypervisors": Question("/os-hypervisors/detail", HYPERVISOR, lambda it: it["hypervisors"][0], "admin"),
    "aggregates": Question("/os-aggregates", AGGREGATE, lambda it: it["aggregates"][0], "admin"),
    "server groups": Question("/os-server-groups", SERVER_GROUP, lambda it: it["server_groups"][0]),
    "key pairs": Question("/os-keypairs", KEYPAIR, lambda it: it["keypairs"][0]["keypair"]),
    "key pair": Question("/os-keypairs/k", KEYPAIR_SHOWN, lambda it: it["keypair"]),
    "flavors detail": Question("/flavors/detail", FLAVOR, lambda it: it["flavors"][0]),
    "hypervisor": Question("/os-hypervisors/{hypervisor}", HYPERVISOR, lambda it: it["hypervisor"], "admin"),
    "hypervisor names": Question("/os-hypervisors", HYPERVISOR_SUMMARY, lambda it: it["hypervisors"][0], "admin"),
    "quota class": Question("/os-quota-class-sets/default", QUOTA_CLASS, lambda it: it["quota_class_set"], "admin"),
    "usage": Question("/os-simple-tenant-usage/{project}", USAGE, lambda it: it["tenant_usage"]),
    "quota of a user": Question("/os-quota-sets/{project}/defaults", QUOTA, lambda it: it["quota_set"]),
    "quota in detail": Question("/os-quota-sets/{project}/detail", QUOTA, lambda it: it["quota_set"]),
    "zones": Question(
        "/os-availability-zone/detail",
        keys("zoneName", "zoneState", "hosts"),
        lambda it: it["availabilityZoneInfo"][0],
        "admin",
    ),
    "quota": Question("/os-quota-sets/{project}", QUOTA, lambda it: it["quota_set"]),
    "limits": Question("/limits", LIMITS, lambda it: it["limits"]["absolute"]),
    "actions": Question("/servers/{id}/os-instance-actions", ACTION, lambda it: it["instanceActions"][0]),
    "interfaces": Question("/servers/{id}/os-interface", INTERFACE, lambda it: it["interfaceAttachments"][0]),
}


@pytest.fixture
def furnished(cloud: Cloud) -> tuple[Cloud, str]:
    cloud.api.post(f"{URL}/os-aggregates", "admin", json={"aggregate": {"name": "a"}})
    cloud.api.post(f"{URL}/os-server-groups", json={"server_group": {"name": "g", "policies": ["affinity"]}})
    cloud.api.post(f"{URL}/os-keypairs", json={"keypair": {"name": "k"}})
    return cloud, cloud.active(metadata={"a": "b"})


@pytest.mark.parametrize("name", QUESTIONS)
def test_keys_of_every_microversion(furnished: tuple[Cloud, str], name: str) -> None:
    cloud, server_id = furnished
    question = QUESTIONS[name]
    path = URL + question.path
    edges = {1, HIGHEST, *(edge for first, last in question.expected.values() for edge in (first - 1, first, last))}
    edges |= {edge + 1 for _, edge in question.expected.values() if edge < HIGHEST}
    for minor in sorted(edges - {0}):
        hypervisor = cloud.node_id if minor >= 53 else 1
        names = {"id": server_id, "project": cloud.api.project_id("demo"), "hypervisor": hypervisor}
        reply = cloud.api.request(
            question.method, path.format(**names), question.as_, headers=version(f"2.{minor}"), json=question.body
        )  # fmt: skip
        assert reply.status_code == 200, (minor, reply.text)
        expected = {key for key, (first, last) in question.expected.items() if first <= minor <= last}
        assert set(question.find(reply.json)) == expected, f"2.{minor}"
