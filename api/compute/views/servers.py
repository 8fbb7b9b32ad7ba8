"""Servers as the compute API shows them, in the newest form; FIELDS and UPDATE_FIELDS say what came when."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from api.compute.operations.servers import ServerPage
from api.compute.views import links
from api.compute.views import volume_attachments as volume_views
from api.compute.views.fields import Body, Field, Reader, hidden, micros, prune, seconds
from common.db.models import Instance
from common.db.ports import InstanceAddress
from common.db.servers import Host
from common.states import VmState, server_status

DOMAIN_PREFIX = "cml-"  # names of libvirt domains begin with it
_PROGRESS_STATUSES = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
_FAULT_STATUSES = frozenset({"ERROR", "DELETED"})
_STANDS = frozenset({"disk_full"})  # faults of servers that are in no error and yet don't go on

FIELDS = (
    Field("OS-EXT-SRV-ATTR:host", admin=True),
    Field("OS-EXT-SRV-ATTR:instance_name", admin=True),
    Field("OS-EXT-SRV-ATTR:hypervisor_hostname", admin=True),
    Field("OS-EXT-SRV-ATTR:reservation_id", since="2.3", admin=True),
    Field("OS-EXT-SRV-ATTR:launch_index", since="2.3", admin=True),
    Field("OS-EXT-SRV-ATTR:hostname", since="2.3", admin=True),
    Field("OS-EXT-SRV-ATTR:kernel_id", since="2.3", admin=True),
    Field("OS-EXT-SRV-ATTR:ramdisk_id", since="2.3", admin=True),
    Field("OS-EXT-SRV-ATTR:root_device_name", since="2.3", admin=True),
    Field("OS-EXT-SRV-ATTR:user_data", since="2.3", admin=True),
    Field("locked", since="2.9"),
    Field("host_status", since="2.16", admin=True),
    Field("description", since="2.19"),
    Field("tags", since="2.26"),
    Field("trusted_image_certificates", since="2.63"),
    Field("server_groups", since="2.71"),
    Field("locked_reason", since="2.73"),
    Field("OS-EXT-SRV-ATTR:hostname", since="2.90"),
    Field("pinned_availability_zone", since="2.96"),
    Field("scheduler_hints", since="2.100"),
)
#: The answer to an update was short until 2.75 made it the same as that of show.
_LATE = (
    "OS-EXT-AZ:availability_zone", "OS-EXT-STS:power_state", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state",
    "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "config_drive", "key_name",
    "os-extended-volumes:volumes_attached", "security_groups",
)  # fmt: skip
UPDATE_FIELDS = (
    *(Field(name, since="2.75") for name in _LATE),
    *(Field(field.name, "2.75", None, field.admin) if field.admin else field for field in FIELDS),
)
#: and that to a rebuild, but for what it may have changed
REBUILD_FIELDS = (
    *(Field(field.name, "2.54") if field.name == "key_name" else field for field in UPDATE_FIELDS),
    Field("user_data", since="2.57"),
)


def summary_list(page: ServerPage, audience: Reader) -> list[Body]:
    return [
        {"id": row.id, "name": row.name, "links": links.own(audience.base_url, "servers", row.id)}
        for row in page.instances
    ]


def detail_list(page: ServerPage, audience: Reader) -> list[Body]:
    """Without user_data (nobody wants a thousand of them, META-04) and server_groups, as OpenStack's lists."""
    found = [_newest(row, page, audience) for row in page.instances]
    for name in {*hidden(FIELDS, audience.version, audience.is_admin), "server_groups"} & (
        found[0] if found else {}
    ).keys():
        for body in found:
            del body[name]
    return found


def show(page: ServerPage, audience: Reader) -> Body:
    """The one server of a page."""
    row = page.instances[0]
    body = _newest(row, page, audience)
    body["OS-EXT-SRV-ATTR:user_data"] = row.user_data
    return prune(body, FIELDS, audience)


def updated(page: ServerPage, audience: Reader) -> Body:
    row = page.instances[0]
    body = _newest(row, page, audience)
    body["OS-EXT-SRV-ATTR:user_data"] = row.user_data
    if not audience.at_least("2.75"):
        body["addresses"] = _addresses(page.addresses.get(row.id, ()), extended=False)
    return prune(body, UPDATE_FIELDS, audience)


def rebuilt(page: ServerPage, audience: Reader) -> Body:
    row = page.instances[0]
    body = _newest(row, page, audience)
    body["user_data"] = body["OS-EXT-SRV-ATTR:user_data"] = row.user_data
    if not audience.at_least("2.75"):
        body["addresses"] = _addresses(page.addresses.get(row.id, ()), extended=False)
    return prune(body, REBUILD_FIELDS, audience)


def created(instance_id: str, disk_config: str, group_names: Sequence[str], audience: Reader) -> Body:
    """Without adminPass, which is the handler's to add; it stands in no row."""
    return {
        "id": instance_id, "links": links.own(audience.base_url, "servers", instance_id),
        "OS-DCF:diskConfig": disk_config, "security_groups": [{"name": name} for name in group_names],
    }  # fmt: skip


def _newest(row: Instance, page: ServerPage, audience: Reader) -> Body:
    status = server_status(row.vm_state, row.task_state)
    host = page.hosts.get(row.node_id) if row.node_id else None
    building = row.vm_state == VmState.BUILDING  # its addresses may still change with the node
    body: Body = {
        "id": row.id,
        "name": row.name,
        "status": status,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "metadata": row.properties,
        "hostId": host_id(row.project_id, row.node_name),
        "image": _image(row, audience),
        "flavor": _flavor(row.flavor, audience),
        "created": seconds(row.created_at),
        "updated": seconds(row.updated_at),
        "addresses": {} if building else _addresses(page.addresses.get(row.id, ()), extended=True),
        "accessIPv4": row.access_ip_v4,
        "accessIPv6": row.access_ip_v6,
        "links": links.own(audience.base_url, "servers", row.id),
        "OS-DCF:diskConfig": row.disk_config,
        "OS-EXT-AZ:availability_zone": (host.availability_zone if host else row.availability_zone) or "",
        "config_drive": "True" if row.config_drive else "",
        "key_name": row.key_name,
        "OS-SRV-USG:launched_at": micros(row.launched_at),
        "OS-SRV-USG:terminated_at": micros(row.terminated_at),
        "security_groups": [{"name": name} for name in page.groups.get(row.id, ())],
        "OS-EXT-STS:task_state": row.task_state,
        "OS-EXT-STS:vm_state": row.vm_state,
        "OS-EXT-STS:power_state": row.power_state,
        "os-extended-volumes:volumes_attached": volume_views.of_server(page.volumes.get(row.id, ()), audience),
        "OS-EXT-SRV-ATTR:hostname": row.hostname,
        **(_for_administrators(row, host, page, audience) if audience.is_admin else {}),
        "locked": row.locked,
        "locked_reason": row.locked_reason,
        "description": row.description,
        "tags": row.tags,
        "trusted_image_certificates": None,
        "pinned_availability_zone": row.availability_zone,
        "scheduler_hints": row.scheduler_hints if audience.at_least("2.100") else None,
        "server_groups": list(page.server_groups.get(row.id, ())),
    }
    if status in _PROGRESS_STATUSES:
        body["progress"] = row.progress
    if row.fault and (status in _FAULT_STATUSES or row.fault.get("code") in _STANDS):
        body["fault"] = _fault(row.fault, audience)
    return body


def _for_administrators(row: Instance, host: Host | None, page: ServerPage, audience: Reader) -> Body:
    roots = [each.device for each in page.volumes.get(row.id, ()) if each.boot_index == 0]
    return {
        "OS-EXT-SRV-ATTR:host": row.node_name,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": row.node_name,
        "OS-EXT-SRV-ATTR:instance_name": DOMAIN_PREFIX + row.id,
        "OS-EXT-SRV-ATTR:reservation_id": row.reservation_id,
        "OS-EXT-SRV-ATTR:launch_index": row.launch_index,
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:root_device_name": f"/dev/{roots[0] if roots else 'vda'}",
        "host_status": _host_status(host, audience),
    }


@lru_cache(maxsize=4096)
def host_id(project_id: str, node_name: str | None) -> str:
    """Tells a tenant which of its servers share a node, and nothing else."""
    return hashlib.sha224((project_id + node_name).encode()).hexdigest() if node_name else ""


def _host_status(host: Host | None, audience: Reader) -> str:
    if host is None:
        return ""
    if host.disabled:
        return "MAINTENANCE"
    if host.forced_down:
        return "DOWN"
    if host.last_seen_at is None:
        return "UNKNOWN"
    return "UP" if (audience.now - host.last_seen_at).total_seconds() <= audience.node_down_after_s else "DOWN"


def _image(row: Instance, audience: Reader) -> Body | str:
    if not row.image_id:
        return ""
    kept = _bookmarked(audience.base_url, "images", row.image_id)
    if not audience.at_least("2.98"):
        return kept
    return {**kept, "properties": row.image.get("properties", {})}


@lru_cache(maxsize=1024)
def _bookmarked(base_url: str, noun: str, its_id: str) -> Body:
    """The few images and flavors that the many servers of a list have; nobody changes what is returned."""
    return {"id": its_id, "links": [{"rel": "bookmark", "href": links.bookmark(base_url, noun, its_id)}]}


def _flavor(flavor: Mapping[str, Any], audience: Reader) -> Body:
    if not audience.at_least("2.47"):
        return _bookmarked(audience.base_url, "flavors", flavor["id"])
    return {
        "original_name": flavor["name"], "vcpus": flavor["vcpus"], "ram": flavor["memory_mib"],
        "disk": flavor["root_gib"], "ephemeral": flavor["ephemeral_gib"], "swap": flavor["swap_mib"],
        "extra_specs": flavor.get("extra_specs", {}),
    }  # fmt: skip


def _addresses(found: Sequence[InstanceAddress], *, extended: bool) -> Body:
    networks: dict[str, list[Body]] = {}
    for address in found:
        if address.ip_address is None:
            continue
        of_network = networks.setdefault(address.network_name, [])
        of_network.append(_address(address, address.ip_address, "fixed", extended=extended))
        if address.floating_ip is not None:
            of_network.append(_address(address, address.floating_ip, "floating", extended=extended))
    return networks


def _address(of: InstanceAddress, text: str, kind: str, *, extended: bool) -> Body:
    entry: Body = {"version": 6 if ":" in text else 4, "addr": text}
    return entry | ({"OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": of.mac_address} if extended else {})


def plain_addresses(found: Sequence[InstanceAddress]) -> Body:
    """As /servers/{id}/ips shows them: version and address only."""
    return _addresses(found, extended=False)


def _fault(fault: Mapping[str, Any], audience: Reader) -> Body:
    at = str(fault.get("at", ""))
    shown: Body = {"code": 500, "created": at[:19] + "Z" if at else "", "message": fault.get("message", "")}
    if audience.is_admin and fault.get("detail"):
        shown["details"] = fault["detail"]
    return shown
